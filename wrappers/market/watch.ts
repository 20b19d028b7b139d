/** Watches accounts by asking again and again, and loses and doubles no event. */
import { Address, type Cell, type Transaction } from '@ton/core';
import { channelCodes } from '../actions/library';
import { loadChannelData } from '../Channel';
import { hasSucceeded, parseMessage } from '../parsing';
import { type MarketClient, readAccount, type TransactionName } from './chain';
import { nameOf, previousOf, provedPage, readHistory } from './history';

/**
 * Something that happened to a job, by the history of its escrow. `lt` and `hash` name the transaction of the escrow.
 *
 * @example
 * ```ts
 * import type { JobEvent } from '@cocoon-market/wrappers/market';
 *
 * const isOpening = ({ type }: JobEvent) => type === 'opened';
 * ```
 */
export interface JobEvent extends TransactionName {
    /**
     * `leaving`: the escrow asked it to end. `returned`: money came home, of a job whose opening was seen, one of the
     * newest 10,000: watch from the start to see all.
     */
    type: 'opened' | 'leaving' | 'returned';
    channel: Address;
    amount: bigint; // nanoTON: the deposit of an opening, what came home of a return, 0n otherwise
    at: number; // unix seconds
}

/**
 * A claim that a channel paid, as far as its money went. `lt` and `hash` name the transaction of the channel.
 *
 * @example
 * ```ts
 * import type { ClaimEvent } from '@cocoon-market/wrappers/market';
 *
 * const show = ({ cumulative, count }: ClaimEvent) => `${cumulative} nanoTON for ${count} results`;
 * ```
 */
export interface ClaimEvent extends TransactionName {
    channel: Address;
    cumulative: bigint; // nanoTON owed since the job began, by the voucher
    count: number; // results that the voucher counts
    last: boolean; // it ended the job
    at: number; // unix seconds
}

/**
 * How to watch. `from`: the events after this transaction, or all of them; those after the present unless given.
 *
 * @example
 * ```ts
 * import type { WatchOptions } from '@cocoon-market/wrappers/market';
 *
 * const options: WatchOptions = { pollMs: 5_000, from: 'start', onError: (error) => console.error(error) };
 * ```
 */
export interface WatchOptions {
    pollMs?: number; // 3,000 unless given
    from?: TransactionName | 'start';
    /** Gets what the endpoint or the handler threw. The watch goes on; an event whose handler threw comes again. */
    onError?: (error: unknown) => void;
}

/**
 * Ends a watch. Resolves once no handler runs any more.
 *
 * @example
 * ```ts
 * import type { StopWatching } from '@cocoon-market/wrappers/market';
 *
 * const stopAll = (watches: StopWatching[]) => Promise.all(watches.map((stop) => stop()));
 * ```
 */
export type StopWatching = () => Promise<void>;

const POLL_MS = 3_000;

/** Events of which a watcher knows that it handed them over, and jobs that it saw open. */
export const MAX_REMEMBERED = 10_000;

/**
 * Hands every event of an account to the handler, oldest first and one after another. What was handed over is not
 * handed over again, even if the endpoint shows another history meanwhile. If that history is another one before the
 * newest {@link MAX_REMEMBERED} events, only what comes after these is handed over.
 */
export function watchAccount<E extends TransactionName>(
    client: MarketClient,
    address: Address,
    {
        prepare,
        onEvent,
        lastOfDeleted,
    }: {
        prepare(): Promise<(transaction: Transaction) => E[]>;
        onEvent(event: E): unknown;
        lastOfDeleted?(floor: bigint, endLt?: bigint): Promise<TransactionName | undefined>;
    },
    { pollMs = POLL_MS, from, onError = () => undefined }: WatchOptions,
): StopWatching {
    const delivered = new Map<string, bigint>(); // lt by name
    let place = from === 'start' ? undefined : from;
    let floor = from === 'start' ? 0n : from?.lt; // no event up to here is handed over; undefined: not known yet
    let isStopped = false;
    let endPause = () => {};

    const poll = async () => {
        if (floor === undefined) {
            place = (await readAccount(client, address)).newest;
            floor = place?.lt ?? 0n;
        }
        const last = async (endLt?: bigint) => lastOfDeleted?.(place?.lt ?? floor ?? 0n, endLt);
        const { found, newest } = await readHistory(client, address, place, await prepare(), last);
        for (const event of found) {
            const name = `${event.lt}:${event.hash.toString('hex')}:${keyOf(event)}`;
            if (isStopped) {
                return;
            }
            if (event.lt > floor && !delivered.has(name)) {
                await onEvent(event);
                delivered.set(name, event.lt);
            }
        }
        place = newest;
        floor = forgetOldest(delivered, floor);
    };
    const run = async () => {
        while (!isStopped) {
            await poll().catch(onError);
            await new Promise<void>((resolve) => {
                const timer = setTimeout(resolve, isStopped ? 0 : pollMs);
                endPause = () => {
                    clearTimeout(timer);
                    resolve();
                };
            });
        }
    };
    const running = run();
    return () => {
        isStopped = true;
        endPause();
        return running;
    };
}

/**
 * Forgets the oldest of too many events, given as their lt by name. Returns the lt up to which nothing is handed over
 * from now on.
 */
export function forgetOldest(delivered: Map<string, bigint>, floor: bigint): bigint {
    const excess = delivered.size - MAX_REMEMBERED;
    if (excess <= 0) {
        return floor;
    }
    const oldest = [...delivered].sort(([, one], [, other]) => (one < other ? -1 : one > other ? 1 : 0));
    for (const [name, lt] of oldest.slice(0, excess)) {
        delivered.delete(name);
        floor = lt > floor ? lt : floor;
    }
    return floor;
}

