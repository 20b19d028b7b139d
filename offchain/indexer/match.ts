/** Which nodes fit a demand, and which demands fit a node; and why the others do not. */
import { modelKeyOf, numberToHex, type Tier } from '@cocoon-market/wrappers';
import { comparePrices, judgeNode, type NodeFilter } from '@cocoon-market/wrappers/market';
import type { IndexedDemand } from './listings';
import type { MarketNode } from './models';
import type { MarketView } from './view';

/** What an app wants to buy. What is left out excludes nothing. */
export interface RequestedQueries extends NodeFilter {
    model: string; // catalogue id, or its SHA-256 as 64 hex digits
    queriesPerDay?: number | undefined;
    /** Queries a day that one GPU answers, as the app assumes: a chain does not say it. */
    queriesPerGpu?: number | undefined;
}

/** One node or demand, and the sentences that say why it does not fit; it fits if there are none. */
export interface Matched<T> {
    candidate: T;
    price: bigint | null; // nanoTON of a typical query, or of a million tokens of each kind; null without an offer
    reasons: string[];
}

/** The hash of a model by its catalogue id or its hash. */
export const modelHash = (model: string): string => numberToHex(modelKeyOf(model));

/** Every node: those that fit first, by price and key. */
export function matchNodes(view: MarketView, requested: RequestedQueries): Matched<MarketNode>[] {
    const matched = view.nodes.map((node) => ({ candidate: node, ...judge(node, requested) }));
    return matched.sort((one, other) => {
        const [fits, otherFits] = [one.reasons.length === 0, other.reasons.length === 0];
        if (fits !== otherFits) {
            return fits ? -1 : 1;
        }
        const difference = comparePrices(one.price ?? undefined, other.price ?? undefined);
        return difference || (one.candidate.key < other.candidate.key ? -1 : 1);
    });
}

/** Every demand whose model or time may fit this node: those that fit first, by queries a day. */
export function matchDemands(view: MarketView, key: string): Matched<IndexedDemand>[] {
    const node = view.nodes.find((each) => each.key === key || each.node === key);
    if (node === undefined) {
        throw new Error(`The index has no node ${key}: name its account, or provider/number`);
    }
    const matched = view.demands.map((demand) => {
        const { model, queriesPerDay } = demand;
        const { price, reasons } = judge(node, { model, queriesPerDay });
        if (demand.endsAt <= view.asOf) {
            reasons.push(`The demand ended at ${new Date(demand.endsAt * 1000).toISOString()}`);
        }
        return { candidate: demand, price, reasons };
    });
    return matched.sort((one, other) => {
        const difference = Math.min(one.reasons.length, 1) - Math.min(other.reasons.length, 1);
        return difference || other.candidate.queriesPerDay - one.candidate.queriesPerDay;
    });
}

/** What of the index decides, besides what `Market.match` of the wrappers asks of a listing. */
function judge(
    node: MarketNode,
    { queriesPerDay, queriesPerGpu, ...filter }: RequestedQueries,
): Pick<Matched<never>, 'price' | 'reasons'> {
    if (!node.knownCode) {
        const reasons = ['The node has a code that this release does not know, so it is not read'];
        return { price: null, reasons };
    }
    const offers = node.offers.map(({ model, ...rates }) => ({ model: BigInt(`0x${model}`), ...rates }));
    const { service, attestation } = node;
    const { price = null, reasons } = judgeNode({ service, offers, tier: node.tier as Tier, attestation }, filter);
    return {
        price,
        reasons: [...presentReasons(node), ...reasons, ...volumeReasons(node, queriesPerDay, queriesPerGpu)],
    };
}

function presentReasons({ open, providerJailed }: MarketNode): string[] {
    const reasons = open ? [] : ['The node has closed'];
    if (providerJailed === true) {
        reasons.push('Its provider is in jail, or has less stake than its nodes require');
    } else if (providerJailed === null) {
        reasons.push('The stake of its provider is not read yet');
    }
    return reasons;
}

function volumeReasons({ hardware }: MarketNode, queriesPerDay?: number, queriesPerGpu?: number): string[] {
    const gpus = hardware?.gpus ?? 0;
    if (queriesPerDay === undefined || queriesPerGpu === undefined || gpus * queriesPerGpu >= queriesPerDay) {
        return [];
    }
    const answered = `${gpus} GPUs answer ${gpus * queriesPerGpu} queries a day at the assumed rate`;
    return [`Its ${answered}, and ${queriesPerDay} are required`];
}
