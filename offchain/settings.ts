/** Values in the settings of worker and gateway, and in other JSON files that commands are given. */
import { Address } from '@ton/core';
import { readFileSync } from 'node:fs';
import { z } from 'zod';

/** nanoTON as a decimal string, of 64 bits at most. */
export const nano = z
    .string()
    .regex(/^[0-9]{1,20}$/, 'expected nanoTON as a decimal string')
    .transform(BigInt)
    .refine((amount) => amount < 1n << 64n, 'amounts have 64 bits');

/** An address in any of its usual forms. */
export const address = z.string().transform((text, context): Address => {
    try {
        return Address.parse(text);
    } catch {
        context.addIssue({ code: 'custom', message: 'expected an address' });
        return z.NEVER;
    }
});

/** What a JSON file holds. Errors name the file; `absent` says what to do when it is not there. */
export function readJson(path: string, absent = 'check its name'): unknown {
    let text: string;
    try {
        text = readFileSync(path, 'utf8');
    } catch (error) {
        if ((error as NodeJS.ErrnoException).code === 'ENOENT') {
            throw new Error(`There is no file ${path}: ${absent}`, { cause: error });
        }
        throw error;
    }
    try {
        return JSON.parse(text) as unknown;
    } catch (error) {
        throw new Error(`${path} is not JSON: ${(error as Error).message}`, { cause: error });
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
