/**
 * Orders of the spend key: one at a time over all processes of this gateway, because an escrow takes each seqno once.
 */
import type { JobParameters, SigningKey } from '@cocoon-market/wrappers';
import {
    Channel,
    channelCodes,
    channelData,
    errors,
    formatTon,
    jobNumber,
    jobOrderCell,
    openJobsCell,
    readOrder,
    seqnoOf,
    signedOrder,
} from '@cocoon-market/wrappers';
import { Address, Cell } from '@ton/core';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Logger } from 'pino';
import { ChainAccount, Chain, ChainError, OrderOutcome, outcomeOf } from '../chain';
import { reasonOf } from '../process/errors';
import type { Cluster, HeldLease } from '../store/cluster';
import type { GatewayStore } from '../store/gateway';
import { GatewayError } from './errors';
import type { EscrowAccount } from './escrow';

/** How long an order can be taken. */
export const VALID_SECONDS = 120;

const MAX_POLLS = 60; // until an opened channel shows, or an order shows as taken
const RESEND_POLLS = 10;
const LOG_MS = 60_000; // between two lines of the log while the chain is not read
const TURN_MS = 30_000;
const RESOLVE_MS = 200; // between two looks whether the orders of a process that ended are resolved
const BUSY_SECONDS = 5; // after which an app may ask again

/** An order to open one job, on its way or about to be. */
export interface OpenOrder {
    parameters: JobParameters;
    deposit: bigint; // nanoTON
    validUntil: number; // unix seconds
    channel: Address;
}

/** The order was not taken and never will be. */
export class OrderLapsed extends Error {}

/** The store as orders need it: what other processes order, and whose turn it is. */
export type OrderTurns = Pick<GatewayStore, 'ordersUnderWay'> & { readonly cluster: Pick<Cluster, 'exclusive'> };

export interface SpendParts {
    account: EscrowAccount;
    key: SigningKey;
    turns: OrderTurns;
    turnMs?: number | undefined; // longest wait of an opener for the orders of other processes
    log: Logger;
}

export class SpendAccount {
    private queue: Promise<unknown> = Promise.resolve();
    private closed = false;
    private readonly noted = new Map<string, number>(); // orders that this process made or resumed: how long they last
    private readonly closing = new AbortController();
    private loggedAt = -Infinity; // when the log last said that the chain is not read
    private readonly chain: Chain; // orders go before all that is only read
    private readonly account: EscrowAccount;
    private readonly key: SigningKey;
    private readonly turns: OrderTurns;
    private readonly turnMs: number;
    private readonly log: Logger;

    constructor(
        chain: Chain,
        private readonly pollMs: number,
        { account, key, turns, turnMs = TURN_MS, log }: SpendParts,
    ) {
        this.chain = chain.as('urgent');
        this.account = account.urgent;
        this.key = key;
        this.turns = turns;
        this.turnMs = turnMs;
        this.log = log;
    }

    /**
     * Opens one job: `plan` gets the job's number and the chain's time, `keep` must have the order on disk before it
     * resolves, unless another process has the lease of the orders. Resolves with the channel's balance once it is
     * active with the expected code and data. Throws 503 if other processes order for too long.
     */
    open<Plan extends Pick<OpenOrder, 'parameters' | 'deposit'>>(
        plan: (number: number, at: number) => Plan,
        keep: (order: Plan & OpenOrder, lease: HeldLease) => Promise<void>,
    ): Promise<bigint> {
        return this.inFreeTurn(async (lease) => {
            const reading = await this.account.read();
            const { at } = reading.account;
            // A process that ended left an order that may still be taken. Its successor needs the lease to resolve it.
            if (await this.hasUnresolved(at)) {
                return undefined;
            }
            const planned = plan(jobNumber(Number(reading.state.seqno)), at);
            await this.account.requireMoney(reading, planned.deposit);
            const { address } = await Channel.ofJob(this.account.address, planned.parameters, reading.code);
            const order = { ...planned, validUntil: at + VALID_SECONDS, channel: address };
            this.note(order);
            await keep(order, lease);
            await this.send(this.cellOf(order), order.deposit);
            return this.waitForChannel(order);
        });
    }

    /**
     * Brings an order that was on disk when the gateway ended to its end: sends the same order again while it can be
     * taken, and waits. Throws {@link OrderLapsed} if it was not taken.
     */
    resume(order: OpenOrder): Promise<bigint> {
        return this.inTurn(async () => {
            this.note(order);
            const { account, state } = await this.account.read();
            if (Number(state.seqno) <= seqnoOf(order.parameters.job) && account.at <= order.validUntil) {
                await this.sendAgain(this.cellOf(order), order.deposit);
            }
            return this.waitForChannel(order);
        });
    }

