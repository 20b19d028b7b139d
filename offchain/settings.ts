/** Values in the settings of worker and gateway, and in other JSON files that commands are given. */
import { isTestOnly, readAddress } from '@cocoon-market/wrappers';
import { Address } from '@ton/core';
import { readFileSync } from 'node:fs';
import { z } from 'zod';
import { Remedied } from './remedied';

/** nanoTON as a decimal string, of 64 bits at most. */
export const nano = z
    .string()
    .regex(/^[0-9]{1,20}$/, 'expected nanoTON as a decimal string')
    .transform(BigInt)
    .refine((amount) => amount < 1n << 64n, 'amounts have 64 bits');

const texts = new WeakMap<Address, string>(); // as they were written

/** An address of the basechain in any of its usual forms; {@link ofOneNetwork} says whether it is of the right network. */
export const address = z.string().transform((text, context): Address => {
    try {
        const read = readAddress(text);
        texts.set(read, text);
        return read;
    } catch (error) {
        context.addIssue({ code: 'custom', message: (error as Error).message });
        return z.NEVER;
    }
});

/** For the `superRefine` of settings: refuses their addresses when they are written for another network than theirs. */
export function ofOneNetwork(settings: { network: number }, context: z.RefinementCtx): void {
    for (const [name, value] of Object.entries(settings) as [string, unknown][]) {
        const text = value instanceof Address ? texts.get(value) : undefined;
        if (text === undefined) {
            continue;
        }
        try {
            readAddress(text, { testOnly: isTestOnly(settings.network) });
        } catch (error) {
            context.addIssue({ code: 'custom', path: [name], message: (error as Error).message });
        }
    }
}

const oneEndpoint = z.strictObject({
    url: z.url(),
    apiKey: z.string().optional(),
    callsPerSecond: z.number().positive().optional(), // what its provider allows
    answerSeconds: z.number().positive().max(30).optional(), // that one answer may take
});

/** TON HTTP API v2: a URL, or a list of them with or without keys, of which the first is asked while it serves. */
export const endpoint = z.union([z.url(), z.array(z.union([z.url(), oneEndpoint])).min(1)], {
    error: 'expected the URL of a TON HTTP API v2, or a list of URLs and {"url", "apiKey", "callsPerSecond"}',
});

/** What a JSON file holds. Errors name the file; `absent` says what to do when it is not there. */
export function readJson(path: string, absent = 'check its name'): unknown {
    const text = textOf(path, absent);
    try {
        return JSON.parse(text) as unknown;
    } catch (error) {
        throw new Error(`${path} is not JSON: ${(error as Error).message}`, { cause: error });
    }
}

// Only what is not there is told so: a folder that may not be read is another trouble, and its own error says which.
function textOf(path: string, absent: string): string {
    try {
        return readFileSync(path, 'utf8');
    } catch (error) {
        throw (error as NodeJS.ErrnoException).code === 'ENOENT'
            ? new Remedied(`There is no file ${path}: ${absent}`, { cause: error })
            : error;
    }
}

/** What a JSON file of this kind holds. Errors name the file and every wrong field; `kind` completes "is no …". */
export function readJsonAs<T extends z.ZodType>(schema: T, path: string, kind: string, absent?: string): z.output<T> {
    const parsed = schema.safeParse(readJson(path, absent));
    if (!parsed.success) {
        throw new Error(`${path} is no ${kind}:\n${z.prettifyError(parsed.error)}`);
    }
    return parsed.data;
}
