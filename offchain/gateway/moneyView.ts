/** Where the client's money is, for the command line and the page. */
import type { StoredJob } from '../store/gateway';
import type { JobBook } from './book';
import type { Purse } from './escrow';
import type { MoneyView } from './views';

const DAY = 86_400; // seconds

/** What of a job says where its money is. Amounts are nanoTON. */
interface JobFunds {
    phase: string;
    funds: bigint;
    paid: bigint;
}

/** The money of the jobs in memory, and of those of other processes as they are stored. */
export function fundsOf(book: Pick<JobBook, 'all'>, others: readonly StoredJob[]): JobFunds[] {
    const own = book.all.map(({ phase, stored: { funds }, ledger }) => {
        return { phase, funds, paid: ledger.voucher.cumulative };
    });
    const stored = others.map(({ phase, funds, voucher }) => ({ phase, funds, paid: voucher?.cumulative ?? 0n }));
    return [...own, ...stored];
}

/**
 * What the escrow holds and what its day allows, what is tied up in jobs, and what comes back. The funds of a job are
 * what its channel has and what it has paid.
 */
export function moneyView(purse: Purse, jobs: readonly JobFunds[], now: number): MoneyView {
    const sum = (phases: string[], amount: (job: JobFunds) => bigint) =>
        jobs.filter(({ phase }) => phases.includes(phase)).reduce((total, job) => total + amount(job), 0n);
    const running = ['ordered', 'open', 'settling'];
    const ending = ['leaving', 'settled'];
    const paid = (job: JobFunds) => job.paid;
    const remaining = (job: JobFunds) => (job.funds > job.paid ? job.funds - job.paid : 0n);
    return {
        reserve: (purse.balance - purse.available).toString(),
        inJobs: sum(running, remaining).toString(),
        returning: sum(ending, remaining).toString(),
        paid: sum([...running, ...ending], paid).toString(),
        dayLimit: purse.dayLimit.toString(),
        daySpent: purse.daySpent.toString(),
        dayResetsAt: (Math.floor(now / DAY) + 1) * DAY,
    };
}