    /**
     * Asks a job to leave, or sends an ended job's remaining balance home; resolves when the escrow has taken the
     * order.
     */
    jobOrder(job: JobParameters, action: 'leave' | 'refund'): Promise<void> {
        return this.inTurn(async () => {
            const { account, state } = await this.account.read();
            const seqno = Number(state.seqno);
            const validUntil = account.at + VALID_SECONDS;
            const order = jobOrderCell({
                network: this.chain.network,
                escrow: this.account.address,
                seqno,
                validUntil,
                job,
                action,
            });
            await this.send(order, 0n);
            let failure: unknown; // why the chain was not read the last time
            for (let poll = 1; poll <= MAX_POLLS && !this.closed; poll++) {
                const { outcome, error } = await this.outcome(order, seqno, validUntil);
                failure = error;
                if (outcome === 'executed') {
                    return;
                }
                if (outcome !== 'waiting') {
                    throw lapsedOrder(outcome, action);
                }
                await sleep(this.pollMs);
                if (poll % RESEND_POLLS === 0) {
                    await this.sendAgain(order, 0n);
                }
            }
            // The next order has the same seqno, so at most one of the two is taken.
            if (failure === undefined) {
                throw new ChainError(`The escrow did not take the order to ${action} in time; it may still`);
            }
            const message = `It is not known whether the escrow took the order to ${action}: ${reasonOf(failure)}`;
            throw new ChainError(message, undefined, { cause: failure });
        });
    }

    /** Waits no longer; an order under way stays on disk for the next start. */
    close(): void {
        this.closed = true;
        this.closing.abort();
    }

    private note({ channel, validUntil }: OpenOrder): void {
        this.noted.set(channel.hash.toString('hex'), validUntil);
    }

    /** True if the store has an order that may still be taken and that this process has not resolved. */
    private async hasUnresolved(at: number): Promise<boolean> {
        this.noted.forEach((validUntil, channel) => validUntil < at && this.noted.delete(channel));
        const orders = await this.turns.ordersUnderWay();
        return orders.some(({ channel, validUntil }) => validUntil >= at && !this.noted.has(channel.toString('hex')));
    }

    private inTurn<T>(action: (lease: HeldLease) => Promise<T>): Promise<T> {
        const done = this.queue.then(() => this.withLease(action, this.closing.signal));
        this.queue = done.catch(() => undefined);
        return done;
    }

    /** {@link inTurn} of an action that is tried again in another turn when it resolves with undefined. */
    private inFreeTurn<T>(action: (lease: HeldLease) => Promise<T | undefined>): Promise<T> {
        const done = this.queue.then(async () => {
            const late = AbortSignal.any([this.closing.signal, AbortSignal.timeout(this.turnMs)]);
            for (;;) {
                const result = await this.withLease(action, late);
                if (result !== undefined) {
                    return result;
                }
                await sleep(RESOLVE_MS, undefined, { signal: late }).catch(() => undefined);
            }
        });
        this.queue = done.catch(() => undefined);
        return done;
    }

    /** Waits for the lease until the signal, and from then on for the end of the action. */
    private withLease<T>(action: (lease: HeldLease) => Promise<T>, signal: AbortSignal): Promise<T> {
        return new Promise<T>((resolve, reject) => {
            const stop = () => reject(this.closed ? new Error('The gateway ended before the order began') : busy());
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
            this.turns.cluster.exclusive(`escrow:${this.account.address.toRawString()}`, run).catch(reject);
        });
    }

    private cellOf({ parameters, deposit, validUntil }: OpenOrder): Cell {
        const { job, ...rest } = parameters;
        const seqno = seqnoOf(job);
        const head = { network: this.chain.network, escrow: this.account.address, seqno, validUntil };
        return openJobsCell({ ...head, jobs: [{ ...rest, deposit }] });
    }

