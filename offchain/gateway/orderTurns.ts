/** Whose turn it is to order: one order of an escrow at a time, over all processes that share the store. */
import type { Address } from '@ton/core';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Cluster, HeldLease } from '../store/cluster';
import type { GatewayStore } from '../store/gateway';
import { GatewayError } from './errors';

const TURN_MS = 30_000;
const RESOLVE_MS = 200; // between two looks whether the orders of a process that ended are resolved
const BUSY_SECONDS = 5; // after which an app may ask again

/** The store as orders need it. */
export type OrderStore = Pick<GatewayStore, 'ordersUnderWay'> & { readonly cluster: Pick<Cluster, 'exclusive'> };

type Action<T> = (lease: HeldLease) => Promise<T>;

export class OrderTurns {
    private queue: Promise<unknown> = Promise.resolve();
    private readonly closing = new AbortController();
    private readonly noted = new Map<string, number>(); // orders that this process made or resumed: how long they last
    private readonly lease: string;

    /** `maxMs`: longest wait of an opener for the orders of other processes. */
    constructor(
        private readonly store: OrderStore,
        escrow: Address,
        private readonly maxMs = TURN_MS,
    ) {
        this.lease = `escrow:${escrow.toRawString()}`;
    }

    /** Runs an action when no other order is under way. */
    take<T>(action: Action<T>): Promise<T> {
        return this.inTurn(() => this.withLease(action, this.closing.signal));
    }

    /**
     * {@link take} of an action that is tried again in another turn when it resolves with undefined. Throws 503 if its
     * turn does not come in time.
     */
    async takeFree<T>(action: Action<T | undefined>): Promise<T> {
        // Between two tries the turn is free: an order of this process may be what the action waits for.
        let late: AbortSignal | undefined;
        for (;;) {
            const result = await this.inTurn(() => {
                late ??= AbortSignal.any([this.closing.signal, AbortSignal.timeout(this.maxMs)]);
                return this.withLease(action, late);
            });
            if (result !== undefined) {
                return result;
            }
            await sleep(RESOLVE_MS, undefined, { signal: late }).catch(() => undefined);
        }
    }

    /** This process resolves the order that makes this channel. `validUntil`: unix seconds. */
    note(channel: Address, validUntil: number): void {
        this.noted.set(channel.hash.toString('hex'), validUntil);
    }

    /** True if the store has an order that may still be taken at a time, and that this process does not resolve. */
    async hasUnresolved(at: number): Promise<boolean> {
        this.noted.forEach((validUntil, channel) => validUntil < at && this.noted.delete(channel));
        const orders = await this.store.ordersUnderWay();
        return orders.some(({ channel, validUntil }) => validUntil >= at && !this.noted.has(channel.toString('hex')));
    }

    /** Nobody waits for a turn any longer. */
    close(): void {
        this.closing.abort();
    }

    private inTurn<T>(run: () => Promise<T>): Promise<T> {
        const done = this.queue.then(run);
        this.queue = done.catch(() => undefined);
        return done;
    }

    /** Waits for the lease until the signal, and from then on for the end of the action. */
    private withLease<T>(action: Action<T>, signal: AbortSignal): Promise<T> {
        return new Promise<T>((resolve, reject) => {
            const stop = () =>
                reject(this.closing.signal.aborted ? new Error('The gateway ended before the order began') : busy());
            const run = async (lease: HeldLease) => {
                signal.removeEventListener('abort', stop);
                if (!signal.aborted) {
                    await action(lease).then(resolve, reject);
                }
            };
            if (signal.aborted) {
                stop();
                return;
            }
            signal.addEventListener('abort', stop, { once: true });
            this.store.cluster.exclusive(this.lease, run).catch(reject);
        });
    }
}

function busy(): GatewayError {
    const message =
        'Another process of this gateway is opening jobs, and orders of one escrow follow each other: ask again';
    return new GatewayError(503, 'orders_busy', message, { retryAfter: BUSY_SECONDS });
}
