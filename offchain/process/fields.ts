/** Fields that settings, requests and other JSON have in common: what they look like, and what they are read as. */
import { GLOBAL_IDS, isTestOnly, readAddress } from '@cocoon-market/wrappers';
import { Address } from '@ton/core';
import { z } from 'zod';

/** nanoTON below 2^64 as a decimal string; parses to a bigint. */
export const nano = z
    .string()
    .regex(/^[0-9]{1,20}$/, 'expected nanoTON as a decimal string')
    .transform(BigInt)
    .refine((amount) => amount < 1n << 64n, 'amounts have 64 bits')
    .meta({ unit: 'nanoTON' });

/** `n` bytes as lower-case hex; parses to a Buffer. */
export const hex = (n: number) =>
    z
        .string()
        .regex(new RegExp(`^[0-9a-f]{${n * 2}}$`), `expected ${n} bytes of hex`)
        .transform((text): Buffer => Buffer.from(text, 'hex'))
        .meta({ form: `hex of ${n} bytes` });

const rate = nano.meta({ unit: 'nanoTON per million tokens' });

/** nanoTON per million tokens of each kind. */
export const rates = {
    prompt: rate.describe('of the prompt, not cached'),
    cached: rate.describe('of the prompt, cached'),
    completion: rate.describe('of the answer'),
    reasoning: rate.describe('of reasoning'),
};

/** A whole number from `min` to `max`. */
export const whole = (min: number, max = Number.MAX_SAFE_INTEGER) => z.int().min(min).max(max);

/** How much a process logs. */
export const logLevel = z
    .enum(['fatal', 'error', 'warn', 'info', 'debug', 'silent'])
    .default('info')
    .describe('what is logged: this and everything that is worse');

/** For the `superRefine` of a list: refuses an entry whose key an earlier one has, in the words of `message`. */
export function distinct<T>(keyOf: (entry: T) => string, message: (key: string) => string) {
    return (entries: T[], context: z.RefinementCtx): void => {
        const keys = entries.map(keyOf);
        for (const [i, key] of keys.entries()) {
            if (keys.indexOf(key) < i) {
                context.addIssue({ code: 'custom', path: [i], message: message(key) });
            }
        }
    };
}

const texts = new WeakMap<Address, string>(); // as they were written

/**
 * An address of the basechain in any of its usual forms; {@link ofOneNetwork} says whether it is of the right network.
 */
export const address = z
    .string()
    .transform((text, context): Address => {
        try {
            const read = readAddress(text);
            texts.set(read, text);
            return read;
        } catch (error) {
            context.addIssue({ code: 'custom', message: (error as Error).message });
            return z.NEVER;
        }
    })
    .meta({ form: 'address' });

/**
 * For the `superRefine` of settings: refuses addresses that are written for another network than that of the settings.
 */
export function ofOneNetwork(settings: { network: number }, context: z.RefinementCtx): void {
    const { network } = settings;
    const marked = Object.entries(settings).flatMap(([name, value]: [string, unknown]) => {
        const text = value instanceof Address ? texts.get(value) : undefined;
        return text === undefined || Address.isRaw(text) ? [] : [{ name, text }];
    });
    const wrong = marked.flatMap(({ name, text }) => {
        try {
            readAddress(text, { testOnly: isTestOnly(network) });
            return [];
        } catch (error) {
            return [{ name, message: (error as Error).message }];
        }
    });
    if (wrong.length > 1 && wrong.length === marked.length) {
        const [other, id] = isTestOnly(network) ? ['mainnet', GLOBAL_IDS.mainnet] : ['testnet', GLOBAL_IDS.testnet];
        const message = `it is ${network}, but all addresses are of ${other}, which is ${id}: correct the network`;
        context.addIssue({ code: 'custom', path: ['network'], message });
        return;
    }
    for (const { name, message } of wrong) {
        context.addIssue({ code: 'custom', path: [name], message });
    }
}

const oneEndpoint = z.strictObject({
    url: z.url().describe('its URL'),
    apiKey: z.string().optional().describe('its key'),
    callsPerSecond: z
        .number()
        .positive()
        .optional()
        .describe('calls that its provider allows. Left out: 10 with a key, 1 without'),
    answerSeconds: z.number().positive().max(30).optional().describe('wait for one answer. Left out: 5'),
});

const addressOf = (url: string) => new URL(url).origin + new URL(url).pathname; // without what may be a key

/** TON HTTP API v2: a URL, or a list of them with or without keys. The first is asked while it serves. */
const endpoint = z
    .union([z.url(), z.array(z.union([z.url(), oneEndpoint])).min(1)], {
        error: 'expected the URL of a TON HTTP API v2, or a list of URLs and {"url", "apiKey", "callsPerSecond"}',
    })
    .superRefine((value, context) => {
        const urls = (typeof value === 'string' ? [] : value).map((one) => (typeof one === 'string' ? one : one.url));
        distinct(addressOf, (url) => `${new URL(url).host} is listed twice: its second word confirms nothing`)(
            urls,
            context,
        );
    })
    .describe('TON HTTP API v2: a URL, or a list of URLs and blocks. The first is asked while it serves.');

/** The chain that settings name. */
export const chainFields = {
    network: z.int().describe('the network: -239 is mainnet, -3 is testnet'),
    endpoint,
    apiKey: z.string().optional().describe('key of the first endpoint'),
};
