/**
 * Who opened the channel of a job. A channel takes its first message from anyone, so it may be a stranger's and name
 * the escrow of a client. An escrow sends messages to its own channels only. One of them, wherever it stands in the
 * history, shows that a channel is its own: anyone may deploy a channel before its escrow does, or send it more. Anyone
 * may also deploy one again that has ended, whose history then begins anew: one that begins after an answer of its job
 * tells nothing.
 */
import { payloadOf, Result } from '@cocoon-market/wrappers';
import { Address } from '@ton/core';
import { type Chain, majoritySays } from '../chain';
import { accountAddress } from './channels';
import type { WorkerContext } from './context';

/** `escrow`: its escrow has sent it a message; `stranger`: its whole history has none. */
export type Origin = 'escrow' | 'stranger';

const MAX_TRANSACTIONS = 1000; // of a channel that are read: anyone can add to them
const MAX_MS = 15_000; // for which they are read

/** Who opened the channel of a job; undefined if most endpoints do not say the same. */
export async function readOrigin(
    { chain, store, log }: Pick<WorkerContext, 'chain' | 'store' | 'log'>,
    job: Buffer,
): Promise<Origin | undefined> {
    const record = await store.jobs.get(job);
    if (record === undefined) {
        return undefined;
    }
    const newest = await store.queries.newestResult(job);
    const answeredAt = newest && Result.decode(payloadOf(newest)).finishedAt;
    const origin = await originOf(chain, accountAddress(record.channel), Address.parse(record.client), answeredAt);
    if (origin === 'stranger') {
        const message = "a stranger opened this job's channel: it has no part in the credit of the escrow it names";
        log.info({ job: job.toString('hex') }, message);
    }
    return origin;
}

/**
 * Who opened a channel of such an escrow; undefined if nobody knows. It asks with the urgency of a client.
 * `answeredAt`: unix seconds when the channel was there, if known.
 */
export async function originOf(
    chain: Chain,
    channel: Address,
    escrow: Address,
    answeredAt = Infinity,
): Promise<Origin | undefined> {
    const { others = [] } = chain;
    const endpoints: readonly Partial<Pick<Chain, 'history' | 'as'>>[] = others.length > 0 ? others : [chain];
    const words = endpoints.map((one) => wordOf(one.as?.('client') ?? one, { channel, escrow, answeredAt }));
    const majorityFor = (origin: Origin) => majoritySays(words, async (word) => (await word) === origin, MAX_MS);
    const [isOwn, isStranger] = await Promise.all([majorityFor('escrow'), majorityFor('stranger')]);
    return isOwn ? 'escrow' : isStranger ? 'stranger' : undefined;
}

/** What one endpoint says; undefined if it does not show the whole history in time. */
async function wordOf(
    endpoint: Partial<Pick<Chain, 'history'>>,
    { channel, escrow, answeredAt }: { channel: Address; escrow: Address; answeredAt: number },
): Promise<Origin | undefined> {
    const end = performance.now() + MAX_MS;
    let count = 0;
    for await (const { received, previous, at } of endpoint.history?.(channel, 0n) ?? []) {
        if (received?.isBounced === false && received.account.equals(escrow)) {
            return 'escrow';
        }
        if (previous.lt === 0n) {
            return at > answeredAt ? undefined : 'stranger';
        }
        if (++count >= MAX_TRANSACTIONS || performance.now() > end) {
            return undefined;
        }
    }
    return undefined;
}