    /** What became of an order, and whether its seqno is used; `waiting` with the error if the chain does not say. */
    private async outcome(
        order: Cell,
        seqno: number,
        validUntil: number,
    ): Promise<{ outcome: OrderOutcome; used: boolean; error?: unknown }> {
        let used = false;
        const hash = signedOrder(order, this.key).hash().toString('hex');
        const sent = { wallet: this.account.address, seqno, hash, from: validUntil - VALID_SECONDS, validUntil };
        const next = async () => {
            const newest = Number((await this.account.state()).seqno);
            used = newest > seqno;
            return newest;
        };
        try {
            return { outcome: await outcomeOf(this.chain, sent, next, this.pollMs, seqnoOfOrder), used };
        } catch (error) {
            this.logUnread(error);
            return { outcome: 'waiting', used, error };
        }
    }

    /** Logs once in a while why an order is still waited for. */
    private logUnread(error: unknown): void {
        if (performance.now() - this.loggedAt >= LOG_MS) {
            this.loggedAt = performance.now();
            this.log.warn(
                { reason: reasonOf(error) },
                'the chain does not say what became of an order: it is asked again',
            );
        }
    }

    /**
     * Sends an order again that may have been lost or taken: the escrow takes it once, and what the chain shows
     * decides.
     */
    private async sendAgain(order: Cell, deposit: bigint): Promise<void> {
        await this.send(order, deposit).catch((error: Error) =>
            this.log.warn({ reason: reasonOf(error.cause ?? error) }, 'an order that was sent before is refused'),
        );
    }

    private async send(order: Cell, deposit: bigint): Promise<void> {
        try {
            await this.chain.sendExternal(this.account.address, signedOrder(order, this.key));
        } catch (error) {
            // An order of a used seqno may be this one, if an endpoint that did not answer passed it on and the next
            // refuses it.
            const stale = error instanceof ChainError && error.exitCode === errors.ErrStaleSeqno;
            const mayBeTaken = stale || (error instanceof ChainError && error.unknown);
            if (error instanceof ChainError && error.exitCode !== undefined && !mayBeTaken) {
                throw new OrderLapsed('The escrow refused the order', {
                    cause: this.account.refusalOf(error.exitCode, { cost: deposit, deposit }),
                });
            }
            // The API did not answer: it may have passed the order on, so only the chain can tell.
            if (!stale) {
                this.logUnread(error);
            }
        }
    }

    private async waitForChannel(order: OpenOrder): Promise<bigint> {
        const { parameters, channel, validUntil, deposit } = order;
        const fresh = channelData(this.account.address, parameters).hash();
        const codes = (await channelCodes()).map((code) => code.hash());
        const cell = this.cellOf(order);
        let polls = 0; // since the seqno was seen used
        let failure: unknown; // why the chain was not read the last time
        for (let poll = 1; !this.closed; poll++) {
            await sleep(poll === 1 ? 0 : this.pollMs);
            let account: ChainAccount;
            try {
                account = await this.chain.account(channel);
            } catch (error) {
                this.logUnread((failure = error));
                continue; // whether the order was taken is for the chain to say
            }
            const isOurs = codes.some((code) => account.code?.hash().equals(code));
            if (account.state === 'active' && isOurs && account.data?.hash().equals(fresh)) {
                return account.balance;
            }
            const { outcome, used, error } = await this.outcome(cell, seqnoOf(parameters.job), validUntil);
            failure = error;
            if (outcome === 'lapsed' || outcome === 'overtaken') {
                throw lapsedOrder(outcome, 'open a job');
            }
            if (used && ++polls > MAX_POLLS) {
                throw new OrderLapsed(
                    `The seqno of the order is used and its channel of ${formatTon(deposit)} TON did not appear`,
                );
            }
            if (!used && poll % RESEND_POLLS === 0) {
                await this.sendAgain(cell, deposit);
            }
        }
        throw new Error('The gateway ended before the order did', { cause: failure });
    }
}

function busy(): GatewayError {
    const message =
        'Another process of this gateway is opening jobs, and orders of one escrow follow each other: ask again';
    return new GatewayError(503, 'orders_busy', message, { retryAfter: BUSY_SECONDS });
}

/** Why an order will never be taken. A late one can be sent again; two gateways must not share a key. */
function lapsedOrder(outcome: 'lapsed' | 'overtaken', to: string): OrderLapsed {
    return new OrderLapsed(
        outcome === 'lapsed'
            ? `The escrow did not take the order to ${to} in time, and never will`
            : `The escrow took another order in the place of the one to ${to}: an earlier one of this gateway, or one of ` +
                  'another gateway, which must not use the same spend key',
    );
}

/** The seqno of an order as the escrow took it; undefined if it cannot be read. */
function seqnoOfOrder(body: Cell): number | undefined {
    try {
        return readOrder(body).seqno;
    } catch {
        return undefined;
    }
}
