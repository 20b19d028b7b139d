/** Where the client's money is, for the command line and the page. */
import type { JobBook } from './book';
import type { Purse } from './escrow';
import type { MoneyView } from './views';

const DAY = 86_400; // seconds

/**
 * What the escrow holds and what its day allows, what is tied up in jobs, and what comes back. The funds of a job are
 * what its channel has and what it has paid.
 */
export function moneyView(purse: Purse, book: Pick<JobBook, 'all'>, now: number): MoneyView {
    const sum = (phases: string[], amount: (job: JobBook['all'][number]) => bigint) =>
        book.all.filter(({ phase }) => phases.includes(phase)).reduce((total, job) => total + amount(job), 0n);
    const running = ['ordered', 'open', 'settling'];
    const ending = ['leaving', 'settled'];
    const paid = ({ ledger }: JobBook['all'][number]) => ledger.voucher.cumulative;
    const remaining = (job: JobBook['all'][number]) =>
        job.stored.funds > paid(job) ? job.stored.funds - paid(job) : 0n;
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
