/** A backend that buys: the cheapest node, one job for a day, an answer whose receipt is right, and its voucher. */
import { signingKey, type SignedVoucher } from '@cocoon-market/wrappers';
import { type JobHandle, type Market, type SpendKey, verifyReceipt } from '@cocoon-market/wrappers/market';

/** Asks the worker at this URL, which answers and signs a receipt. */
export type Ask = (job: JobHandle, worker: string) => Promise<Buffer>;

/** Buys the first answer of a new job; `seed`: 32 random bytes of its own for each job. */
export async function buy(market: Market, payer: SpendKey, ask: Ask, seed: Buffer): Promise<SignedVoucher> {
    const model = 'Qwen/Qwen3-32B';
    const tokens = { prompt: 1_000, completion: 500 };
    const { node, rates, deposit } = await market.quote({ model, tokens, queriesADay: 1_000 });
    const key = signingKey(seed);
    const terms = { node: node.address, model, rates, deposit: deposit.job, voucherKey: key.publicKey };
    const job = await market.openJob(payer, terms);
    const receipt = await ask(job, node.endpoint!);
    const { network } = market;
    const parts = { network, channel: job.channel.hash, terms: job.terms, receipt, number: 1, index: 1 };
    const { right, says, checks } = verifyReceipt(parts);
    if (!right) {
        throw new Error(checks.flatMap(({ field, state }) => (state === 'wrong' ? [field] : [])).join(', '));
    }
    return market.voucher(job, key, { cumulative: says!.cumulative, count: says!.index });
}
