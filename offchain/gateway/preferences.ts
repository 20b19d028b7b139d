/**
 * The `provider` object of a request, in the shape of OpenRouter: which nodes may answer it, and which come first. It
 * stays in this gateway. A name in it is a node's address, a provider's address or the URL of a worker.
 */
import { type Rates, readAddress } from '@cocoon-market/wrappers';
import { z } from 'zod';
import { listOf } from '../link';
import { badRequest, type GatewayError } from './errors';

const name = z.string().min(1).max(200);
const names = listOf(name, 64).nullish();
const price = z
    .union([z.int().min(0), z.string().regex(/^[0-9]{1,20}$/)], 'expected nanoTON per million tokens')
    .transform(BigInt);

const shape = z.strictObject({
    order: names,
    only: names,
    ignore: names,
    max_price: z
        .strictObject({
            prompt: price.nullish(),
            cached: price.nullish(),
            completion: price.nullish(),
            reasoning: price.nullish(),
        })
        .nullish(),
    sort: z.enum(['price', 'throughput', 'latency'], 'expected price, throughput or latency').nullish(),
    data_collection: z.enum(['allow', 'deny'], 'expected allow or deny').nullish(),
    allow_fallbacks: z.boolean('expected true or false').nullish(),
    require_parameters: z.boolean('expected true or false').nullish(),
});

/** What a request says of the nodes that may answer it. Names are raw addresses or URLs. */
export interface Preferences {
    order: string[]; // the first of them that can answer does
    only: string[] | undefined; // undefined: any
    ignore: string[];
    maxPrice: Partial<Rates>; // nanoTON per million tokens
    sort: 'price' | 'throughput' | 'latency' | undefined;
    attested: boolean; // only nodes that attest something
    fallbacks: boolean; // also nodes that are not in `order`
}

/** What preferences are about: a node with its prices. */
export interface RoutedNode {
    url: string;
    node: string; // raw address
    provider: string; // raw address
    tier: string;
    rates: Rates;
}

/** Reads the object. Throws 400 with the name of the field and the remedy. */
export function readPreferences(value: unknown): Preferences {
    const parsed = shape.safeParse(value);
    if (!parsed.success) {
        const [issue] = parsed.error.issues;
        const unknown = issue.code === 'unrecognized_keys' ? issue.keys.slice(0, 1) : [];
        const param = ['provider', ...issue.path, ...unknown].map(String).join('.').slice(0, 100);
        const fields = Object.keys(shape.shape).join(', ');
        throw unknown.length > 0
            ? badRequest(
                  `"${param}" is not served here: leave it out; "provider" has ${fields}`,
                  param,
                  'unsupported_parameter',
              )
            : badRequest(`"${param}" is not valid: ${issue.message}`, param);
    }
    const { order, only, ignore, max_price: maxPrice, sort, data_collection: data, allow_fallbacks } = parsed.data;
    const limits = Object.entries(maxPrice ?? {}).filter(([, limit]) => limit != null);
    return {
        order: [...new Set((order ?? []).map(canonical))],
        only: only?.map(canonical),
        ignore: (ignore ?? []).map(canonical),
        maxPrice: Object.fromEntries(limits),
        sort: sort ?? undefined,
        attested: data === 'deny',
        fallbacks: allow_fallbacks !== false,
    };
}

/** Why a request does not want a node; undefined if it may answer. */
export function unwanted(preferences: Preferences | undefined, node: RoutedNode): string | undefined {
    if (preferences === undefined) {
        return undefined;
    }
    const { order, only, ignore, maxPrice, attested, fallbacks } = preferences;
    if (matches(ignore, node)) {
        return 'is in provider.ignore';
    }
    if (only !== undefined && !matches(only, node)) {
        return 'is not in provider.only';
    }
    if (!fallbacks && order.length > 0 && !matches(order, node)) {
        return 'is not in provider.order, and provider.allow_fallbacks is false';
    }
    if (attested && node.tier === 'open') {
        return 'attests nothing, and provider.data_collection is "deny"';
    }
    const dear = Object.entries(maxPrice).find(([kind, max]) => node.rates[kind as keyof Rates] > max);
    return dear === undefined ? undefined : `costs more than provider.max_price.${dear[0]}`;
}

/**
 * The requests that are tried one after the other for one with an order: each name alone, then the others if they may
 * answer.
 */
export function inOrder(preferences: Preferences): Preferences[] {
    const { order, fallbacks } = preferences;
    const steps = order.map((one): Preferences => ({ ...preferences, order: [one], fallbacks: false }));
    return fallbacks ? [...steps, { ...preferences, order: [] }] : steps;
}

/** The error for a request that no node may answer by its own preferences. */
export function noneWanted(model: string, reasons: readonly string[]): GatewayError {
    return badRequest(
        `No node of ${model} fits "provider": ${reasons.join('; ')}. Change it, or leave it out`,
        'provider',
        'no_allowed_provider',
    );
}

function matches(list: readonly string[], { url, node, provider }: RoutedNode): boolean {
    return list.includes(url) || list.includes(node) || list.includes(provider);
}

function canonical(text: string): string {
    try {
        return readAddress(text).toRawString();
    } catch {
        return text.replace(/\/+$/, '');
    }
}
