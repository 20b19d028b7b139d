/** Nodes as a buyer sees them: what they sell, at which price, and why one does not fit. */
import type { Address } from '@ton/core';
import { numberToHex } from '../bytes';
import { type CatalogueModel, modelKey, modelKeyOf } from '../catalogue';
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
    model?: string | undefined; // id in the catalogue, or the 64 hex digits of its SHA-256
    tokens?: Partial<TokenCounts> | undefined; // of a typical query; a million of prompt and of completion unless given
    maxPrice?: bigint | undefined; // nanoTON of these tokens
    tier?: Tier | undefined; // at least
    region?: string | undefined; // exactly
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

/** An announced node as a buyer sees it, `now` in unix seconds. */
export function sellingNode(
    { address, provider, number, isKnown, listedAt, changedAt, parts }: Announcement,
    filter: NodeFilter,
    { names, now }: { names: CatalogueNames; now: number },
): SellingNode {
    const { service, hardware, attestation, offers = [] } = parts;
    const isInForce = attestation !== undefined && attestation.expiresAt > now;
    const node = { service, offers, tier: isInForce ? attestation.tier : ('open' as const), attestation };
    const { price, reasons } = judgeNode(node, filter);
    return {
        ...{ address, provider, number, listedAt, changedAt, price },
        offers: offers.map((offer) => modelOffer(offer, offers, names)),
        endpoint: service === undefined ? undefined : workerUrl(service.endpoint),
        ...{ region: plainName(service?.region ?? ''), uptime: service?.uptime ?? 0, tier: node.tier },
        hardware: hardware && { ...hardware, model: plainName(hardware.model) },
        reasons: isKnown ? reasons : ['It runs a code that this release does not know, so nothing of it is believed'],
    };
}

/**
 * What of a listing decides whether a node fits. `tier`: in force now; `attestation`: the newest one, also if it has
 * ended.
 *
 * @example
 * ```ts
 * import type { JudgedNode } from '@cocoon-market/wrappers/market';
 *
 * const closed: JudgedNode = { service: undefined, offers: [], tier: 'open' };
 * ```
 */
export interface JudgedNode {
    service: { region: string; endpoint: string } | undefined; // texts as they are on chain
    offers: readonly Offer[];
    tier: Tier;
    attestation?: { tier: Tier; expiresAt: number } | undefined; // unix seconds
}

/**
 * Why a listed node does not fit, and what its answer costs: nanoTON of the filter's tokens, undefined without an offer
 * of the model. The one definition for `Market.match` and the index of a market.
 *
 * @example
 * ```ts
 * import { type JudgedNode, judgeNode } from '@cocoon-market/wrappers/market';
 *
 * const fits = (node: JudgedNode, model: string) => judgeNode(node, { model }).reasons.length === 0;
 * ```
 */
export function judgeNode(node: JudgedNode, filter: NodeFilter): { price: bigint | undefined; reasons: string[] } {
    const { offers } = node;
    const key = filter.model === undefined ? undefined : modelKeyOf(filter.model);
    const offer = offers.find(({ model }) => model === key);
    const price = offer && priceFor(offer, filter.tokens ?? MILLION);
    return { price, reasons: reasonsAgainst(node, filter, { offer, price }) };
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

function modelOffer(offer: Offer, all: readonly Offer[], names: CatalogueNames): ModelOffer {
    const { model, ...rates } = offer;
    return { model: names.get(model) ?? numberToHex(model), rates, objection: objectionTo(offer, all) };
}

function objectionTo(offer: Offer, all: readonly Offer[]): string | undefined {
    const count = all.filter(({ model }) => model === offer.model).length;
    if (count > 1) {
        return `It offers the model ${count} times, so its price is not known`;
    }
    if (tokenKinds.every((kind) => offer[kind] === 0n)) {
        return 'It asks nothing, so nobody would be paid for an answer';
    }
    const dear = tokenKinds.find((kind) => offer[kind] > MAX_RATE);
    return dear === undefined ? undefined : `It asks more than 1 TON for each ${dear} token`;
}

function reasonsAgainst(
    { service, offers, tier: current, attestation }: JudgedNode,
    { model, tokens, maxPrice, tier, region }: NodeFilter,
    { offer, price }: { offer: Offer | undefined; price: bigint | undefined },
): string[] {
    const reasons: string[] = [];
    if (model !== undefined && offer === undefined) {
        reasons.push('It does not offer the model');
    }
    const objection = offer && objectionTo(offer, offers);
    if (objection !== undefined) {
        reasons.push(objection);
    }
    if (model === undefined && offers.every((each) => objectionTo(each, offers) !== undefined)) {
        reasons.push('It offers nothing that can be bought');
    }
    if (maxPrice !== undefined && price !== undefined && price > maxPrice) {
        const unit = tokens === undefined ? 'for a million tokens of each kind' : 'a query';
        reasons.push(`It asks ${price} nanoTON ${unit}, and the limit is ${maxPrice}`);
    }
    if (tier !== undefined && tiers.indexOf(current) < tiers.indexOf(tier)) {
        const isOver = attestation !== undefined && attestation.tier !== current;
        const was = isOver ? `was ${attestation.tier} until ${timeText(attestation.expiresAt)}` : `is ${current}`;
        reasons.push(`Its tier ${was}, and ${tier} is required`);
    }
    const place = plainName(service?.region ?? '');
    if (region !== undefined && place !== region) {
        reasons.push(`Its region is ${JSON.stringify(place)}, and ${JSON.stringify(region)} is required`);
    }
    if (service === undefined || workerUrl(service.endpoint) === undefined) {
        reasons.push('It lists no worker that can be asked');
    }
    return reasons;
}

const MAX_TIME = 8.64e12; // seconds that a Date holds

const timeText = (at: number): string => new Date(Math.min(at, MAX_TIME) * 1000).toISOString();

/**
 * The order of prices: the lower one first, and at last nodes without one.
 *
 * @example
 * ```ts
 * import { comparePrices, type SellingNode } from '@cocoon-market/wrappers/market';
 *
 * const cheapestFirst = (nodes: SellingNode[]) => nodes.sort((one, other) => comparePrices(one.price, other.price));
 * ```
 */
export function comparePrices(one: bigint | undefined, other: bigint | undefined): number {
    if (one === undefined || other === undefined) {
        return one === other ? 0 : one === undefined ? 1 : -1;
    }
    return one < other ? -1 : one > other ? 1 : 0;
}

/** Nodes by price, and those of one price by address. */
export const byPrice = (one: SellingNode, other: SellingNode): number =>
    comparePrices(one.price, other.price) || (one.address.toRawString() < other.address.toRawString() ? -1 : 1);
