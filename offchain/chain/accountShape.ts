/** The form of an account in the answers of an API: a TonClient throws at any other, and asks no other endpoint. */
import { z } from 'zod';

const account = z.object({
    state: z.enum(['active', 'uninitialized', 'frozen']),
    code: z.string(),
    data: z.string(),
    extra_currencies: z
        .array(z.object({ '@type': z.literal('extraCurrency'), id: z.number(), amount: z.string() }))
        .optional(),
    last_transaction_id: z.object({
        ...{ '@type': z.literal('internal.transactionId'), lt: z.string().regex(/^\d{1,20}$/), hash: z.string() },
    }),
    block_id: z.object({
        ...{ '@type': z.literal('ton.blockIdExt'), workchain: z.number(), shard: z.string(), seqno: z.number() },
        ...{ root_hash: z.string(), file_hash: z.string() },
    }),
});

/** True for an answer to getAddressInformation that a TonClient takes. Code and data are the account's own matter. */
export const isAccountShape = (answer: unknown): boolean => account.safeParse(answer).success;
