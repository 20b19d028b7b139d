/** What a worker earned by day, model or client, and how far it is paid. Every amount follows from the store. */
import { larger, loadTerms, noTokens, smaller, type TokenCounts } from '@cocoon-market/wrappers';
import { Cell } from '@ton/core';
import { plus } from '../process/tokenCounts';
import type { JobAmounts, StoredEarnings } from '../store/earnings';
import { dateOf, dayOf } from '../store/people';
import { accountAddress } from './channels';
import type { WorkerContext } from './context';
import { modelName } from './modelName';
import type { WalletLedger, WalletTotals } from './walletLedger';

export const earningsGroups = ['day', 'model', 'client'] as const;
export type EarningsGroup = (typeof earningsGroups)[number];

const ESTIMATE_DAYS = 7;
const MONTH_DAYS = 30n;

/** Results and money of one day (UTC), model or client (raw address of its escrow). */
export interface EarningsRow extends TokenCounts {
    group: string;
    results: number;
    earned: bigint; // nanoTON of results
    claimed: bigint; // nanoTON that channels paid: see EarningsTotals
}

/** Earned is promised + unpaid - prepaid. Promised is claimed + confirming + unclaimed + lost. Amounts are nanoTON. */
export interface EarningsTotals extends Omit<EarningsRow, 'group'> {
    promised: bigint; // by the newest vouchers
    unpaid: bigint; // of results that no voucher covers yet
    prepaid: bigint; // of vouchers above the results, while answers run
    confirming: bigint; // paid by channels, as one reading says or a last claim asks
    unclaimed: bigint; // what channels still hold for vouchers
    lost: bigint; // promised, and no channel holds it
}

/** What a month at the pace of the last full days brings. */
interface EarningsEstimate {
    days: number; // full days (UTC) that it follows from
    perDay: bigint; // nanoTON
    perMonth: bigint; // nanoTON in 30 days
}

export interface EarningsView {
    by: EarningsGroup;
    rows: EarningsRow[];
    totals: EarningsTotals;
    estimate: EarningsEstimate | null; // null before the first full day
    wallet: WalletTotals; // as far as its transactions were read
}

export async function earningsOf(
    { store, config, now }: Pick<WorkerContext, 'store' | 'config' | 'now'>,
    ledger: WalletLedger,
    by: EarningsGroup,
): Promise<EarningsView> {
    await ledger.refresh().catch(() => undefined); // else the stored transactions are shown
    const { rows, earned, jobs } = await earningsRows({ store, config }, by);
    const wallet = await ledger.totals();
    return { by, rows, totals: totalsOf(rows, jobs), estimate: estimateOf(earned, dayOf(now())), wallet };
}

/** The rows of earnings, with what they follow from. */
export async function earningsRows(
    { store: { earnings }, config }: Pick<WorkerContext, 'store' | 'config'>,
    by: EarningsGroup,
): Promise<{ rows: EarningsRow[]; earned: StoredEarnings[]; jobs: JobAmounts[] }> {
    const [earned, claims, jobs] = await Promise.all([earnings.earned(), earnings.claims(), earnings.jobs()]);
    const models = new Map(earned.map(({ job, model }) => [keyOf(job), model]));
    const names = new Map(by === 'day' ? [] : jobs.map((money) => [keyOf(money.job), nameOf(money)]));
    const groupOf = (job: Buffer, day: number): string => (by === 'day' ? dateOf(day) : names.get(keyOf(job))!);
    const rows = new Map<string, EarningsRow>();
    const add = (group: string, { results, earned: price, claimed, ...tokens }: Omit<EarningsRow, 'group'>) => {
        const row = rows.get(group) ?? { group, ...NOTHING };
        const sums = { results: row.results + results, earned: row.earned + price, claimed: row.claimed + claimed };
        rows.set(group, { group, ...plus(row, tokens), ...sums });
    };
    for (const { job, day, model: _model, ...brought } of earned) {
        add(groupOf(job, day), { ...brought, claimed: 0n });
    }
    for (const { job, at, amount } of claims) {
        add(groupOf(job, dayOf(at)), { ...NOTHING, claimed: amount });
    }
    const sorted = [...rows.values()].sort((a, b) => (a.group < b.group ? -1 : 1));
    return { rows: sorted, earned, jobs };

    function nameOf({ job, terms }: JobAmounts): string {
        const { escrow, model } = loadTerms(Cell.fromBoc(terms)[0]);
        const text = by === 'client' ? accountAddress(escrow).toRawString() : models.get(keyOf(job));
        return text || modelName(config, model);
    }
}

const NOTHING = { results: 0, ...noTokens, earned: 0n, claimed: 0n };

const keyOf = (job: Buffer): string => job.toString('hex');

function totalsOf(rows: EarningsRow[], jobs: JobAmounts[]): EarningsTotals {
    const sum = (amountOf: (job: JobAmounts) => bigint) => jobs.reduce((total, job) => total + amountOf(job), 0n);
    const results = jobs.reduce((total, { index }) => total + index, 0);
    const tokens = rows.reduce<TokenCounts>(plus, noTokens);
    return {
        ...{ results, ...tokens },
        earned: sum(({ cumulative }) => cumulative),
        promised: sum(({ promised }) => promised),
        unpaid: sum(({ cumulative, promised }) => larger(0n, cumulative - promised)),
        prepaid: sum(({ cumulative, promised }) => larger(0n, promised - cumulative)),
        claimed: sum(({ claimed }) => claimed),
        confirming: sum(confirmingOf),
        unclaimed: sum(unclaimedOf),
        lost: sum((job) => job.promised - job.claimed - confirmingOf(job) - unclaimedOf(job)),
    };
}

/** nanoTON that a channel has paid by its last reading, or that a last claim asks for, and that is not confirmed. */
function confirmingOf({ promised, claimed, paid, lastClaimAt, lastClaimPaid }: JobAmounts): bigint {
    const reached = lastClaimAt > 0 ? larger(paid, lastClaimPaid) : paid;
    return larger(0n, smaller(reached, promised) - claimed);
}

/** nanoTON of vouchers that a channel has not paid and can pay. */
export function unclaimedOf(job: JobAmounts): bigint {
    const { hasEnded, promised, claimed, balance } = job;
    const due = promised - claimed - confirmingOf(job);
    return hasEnded || job.lastClaimAt > 0 ? 0n : larger(0n, smaller(due, balance));
}

function estimateOf(earned: { day: number; earned: bigint }[], today: number): EarningsEstimate | null {
    const days = earned.length === 0 ? 0 : Math.min(ESTIMATE_DAYS, today - earned[0].day);
    if (days <= 0) {
        return null;
    }
    const isRecent = ({ day }: { day: number }) => day >= today - days && day < today;
    const sum = earned.filter(isRecent).reduce((total, { earned: price }) => total + price, 0n);
    return { days, perDay: sum / BigInt(days), perMonth: (sum * MONTH_DAYS) / BigInt(days) };
}
