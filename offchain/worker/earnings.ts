/** What a worker earned by day, model or client, and how far it is paid. Every amount follows from the store. */
import { noTokens, type TokenCounts } from '@cocoon-market/wrappers';
import { reasonOf } from '../process/errors';
import { plus } from '../process/tokenCounts';
import type { EarningsGroup, EarningsRow } from '../store/earnings';
import { addSums, type JobSums } from '../store/jobSums';
import { dateOf, dayOf } from '../store/people';
import type { WorkerContext } from './context';
import type { WalletLedger, WalletTotals } from './walletLedger';

const MAX_ROWS = 1000; // clients or models
const ESTIMATE_DAYS = 7;
const MONTH_DAYS = 30n;

/** The sums over all rows, and how far they are paid. */
export interface EarningsTotals extends Omit<EarningsRow, 'group'>, Omit<JobSums, 'jobs' | 'paid'> {}

/** What a month at the pace of the last full days brings. */
interface EarningsEstimate {
    days: number; // full days (UTC) that it follows from
    perDay: bigint; // nanoTON
    perMonth: bigint; // nanoTON in 30 days
}

export interface EarningsView {
    by: EarningsGroup;
    rows: EarningsRow[]; // days in order; or the models or clients that brought the most, and the others as one
    totals: EarningsTotals;
    estimate: EarningsEstimate | null; // null before the first full day
    wallet: WalletTotals | null; // as far as its transactions were read; null if none was
    unread: string | null; // why newer transactions of the wallet could not be read
}

export async function earningsOf(
    { store: { earnings }, now }: Pick<WorkerContext, 'store' | 'now'>,
    ledger: WalletLedger,
    by: EarningsGroup,
): Promise<EarningsView> {
    const unread = await ledger.refresh().then(() => null, reasonOf);
    const [days, sums] = await Promise.all([earnings.days(), earnings.sums()]);
    const { jobs: _jobs, paid: _paid, ...amounts } = addSums(addSums(sums.open, sums.ending), sums.ended);
    const totals = { ...amounts, ...days.reduce<TokenCounts>(plus, noTokens) };
    const rows = by === 'day' ? days : withOthers(await earnings.best(by, MAX_ROWS), totals);
    return {
        ...{ by, rows, totals, estimate: estimateOf(days, dayOf(now())) },
        ...{ wallet: await ledger.totals(), unread },
    };
}

/** The rows, and one for all others if there are any: together they are the totals. */
function withOthers(rows: EarningsRow[], totals: Omit<EarningsRow, 'group'>): EarningsRow[] {
    const others = rows.reduce<EarningsRow>(
        (rest, row) => ({
            ...{ group: 'others', results: rest.results - row.results },
            ...{ prompt: rest.prompt - row.prompt, cached: rest.cached - row.cached },
            ...{ completion: rest.completion - row.completion, reasoning: rest.reasoning - row.reasoning },
            ...{ earned: rest.earned - row.earned, claimed: rest.claimed - row.claimed },
        }),
        { ...totals, group: 'others' },
    );
    return others.results > 0 ? [...rows, others] : rows;
}

function estimateOf(days: EarningsRow[], today: number): EarningsEstimate | null {
    const first = days.find(({ results }) => results > 0);
    const full = first === undefined ? 0 : Math.min(ESTIMATE_DAYS, today - dayOf(Date.parse(first.group) / 1000));
    if (full <= 0) {
        return null;
    }
    const [from, until] = [dateOf(today - full), dateOf(today)];
    const recent = days.filter(({ group }) => group >= from && group < until);
    const sum = recent.reduce((total, { earned }) => total + earned, 0n);
    return { days: full, perDay: sum / BigInt(full), perMonth: (sum * MONTH_DAYS) / BigInt(full) };
}
