/** Nodes as a buyer sees them: what they sell, at which price, and why one does not fit. */
import type { Address } from '@ton/core';
import { numberToHex } from '../bytes';
import { type CatalogueModel, modelKey } from '../catalogue';
import { bigUint, objectOf, oneOf, optional, text, uint } from '../fields';
import { type Hardware, type Offer, type Tier, tiers } from '../Node';
import { noTokens, priceOf, type Rates, type TokenCounts, tokenKinds, TOKENS_PER_RATE } from '../price';
import type { Announcement } from './announcements';
import { plainName, workerUrl } from './text';

/**
 * A node that has not closed, as the newest events of the registry say. Texts are printable ASCII.
 *
 * Source: `Market.nodes` and `Market.match`. A node's stake, keys and jail are not in the events: `Market.openJob`
 * reads them from the accounts before money moves.
 *
 * @example
 * ```ts
 * import type { SellingNode } from '@cocoon-market/wrappers/market';
 *
 * const priceList = ({ offers }: SellingNode) => offers.map(({ model, rates }) => [model, rates.completion]);
 * ```
 */
export interface SellingNode {
    address: Address;
    provider: Address;
    number: number; // among the nodes of its provider
    endpoint: string | undefined; // URL of its worker; undefined if it lists none that can be asked
    region: string; // as the provider says
    uptime: number; // as the provider promises, basis points
    tier: Tier; // of an attestation that is in force
    hardware: Hardware | undefined;
    offers: ModelOffer[];
    listedAt: number; // unix seconds
    changedAt: number; // unix seconds
    price: bigint | undefined; // nanoTON of what was asked for, see `NodeFilter.tokens`; undefined without an offer
    reasons: string[]; // why it does not fit; it fits if there are none
}

/**
 * A model that a node sells. `model`: its id in the catalogue, or the 64 hex digits of its hash if the catalogue does
 * not have it; `rates`: nanoTON per million tokens; `objection`: why nobody can buy at these rates.
 *
 * @example
 * ```ts
 * import type { ModelOffer } from '@cocoon-market/wrappers/market';
 *
 * const canBeBought = ({ objection }: ModelOffer) => objection === undefined;
 * ```
 */
export interface ModelOffer {
    model: string;
    rates: Rates;
    objection: string | undefined;
}

/**
 * Which nodes are wanted. What is left out excludes nothing.
 *
 * @example
 * ```ts
 * import type { NodeFilter } from '@cocoon-market/wrappers/market';
 *
 * // A query of 1,000 tokens that is answered with 500 costs at most 0.001 TON.
 * const tokens = { prompt: 1_000, completion: 500 };
 * const filter: NodeFilter = { model: 'Qwen/Qwen3-32B', tokens, maxPrice: 1_000_000n, tier: 'tdx', region: 'eu' };
 * ```
 */
export interface NodeFilter {
    model?: string; // id in the catalogue, or the 64 hex digits of its SHA-256
    tokens?: Partial<TokenCounts>; // of a typical query; a million of prompt and of completion unless given
    maxPrice?: bigint; // nanoTON of these tokens
    tier?: Tier; // at least
    region?: string; // exactly
}

/** The checks of a filter: a field that is misspelt would exclude nothing. */
export const FILTER = {
    ...{ model: optional(text(200)), maxPrice: optional(bigUint(128)), tier: optional(oneOf(tiers)) },
    region: optional(text(64)),
    tokens: optional(objectOf(Object.fromEntries(tokenKinds.map((kind) => [kind, optional(uint(32))])))),
};

/** The name that a hash has: the id of a catalogue's model, or its 64 hex digits. */
export type CatalogueNames = ReadonlyMap<bigint, string>;

const MILLION = { prompt: Number(TOKENS_PER_RATE), completion: Number(TOKENS_PER_RATE) };
const MAX_RATE = TOKENS_PER_RATE * 1_000_000_000n; // nanoTON: a token for a whole TON

/** The names of a catalogue's models. */
export function namesOf(models: readonly Pick<CatalogueModel, 'id'>[]): CatalogueNames {
    return new Map(models.map(({ id }) => [modelKey(id), id]));
}

/** The hash of a model by its id or its hash in hex. */
export function modelHashOf(model: string): bigint {
    return /^[0-9a-f]{64}$/.test(model) ? BigInt(`0x${model}`) : modelKey(model);
}

