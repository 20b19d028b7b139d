/** Values in the settings of worker and gateway, as JSON holds them. */
import { Address } from '@ton/core';
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
