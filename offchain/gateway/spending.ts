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
import { agreedTime, carryElsewhere, ChainAccount, Chain, ChainError, OrderOutcome, outcomeOf } from '../chain';
import { holdsDeposit } from '../link';
import { reasonOf } from '../process/errors';
import type { HeldLease } from '../store/cluster';
import type { EscrowAccount, Openable } from './escrow';
import { EscrowSources } from './escrowSources';
import type { OrderTurns } from './orderTurns';

/** How long an order can be taken. */
export const VALID_SECONDS = 120;

const MAX_POLLS = 60; // until an opened channel shows, or an order shows as taken
const RESEND_POLLS = 10;
const DENIED_POLLS = 2 * RESEND_POLLS; // that a channel is not believed which only some endpoints show
const LAPSE_MS = 15_000; // that each of several endpoints has to show the channel of an order that seems to have lapsed
const LOG_MS = 60_000; // between two lines of the log while the chain is not read

/** An order to open one job, on its way or about to be. */
export interface OpenOrder {
    parameters: JobParameters;
    deposit: bigint; // nanoTON
    validUntil: number; // unix seconds
    channel: Address;
}

/** The order was not taken and never will be. */
export class OrderLapsed extends Error {}

/** The escrow took the order, and no endpoint shows the channel, which has the deposit. */
export class ChannelUnseen extends OrderLapsed {}

export interface SpendParts {
    account: EscrowAccount;
    key: SigningKey;
    turns: OrderTurns;
    log: Logger;
    now: () => number; // unix seconds of this machine
}

export class SpendAccount {
    private closed = false;
    private loggedAt = -Infinity; // when the log last said that the chain is not read
    private readonly sources: EscrowSources;
    private readonly key: SigningKey;
    private readonly turns: OrderTurns;
    private readonly log: Logger;
    private readonly now: () => number;

    constructor(
        chain: Chain,
        private readonly pollMs: number,
        { account, key, turns, log, now }: SpendParts,
    ) {
        this.sources = new EscrowSources(chain, account);
        this.key = key;
        this.turns = turns;
        this.log = log;
        this.now = now;
    }

    private get chain(): Chain {
        return this.sources.chain;
    }

    private get account(): EscrowAccount {
        return this.sources.account;
    }

    /**
     * Opens one job: `plan` gets the job's number and the chain's time, `keep` must have the order on disk before it
     * resolves, unless another process has the lease of the orders, and `allow` gets what the escrow may open today and
     * may throw. Resolves once the channel is active with the expected code and data: then it has the deposit; with
     * false if an endpoint that answers does not show it. Throws 503 if other processes order too long.
     */
    open<Plan extends Pick<OpenOrder, 'parameters' | 'deposit'>>(
        plan: (number: number, at: number) => Plan,
        keep: (order: Plan & OpenOrder, lease: HeldLease) => Promise<void>,
        allow: (openable: Openable) => void = () => undefined,
    ): Promise<boolean> {
        const openNow = async (lease: HeldLease) => {
            const prepared = await this.sources.read(async (account) => {
                const reading = await account.read();
                const at = await this.timeOf(reading.account);
                // A process that ended left an order that may still be taken. Its successor needs the lease to resolve
                // it.
                if (await this.turns.hasUnresolved(at)) {
                    return undefined;
                }
                const planned = plan(jobNumber(Number(reading.state.seqno)), at);
                allow(await account.requireMoney(reading, planned.deposit));
                return { planned, validUntil: at + VALID_SECONDS, code: reading.code };
            });
            if (prepared === undefined) {
                return undefined;
            }
            const { planned, validUntil, code } = prepared;
            const { address } = await Channel.ofJob(this.account.address, planned.parameters, code);
            const order = { ...planned, validUntil, channel: address };
            this.turns.note(order.channel, order.validUntil);
            await keep(order, lease);
            await this.send(this.cellOf(order), order.deposit, lease);
            return this.waitForChannel(order, lease);
        };
        return this.turns.takeFree((lease) => this.sources.run(() => openNow(lease)));
    }

    /**
     * Brings an order that was on disk when the gateway ended to its end: sends the same order again while it can be
     * taken, and waits. Throws {@link OrderLapsed} if it was not taken.
     */
    resume(order: OpenOrder): Promise<void> {
        return this.turns.take(async (lease) => {
            const { account, state } = await this.sources.read((one) => one.read());
            this.turns.note(order.channel, order.validUntil); // no sooner: without the read it is not resolved
            if (Number(state.seqno) <= seqnoOf(order.parameters.job) && account.at <= order.validUntil) {
                await this.sendAgain(this.cellOf(order), order.deposit, lease);
            }
            await this.waitForChannel(order, lease);
        });
    }

