/** What a node risks and may earn, before its owner pays for it: the rules of the market as arithmetic. */
import {
    faultClassCodes,
    faultClasses,
    type FaultClass,
    liabilityRules,
    minSlash,
    outcomesOf,
    type Prices,
    type Rates,
    type ruleWindows,
    verdictShare,
} from '@cocoon-market/wrappers';

/**
 * Seconds from the owner's request for stake until it may be withdrawn, at least: it stays liable for every receipt and
 * case that its nodes may still meet (contracts/protocol/liability.tact). Earlier rules of the provider may hold it for
 * longer.
 */
export function stakeHold(rules: Record<(typeof ruleWindows)[number], number>): number {
    const { keyNotice, answerSpan } = liabilityRules;
    const cases = rules.response + rules.buffer + Math.max(rules.verdict, answerSpan);
    return Math.max(rules.unbonding, keyNotice + rules.evidence + cases);
}

/** What one fault may take of a stake at most, in nanoTON. */
export interface FaultCost {
    class: FaultClass;
    what: string;
    first: bigint;
    repeat: bigint; // when the receipt is dated after the last slash of its class
}

const WHAT: Record<FaultClass, string> = {
    A1: 'two receipts that exclude each other: one key on two machines, or an old store',
    A2: 'a result that bills more than it may',
    A3: 'an accepted query without an answer, also after a demand on chain',
    B1: "a wrong model or answer, by the committee's verdict",
};

/**
 * What each fault costs a provider with this stake and one node with this share. `loss`: nanoTON that the client loses
 * by it.
 */
export function faultCosts(
    { stake, share, loss }: { stake: bigint; share: bigint; loss: bigint },
    prices: Pick<Prices, 'basechain'>,
): FaultCost[] {
    const minimum = minSlash(prices);
    const never = { twiceAt: 0n, excessAt: 0n, silentAt: 0n, wrongAt: 0n };
    const slashableByVerdict = (stake * verdictShare) / 10_000n;
    const reportCost = minimum / 6n;
    const state = { basis: share, slashed: 0n, stake, slashableByVerdict, minSlash: minimum, cost: reportCost };
    const worst = (faultClass: FaultClass, slashedBefore: boolean): bigint => {
        const record = slashedBefore ? { ...never, [`${faultClasses[faultClass].name}At`]: 1n } : never;
        const outcomes = outcomesOf({ class: faultClass, loss, date: 2 }, { ...state, ...record });
        return outcomes.reduce((max, { slash }) => (slash > max ? slash : max), 0n);
    };
    return faultClassCodes.map((faultClass) => ({
        class: faultClass,
        what: WHAT[faultClass],
        first: worst(faultClass, false),
        repeat: worst(faultClass, true),
    }));
}

/** Shares of the day for which earnings are stated, in percent. */
export const UTILIZATIONS = [10, 50, 90] as const;

const DAY = 86_400;

/**
 * nanoTON a day that a node earns with answers alone, when it writes `tokensPerSecond` for this percentage of the day.
 * Prompts come on top.
 */
export function earningsPerDay(
    { completion }: Pick<Rates, 'completion'>,
    tokensPerSecond: number,
    utilization: number,
): bigint {
    const tokens = BigInt(Math.floor(tokensPerSecond * DAY * utilization)) / 100n;
    return (tokens * completion) / 1_000_000n;
}