const keyOf = (event: object): string => ('channel' in event ? (event.channel as Address).toRawString() : '');

/** What the transactions of an escrow say of its jobs. Only jobs whose opening it has seen return something. */
export function jobReader(codes: readonly Cell[]): (transaction: Transaction) => JobEvent[] {
    return (transaction) => {
        const { inMessage, outMessages, now: at } = transaction;
        const name = nameOf(transaction);
        const source = inMessage?.info.type === 'internal' ? inMessage.info : undefined;
        const events: JobEvent[] = [];
        if (source !== undefined && !source.bounced && hasSucceeded(transaction)) {
            // Whether it is a job's account is known to who has seen it open, see watchJobs.
            events.push({ ...name, type: 'returned', channel: source.src, amount: source.value.coins, at });
        }
        for (const { info, init, body } of outMessages.values()) {
            if (info.type !== 'internal') {
                continue;
            }
            const event = { ...name, channel: info.dest, at };
            const { code, data } = init ?? {};
            if (code && data && codes.some((each) => each.equals(code))) {
                events.push({ ...event, type: 'opened', amount: info.value.coins });
            } else if (parseMessage(body)?.name === 'Leave') {
                events.push({ ...event, type: 'leaving', amount: 0n });
            }
        }
        return events;
    };
}

/** Watches the jobs of an escrow. */
export function watchJobs(
    client: MarketClient,
    escrow: Address,
    onEvent: (event: JobEvent) => unknown,
    options: WatchOptions = {},
): StopWatching {
    const channels = new Set<string>();
    let read: ((transaction: Transaction) => JobEvent[]) | undefined;
    const handle = async (event: JobEvent) => {
        const channel = event.channel.toRawString();
        if (event.type === 'returned' && !channels.has(channel)) {
            return; // a deposit, or a message of somebody else
        }
        await onEvent(event);
        if (event.type === 'opened') {
            channels.add(channel);
            if (channels.size > MAX_REMEMBERED) {
                channels.delete(channels.values().next().value!); // the oldest
            }
        }
    };
    const prepare = async () => (read ??= jobReader(await channelCodes()));
    return watchAccount(client, escrow, { prepare, onEvent: handle }, options);
}

/** Watches the claims of a channel. */
export function watchClaims(
    client: MarketClient,
    channel: Address,
    onEvent: (event: ClaimEvent) => unknown,
    options: WatchOptions = {},
): StopWatching {
    const read = (transaction: Transaction): ClaimEvent[] => {
        const { inMessage, now: at } = transaction;
        const message = inMessage && hasSucceeded(transaction) ? parseMessage(inMessage.body) : undefined;
        if (message?.name !== 'Claim' && message?.name !== 'ClaimLast') {
            return [];
        }
        const { cumulative, count } = message.fields;
        const last = message.name === 'ClaimLast';
        return [{ ...nameOf(transaction), channel, cumulative, count: Number(count), last, at }];
    };
    const payer = new DeletedChannel(client, channel);
    const prepare = async () => {
        await payer.note();
        return read;
    };
    return watchAccount(
        client,
        channel,
        { prepare, onEvent, lastOfDeleted: (lt, endLt) => payer.lastAfter(lt, endLt) },
        options,
    );
}

const MAX_PAGES = 100; // of a payout in one poll

/** Finds the last claim of a channel whose account is deleted: by what its payout got. */
class DeletedChannel {
    private payout: Address | undefined;
    private readUntil = 0n; // lt of the payout up to which nothing came from the channel
    private found: TransactionName | undefined;

    constructor(
        private readonly client: MarketClient,
        private readonly channel: Address,
    ) {}

    /** Notes whom the channel pays, while it exists. */
    async note(): Promise<void> {
        if (this.payout !== undefined) {
            return;
        }
        const { data } = await readAccount(this.client, this.channel);
        try {
            this.payout = data && new Address(0, loadChannelData(data).payout);
        } catch {
            return; // another contract
        }
    }

    /**
     * The transaction later than `lt` that paid the payout last, of those below `endLt`; undefined if none did, its
     * payment has not arrived yet, or it cannot be found.
     */
    async lastAfter(lt: bigint, endLt?: bigint): Promise<TransactionName | undefined> {
        const { payout, client, channel } = this;
        if (this.found !== undefined || payout === undefined || client.tryLocateSourceTx === undefined) {
            return this.found;
        }
        const { newest } = await readAccount(client, payout);
        const end = lt > this.readUntil ? lt : this.readUntil;
        let next = newest;
        for (let pages = 0; next !== undefined && next.lt > end && pages < MAX_PAGES; pages++) {
            for (const transaction of await provedPage(client, payout, next)) {
                const { inMessage } = transaction;
                const info = inMessage?.info.type === 'internal' ? inMessage.info : undefined;
                if (info?.src.equals(channel) === true && (endLt === undefined || info.createdLt < endLt)) {
                    const sent = nameOf(await client.tryLocateSourceTx(channel, payout, `${info.createdLt}`));
                    this.readUntil = newest?.lt ?? 0n;
                    this.found = sent.lt > lt ? sent : undefined; // the newest one may not have arrived yet
                    return this.found;
                }
                next = previousOf(transaction);
            }
        }
        this.readUntil = newest?.lt ?? 0n;
        return undefined;
    }
}
