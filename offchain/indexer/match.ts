/** Which nodes fit a demand, and which demands fit a node; and why the others do not. */
import { modelKey, numberToHex, type Tier, tiers } from '@cocoon-market/wrappers';
import type { IndexedDemand, IndexedOffer } from './listings';
import type { MarketNode } from './models';
import type { MarketView } from './view';

/** What an app wants to buy. What is left out excludes nothing. */
export interface RequestedQueries {
    model: string; // catalogue id, or its SHA-256 as 64 hex digits
    queriesPerDay?: number | undefined;
    tokens?: { prompt: number; completion: number } | undefined; // of a typical query
    maxPrice?: bigint | undefined; // nanoTON of a typical query; without `tokens`, of a million tokens of each kind
    tier?: Tier | undefined; // at least
    region?: string | undefined;
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
export function modelHash(model: string): string {
    return /^[0-9a-f]{64}$/.test(model) ? model : numberToHex(modelKey(model));
}

/** Every node: those that fit first, by price and key. */
export function matchNodes(view: MarketView, requested: RequestedQueries): Matched<MarketNode>[] {
    const model = modelHash(requested.model);
    const matched = view.nodes.map((node) => {
        const offer = node.offers.find((each) => each.model === model);
        const price = offer === undefined ? null : priceFor(offer, requested);
        return { candidate: node, price, reasons: objections(node, price, requested) };
    });
    return matched.sort((one, other) => {
        const [fits, otherFits] = [one.reasons.length === 0, other.reasons.length === 0];
        if (fits !== otherFits) {
            return fits ? -1 : 1;
        }
        return comparePrices(one.price, other.price) || (one.candidate.key < other.candidate.key ? -1 : 1);
    });
}

/** Every demand whose model or time may fit this node: those that fit first, by queries a day. */
export function matchDemands(view: MarketView, key: string): Matched<IndexedDemand>[] {
    const node = view.nodes.find((each) => each.key === key || each.node === key);
    if (node === undefined) {
        throw new Error(`The index has no node ${key}: name its account, or provider/number`);
    }
    const matched = view.demands.map((demand) => {
        const offer = node.offers.find(({ model }) => model === demand.model);
        const price = offer === undefined ? null : priceFor(offer, {});
        const reasons = objections(node, price, demand);
        if (demand.endsAt <= view.asOf) {
            reasons.push(`The demand ended at ${timeText(demand.endsAt)}`);
        }
        return { candidate: demand, price, reasons };
    });
    return matched.sort((one, other) => {
        const difference = Math.min(one.reasons.length, 1) - Math.min(other.reasons.length, 1);
        return difference || other.candidate.queriesPerDay - one.candidate.queriesPerDay;
    });
}

const MILLION = 1_000_000n;

function priceFor({ prompt, completion }: IndexedOffer, { tokens }: Pick<RequestedQueries, 'tokens'>): bigint {
    if (tokens === undefined) {
        return prompt + completion;
    }
    const product = prompt * BigInt(tokens.prompt) + completion * BigInt(tokens.completion);
    return (product + MILLION - 1n) / MILLION;
}

function objections(
    node: MarketNode,
    price: bigint | null,
    { queriesPerDay, tokens, maxPrice, tier, region, queriesPerGpu }: Omit<RequestedQueries, 'model'>,
): string[] {
    const reasons: string[] = [];
    if (!node.knownCode) {
        return ['The node has a code that this release does not know, so it is not read'];
    }
    if (!node.open) {
        reasons.push('The node has closed');
    }
    if (node.providerJailed === true) {
        reasons.push('Its provider is in jail, or has less stake than its nodes require');
    } else if (node.providerJailed === null) {
        reasons.push('The stake of its provider is not read yet');
    }
    if (price === null) {
        reasons.push('It does not offer the model');
    } else if (maxPrice !== undefined && price > maxPrice) {
        const unit = tokens === undefined ? 'for a million tokens of each kind' : 'a query';
        reasons.push(`It asks ${price} nanoTON ${unit}, and the limit is ${maxPrice}`);
    }
    if (tier !== undefined && tiers.indexOf(node.tier as Tier) < tiers.indexOf(tier)) {
        const expired = node.attestation !== undefined && node.attestation.tier !== node.tier;
        const text = expired
            ? `was ${node.attestation!.tier} until ${timeText(node.attestation!.expiresAt)}`
            : `is ${node.tier}`;
        reasons.push(`Its tier ${text}, and ${tier} is required`);
    }
    if (region !== undefined && node.service?.region !== region) {
        reasons.push(
            `Its region is ${JSON.stringify(node.service?.region ?? '')}, and ${JSON.stringify(region)} is required`,
        );
    }
    if (node.service === undefined || node.service.endpoint === '') {
        reasons.push('It names no endpoint');
    }
    if (queriesPerDay !== undefined && queriesPerGpu !== undefined) {
        const capacity = (node.hardware?.gpus ?? 0) * queriesPerGpu;
        if (capacity < queriesPerDay) {
            reasons.push(
                `Its ${node.hardware?.gpus ?? 0} GPUs answer ${capacity} queries a day at the assumed rate, ` +
                    `and ${queriesPerDay} are required`,
            );
        }
    }
    return reasons;
}

function comparePrices(one: bigint | null, other: bigint | null): number {
    if (one === null || other === null) {
        return one === other ? 0 : one === null ? 1 : -1;
    }
    return one < other ? -1 : one > other ? 1 : 0;
}

const timeText = (at: number): string => new Date(at * 1000).toISOString();