    /**
     * Asks a job to leave, or sends an ended job's remaining balance home; resolves when the escrow has taken the
     * order.
     */
    jobOrder(job: JobParameters, action: 'leave' | 'refund'): Promise<void> {
        const orderNow = async (lease: HeldLease) => {
            const { account, state } = await this.sources.read((one) => one.read());
            const seqno = Number(state.seqno);
            const validUntil = (await this.timeOf(account)) + VALID_SECONDS;
            const head = { network: this.chain.network, escrow: this.account.address, seqno, validUntil };
            const order = jobOrderCell({ ...head, job, action });
            await this.send(order, 0n, lease);
            let failure: unknown; // why the chain was not read the last time
            for (let poll = 1; poll <= MAX_POLLS && !this.closed; poll++) {
                const { outcome, error } = await this.outcome(order, seqno, validUntil);
                failure = error;
                if (outcome === 'executed') {
                    await this.carryElsewhere(order, lease); // one endpoint may have made its transaction up
                    return;
                }
                if (outcome !== 'waiting') {
                    throw lapsedOrder(outcome, action);
                }
                await sleep(this.pollMs);
                if (poll % RESEND_POLLS === 0) {
                    await this.sendAgain(order, 0n, lease);
                }
            }
            // The next order has the same seqno, so at most one of the two is taken.
            if (failure === undefined) {
                throw new ChainError(`The escrow did not take the order to ${action} in time; it may still`);
            }
            const message = `It is not known whether the escrow took the order to ${action}: ${reasonOf(failure)}`;
            throw new ChainError(message, undefined, { cause: failure });
        };
        return this.turns.take((lease) => this.sources.run(() => orderNow(lease)));
    }

    /** The endpoint that orders go by may have made something up: the next one goes by another. */
    doubtEndpoint(): void {
        this.sources.doubt();
    }

    /** Waits no longer; an order under way stays on disk for the next start. */
    close(): void {
        this.closed = true;
        this.turns.close();
    }

    /** The time of the chain for an order, which may be taken until a while after it. */
    private timeOf({ at }: ChainAccount): Promise<number> {
        return agreedTime(this.chain, this.account.address, { at, now: this.now() });
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
        // Some endpoint would show the channel. One that is wrong about the escrow keeps no order waiting for ever.
        const options = { pauseMs: this.pollMs, numberOf: seqnoOfOrder, mayRepeat: true };
        try {
            return { outcome: await outcomeOf(this.chain, sent, next, options), used };
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
    private async sendAgain(order: Cell, deposit: bigint, lease: HeldLease): Promise<void> {
        await this.send(order, deposit, lease).catch((error: Error) =>
            this.log.warn({ reason: reasonOf(error.cause ?? error) }, 'an order that was sent before is refused'),
        );
        await this.carryElsewhere(order, lease);
    }

    private async carryElsewhere(order: Cell, lease: HeldLease): Promise<void> {
        if (lease.isHeld) {
            await carryElsewhere(this.chain, this.account.address, { body: signedOrder(order, this.key) });
        }
    }

    /** Signs and sends an order, unless another process may have the lease and order with the same seqno. */
    private async send(order: Cell, deposit: bigint, { isHeld }: HeldLease): Promise<void> {
        if (!isHeld) {
            throw new OrderLapsed('Another process of this gateway may be ordering, so this order was not sent');
        }
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

    /** True if every endpoint that was asked shows the channel, and several its deposit. */
    private async waitForChannel(order: OpenOrder, lease: HeldLease): Promise<boolean> {
        const { parameters, channel, validUntil, deposit } = order;
        const fresh = channelData(this.account.address, parameters).hash();
        const codes = (await channelCodes()).map((code) => code.hash());
        const cell = this.cellOf(order);
        const isShown = ({ state, code, data }: ChainAccount) =>
            state === 'active' && codes.some((one) => code?.hash().equals(one)) && data?.hash().equals(fresh) === true;
        // A stranger who knows the order may deploy the channel, while an endpoint carries the order nowhere.
        const hasDeposit = (account: ChainAccount) => isShown(account) && holdsDeposit(account.balance, deposit);
        let polls = 0; // since the seqno was seen used
        let failure: unknown; // why the chain was not read the last time
        for (let poll = 1; !this.closed; poll++) {
            await sleep(poll === 1 ? 0 : this.pollMs);
            if (poll % MAX_POLLS === 0) {
                this.sources.doubt(); // it may show neither the channel nor that time goes by
            }
            let isShownFirst: boolean;
            try {
                isShownFirst = isShown(await this.chain.account(channel));
            } catch (error) {
                this.logUnread((failure = error));
                continue; // whether the order was taken is for the chain to say
            }
            // The first endpoint may make it up, or hide it. What it holds follows from the order, whatever one says.
            const mayBeHidden = poll % RESEND_POLLS === 0;
            const others = isShownFirst || mayBeHidden ? await this.sources.accountsAt(channel) : [];
            const isDenied = isShownFirst && poll <= DENIED_POLLS && !others.every(hasDeposit);
            if ((isShownFirst && !isDenied) || (!isShownFirst && others.some(hasDeposit))) {
                return isShownFirst && others.every(hasDeposit);
            }
            const { outcome, used, error } = await this.outcome(cell, seqnoOf(parameters.job), validUntil);
            failure = error;
            if (outcome === 'lapsed' || outcome === 'overtaken') {
                // Of an order of long ago one endpoint is believed, which may hide the channel with its deposit.
                if ((await this.sources.accountsAt(channel, LAPSE_MS)).some(hasDeposit)) {
                    return false;
                }
                throw lapsedOrder(outcome, 'open a job');
            }
            if (used && ++polls > MAX_POLLS) {
                const Unseen = outcome === 'executed' ? ChannelUnseen : OrderLapsed;
                throw new Unseen(
                    `The seqno of the order is used and its channel of ${formatTon(deposit)} TON did not appear`,
                );
            }
            if ((!used || isDenied) && poll % RESEND_POLLS === 0) {
                await this.sendAgain(cell, deposit, lease);
            }
        }
        throw new Error('The gateway ended before the order did', { cause: failure });
    }
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
