/**
 * How queries are shared out among nodes that all may answer them: each node gets a weight, and is chosen as often as
 * its weight says. Pure. The factors are a table in docs/gateway.md.
 */
import type { Tier } from '@cocoon-market/wrappers';

/** What is known of one of several nodes. */
export interface NodeFacts {
    price: bigint; // of its rates, in one number
    tier: Tier;
    region: string;
    covered: number | undefined; // part of its share that stake still covers, 0 to 1
    delay: number | undefined; // seconds to the first token, on average
    speed: number | undefined; // tokens a second, on average
    usual?: number | undefined; // seconds of an answer of usual length, over a long time
    success: number; // part of its queries that it answered, 0 to 1
    refusals: number; // of what the query needs and the node lists, though another node did it
    jobs: number; // that are open there, where the next one is to be opened; otherwise 0
}

/** What a client prefers of all nodes. */
export interface ScoringRules {
    regions: readonly string[]; // preferred ones; none: all are
}

/** A node that refused so often what it lists is not used for it. */
export const MAX_REFUSALS = 3;

const ANSWER = 200; // tokens of the answer by which times are compared
const TIERS: Record<Tier, number> = { open: 1, testca: 1.1, tdx: 1.2 };
const ELSEWHERE = 0.5; // of a node outside the preferred regions
const REFUSED = 0.25; // for each refusal

/** Seconds that an answer of usual length takes; undefined if it was not measured. */
export function answerTime({ delay, speed }: Pick<NodeFacts, 'delay' | 'speed'>): number | undefined {
    return delay === undefined ? undefined : delay + (speed === undefined ? 0 : ANSWER / Math.max(speed, 1e-3));
}

/** A weight for each node, 0 for one that is not to be used. Only their ratios mean something. */
export function weightsOf(nodes: readonly NodeFacts[], { regions }: ScoringRules): number[] {
    const prices = nodes.map(({ price }) => Number(price));
    const cheapest = Math.min(...prices);
    const times = nodes.map(answerTime);
    // A node that was not measured counts as the others were over a long time, so that it gets its chance.
    const usual = median(nodes.flatMap((node) => node.usual ?? [])) ?? 1;
    const fastest = Math.max(Math.min(...times.map((time) => time ?? usual)), 0.05); // differences below are noise
    return nodes.map((node, i) => {
        const price = prices[i] === 0 ? 1 : (cheapest / prices[i]) ** 2;
        const time = Math.min(1, fastest / Math.max(times[i] ?? usual, 1e-3)) ** 2;
        const region = regions.length === 0 || regions.includes(node.region) ? 1 : ELSEWHERE;
        const stake = 0.5 + 0.5 * (node.covered ?? 1);
        const refused = node.refusals >= MAX_REFUSALS ? 0 : REFUSED ** node.refusals;
        return (price * time * node.success ** 4 * TIERS[node.tier] * region * stake * refused) / (1 + node.jobs);
    });
}

function median(values: readonly number[]): number | undefined {
    return [...values].sort((a, b) => a - b)[Math.floor((values.length - 1) / 2)];
}

/** The place of the chosen node: each as often as its weight says, the first if all weights are 0. `random`: 0 to 1. */
export function choose(weights: readonly number[], random: number): number {
    let remaining = random * weights.reduce((sum, weight) => sum + weight, 0);
    let last = 0;
    for (const [i, weight] of weights.entries()) {
        if (weight > 0) {
            last = i;
            remaining -= weight;
            if (remaining < 0) {
                return i;
            }
        }
    }
    return last;
}

/** Weights by which only the best node of one measure is chosen; undefined without a measure. */
export function sortBy(
    nodes: readonly NodeFacts[],
    sort: 'price' | 'throughput' | 'latency' | undefined,
): number[] | undefined {
    const measures = {
        price: ({ price }: NodeFacts) => Number(price),
        throughput: ({ speed }: NodeFacts) => (speed === undefined ? Infinity : -speed),
        latency: ({ delay }: NodeFacts) => delay ?? Infinity,
    };
    if (sort === undefined) {
        return undefined;
    }
    const values = nodes.map((node) => (node.refusals >= MAX_REFUSALS ? Infinity : measures[sort](node)));
    const best = Math.min(...values);
    return values.map((value, i) => (value === best ? 1 / (1 + nodes[i].jobs) : 0));
}