/** An announced node as a buyer sees it, `now` in unix seconds. */
export function sellingNode(
    { address, provider, number, isKnown, listedAt, changedAt, parts }: Announcement,
    filter: NodeFilter,
    { names, now }: { names: CatalogueNames; now: number },
): SellingNode {
    const { service, hardware, attestation } = parts;
    const isInForce = attestation !== undefined && attestation.expiresAt > now;
    const offers = (parts.offers ?? []).map((offer, _, all) => modelOffer(offer, all, names));
    const modelHash = filter.model === undefined ? undefined : modelHashOf(filter.model);
    const index = (parts.offers ?? []).findIndex(({ model }) => model === modelHash);
    const node = {
        ...{ address, provider, number, listedAt, changedAt, offers },
        endpoint: service === undefined ? undefined : workerUrl(service.endpoint),
        ...{ region: plainName(service?.region ?? ''), uptime: service?.uptime ?? 0 },
        tier: isInForce ? attestation.tier : ('open' as const),
        hardware: hardware && { ...hardware, model: plainName(hardware.model) },
        price: index < 0 ? undefined : priceFor(offers[index].rates, filter.tokens ?? MILLION),
        reasons: [] as string[],
    };
    if (!isKnown) {
        return { ...node, reasons: ['It runs a code that this release does not know, so nothing of it is believed'] };
    }
    return { ...node, reasons: reasonsAgainst(node, index < 0 ? undefined : offers[index], filter) };
}

/**
 * nanoTON of these tokens. Where `cached` or `reasoning` are left out, each token counts at the higher rate of its
 * kind, so that the price is never below what is billed.
 */
export function priceFor(rates: Rates, tokens: Partial<TokenCounts>): bigint {
    const higher = (one: bigint, other: bigint) => (one > other ? one : other);
    return priceOf(
        { ...noTokens, ...tokens },
        {
            ...rates,
            prompt: tokens.cached === undefined ? higher(rates.prompt, rates.cached) : rates.prompt,
            completion: tokens.reasoning === undefined ? higher(rates.completion, rates.reasoning) : rates.completion,
        },
    );
}

function modelOffer({ model, ...rates }: Offer, all: readonly Offer[], names: CatalogueNames): ModelOffer {
    return {
        model: names.get(model) ?? numberToHex(model),
        rates,
        objection: objectionTo(rates, all.filter((other) => other.model === model).length),
    };
}

function objectionTo(rates: Rates, count: number): string | undefined {
    if (count > 1) {
        return `It offers the model ${count} times, so its price is not known`;
    }
    if (tokenKinds.every((kind) => rates[kind] === 0n)) {
        return 'It asks nothing, so nobody would be paid for an answer';
    }
    const dear = tokenKinds.find((kind) => rates[kind] > MAX_RATE);
    return dear === undefined ? undefined : `It asks more than 1 TON for each ${dear} token`;
}

function reasonsAgainst(
    node: Omit<SellingNode, 'reasons'>,
    offer: ModelOffer | undefined,
    { model, maxPrice, tier, region }: NodeFilter,
): string[] {
    const reasons: string[] = [];
    if (model !== undefined && offer === undefined) {
        reasons.push('It does not offer the model');
    }
    if (offer?.objection !== undefined) {
        reasons.push(offer.objection);
    }
    if (model === undefined && !node.offers.some(({ objection }) => objection === undefined)) {
        reasons.push('It offers nothing that can be bought');
    }
    if (maxPrice !== undefined && node.price !== undefined && node.price > maxPrice) {
        reasons.push(`It asks ${node.price} nanoTON, and the limit is ${maxPrice}`);
    }
    if (tier !== undefined && tiers.indexOf(node.tier) < tiers.indexOf(tier)) {
        reasons.push(`Its tier is ${node.tier}, and ${tier} is wanted`);
    }
    if (region !== undefined && node.region !== region) {
        reasons.push(`Its region is ${JSON.stringify(node.region)}, and ${JSON.stringify(region)} is wanted`);
    }
    if (node.endpoint === undefined) {
        reasons.push('It lists no worker that can be asked');
    }
    return reasons;
}

/** Nodes by price, those without one last. */
export function byPrice(one: SellingNode, other: SellingNode): number {
    if (one.price !== other.price) {
        return one.price === undefined ? 1 : other.price === undefined || one.price < other.price ? -1 : 1;
    }
    return one.address.toRawString() < other.address.toRawString() ? -1 : 1;
}
