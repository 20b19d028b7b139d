/** Orders of the spend key: one at a time, because an escrow takes each seqno once. */
import { Channel, channelCodes, channelData, Escrow, EscrowState, JobParameters } from '@cocoon-market/wrappers';
import {
    errorName,
    errors,
    isTestOnly,
    jobOrderCell,
    loadChannelData,
    openJobsCell,
    readOrder,
    signedOrder,
} from '@cocoon-market/wrappers';
import { Address, Cell, fromNano } from '@ton/core';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Logger } from 'pino';
import { Accepted, AccountState, Chain, ChainError, Confirmer, CONFIRM_READS, OrderOutcome, outcomeOf } from '../chain';
import { reasonOf } from '../process/errors';
import { GatewayError, noMoney, unavailable } from './errors';
import { ClientKeys } from './keys';
import type { ChainClock } from './time';

const VALID_SECONDS = 120; // how long an order can be taken
const MAX_POLLS = 60; // until an opened channel shows, or an order shows as taken
const RESEND_POLLS = 10;
const DAY = 86400;
const SAY_MS = 60_000; // between two lines of the log while the chain is not read

/** An order to open one job, on its way or about to be. */
export interface Opening {
    parameters: JobParameters;
    deposit: bigint; // nanoTON
    validUntil: number; // unix seconds
    channel: Address;
}

/** What the escrow holds and allows. */
export interface Purse {
    balance: bigint; // nanoTON
    available: bigint; // nanoTON above the reserve
    dayLeft: bigint; // nanoTON the spend key may still spend today (UTC)
    jobLimit: bigint; // nanoTON
    seqno: number;
}

type ChannelData = ReturnType<typeof loadChannelData>;

/**
 * What the chain says of a job's channel. What takes money out of sight is `unclear` until it was said again and again:
 * that the account is gone, or has paid more than was ever signed. `due`: the refund is, and that is confirmed.
 */
export type ChannelView =
    | ({ type: 'there'; looksDue: boolean; due: boolean; balance: bigint; at: number } & ChannelData)
    | { type: 'gone' }
    | { type: 'unclear'; word: string };

/** A job's channel and the most that it can have paid, nanoTON; undefined where that is not known. */
export interface Watched {
    channel: Address;
    maxPaid: bigint | undefined;
}

const SOON_READS = 10; // while an end is waited for that was asked for

/** The order was not taken and never will be. */
export class OrderLapsed extends Error {}

export class SpendAccount {
    private queue: Promise<unknown> = Promise.resolve();
    private closed = false;
    private said = -Infinity; // when the log last said that the chain is not read
    private readonly log: Logger;
    /** This machine's clock beside the chain's, as the last answers of the API tell. */
    readonly clock: ChainClock;
    private readonly urgent: Chain; // for orders, which go before all that is only read
    private readonly words: Confirmer;
    private readonly wordsSoon: Confirmer;

    /** `goneSeconds`: see the configuration; `now`: seconds of the clock that it is measured with. */
    constructor(
        private readonly chain: Chain,
        readonly escrow: Address,
        private readonly keys: ClientKeys,
        private readonly pollMs: number,
        { goneSeconds, now, clock, log }: { goneSeconds: number; now?: () => number; clock: ChainClock; log: Logger },
    ) {
        this.clock = clock;
        this.log = log;
        this.urgent = chain.as('claim');
        this.words = new Confirmer(chain, { reads: CONFIRM_READS, seconds: goneSeconds }, now);
        this.wordsSoon = new Confirmer(chain, { reads: SOON_READS, seconds: ((SOON_READS - 1) * pollMs) / 1000 });
    }

    /** What can be spent now. Throws 402 when the escrow is not set up for this gateway's key. */
    async purse(): Promise<Purse> {
        const { account, state } = await this.read(this.chain);
        return this.purseOf(account, state, await this.chain.open(Escrow.fromAddress(this.escrow)).getReserve());
    }

    /**
     * Opens one job: `plan` gets the job's number and the chain's time, `keep` must have the opening on disk before it
     * resolves. Resolves with the channel's balance once it is active with the expected code and data.
     */
    open<Plan extends Pick<Opening, 'parameters' | 'deposit'>>(
        plan: (number: number, at: number) => Plan,
        keep: (opening: Plan & Opening) => Promise<void>,
    ): Promise<bigint> {
        return this.inTurn(async () => {
            const { account, state, code } = await this.read();
            const planned = plan(Number(state.seqno) * 4, account.at);
            await this.requireMoney(account, state, planned.deposit);
            const { address } = await Channel.ofJob(this.escrow, planned.parameters, code);
            const opening = { ...planned, validUntil: account.at + VALID_SECONDS, channel: address };
            await keep(opening);
            await this.carryOpening(opening);
            return this.waitForChannel(opening);
        });
    }

    /**
     * Brings an opening that was on disk when the gateway ended to its end: sends the same order again while it can be
     * taken, and waits. Throws {@link OrderLapsed} when it was not taken.
     */
    resume(opening: Opening): Promise<bigint> {
        return this.inTurn(async () => {
            const { account, state } = await this.read();
            if (Number(state.seqno) * 4 <= opening.parameters.job && account.at <= opening.validUntil) {
                // The first copy may have been taken; what the channel's account says decides.
                await this.carryOpening(opening).catch(() => undefined);
            }
            return this.waitForChannel(opening);
        });
    }

    /** Asks a job to leave, or sends an ended job's rest home; resolves when the escrow has taken the order. */
    jobOrder(job: JobParameters, action: 'leave' | 'refund'): Promise<void> {
        return this.inTurn(async () => {
            const { account, state } = await this.read();
            const seqno = Number(state.seqno);
            const validUntil = account.at + VALID_SECONDS;
            const order = jobOrderCell({
                network: this.chain.network,
                escrow: this.escrow,
                seqno,
                validUntil,
                job,
                action,
            });
            await this.send(order, 0n);
            let silence: unknown; // why the chain was not read the last time
            for (let poll = 1; poll <= MAX_POLLS && !this.closed; poll++) {
                const { outcome, fault } = await this.outcome(order, seqno, validUntil);
                silence = fault;
                if (outcome === 'taken') {
                    return;
                }
                if (outcome !== 'waiting') {
                    throw lapse(outcome, action);
                }
                await sleep(this.pollMs);
                if (poll % RESEND_POLLS === 0) {
                    await this.send(order, 0n).catch(() => undefined); // the same one, which is taken once
                }
            }
            // Whatever comes next has the same seqno, so at most one of the two is taken.
            if (silence === undefined) {
                throw new ChainError(`The escrow did not take the order to ${action} in time; it may still`);
            }
            const said = `It is not known whether the escrow took the order to ${action}: ${reasonOf(silence)}`;
            throw new ChainError(said, undefined, { cause: silence });
        });
    }

    /**
     * The channel as the chain has it. `soon`: an end was asked for and is waited for, so the words of ten polls are
     * enough; otherwise those of `goneSeconds` are.
     */
    async channel({ channel, maxPaid }: Watched, soon = false): Promise<ChannelView> {
        const findingOf = (account: AccountState): string | undefined => {
            if (account.state !== 'active' || account.data === undefined) {
                return 'gone';
            }
            const { paid, refundAt } = loadChannelData(account.data);
            if (maxPaid !== undefined && paid > maxPaid) {
                return `it has paid ${paid} nanoTON, more than was signed`;
            }
            return account.at >= refundAt ? 'due' : undefined;
        };
        const { account, finding, confirmed } = await (soon ? this.wordsSoon : this.words).read(channel, findingOf);
        if (finding !== undefined && finding !== 'due' && !confirmed) {
            return { type: 'unclear', word: finding };
        }
        if (account.data === undefined || finding === 'gone') {
            return { type: 'gone' };
        }
        const data = loadChannelData(account.data);
        const looksDue = account.at >= data.refundAt;
        const { balance, at } = account;
        return { type: 'there', looksDue, due: looksDue && confirmed, balance, at, ...data };
    }

    /** Accounts in as few calls as the API allows. */
    accounts(addresses: readonly Address[]): Promise<AccountState[]> {
        return this.chain.accountsAt(addresses);
    }

    /** The orders that the escrow took, newest first. */
    orders(): AsyncIterable<Accepted> {
        return this.chain.accepted(this.escrow);
    }

    /** Unix seconds of the chain. */
    async time(): Promise<number> {
        const { at } = await this.chain.account(this.escrow);
        this.clock.saw(at);
        return at;
    }

    /** Waits no longer; an order under way stays on disk for the next start. */
    close(): void {
        this.closed = true;
    }

    private inTurn<T>(action: () => Promise<T>): Promise<T> {
        const done = this.queue.then(action);
        this.queue = done.catch(() => undefined);
        return done;
    }

    private async read(chain = this.urgent): Promise<{ account: AccountState; state: EscrowState; code: Cell }> {
        const account = await chain.account(this.escrow);
        this.clock.saw(account.at);
        if (account.state !== 'active') {
            throw noMoney(
                `The escrow ${this.name()} is not set up: its owner deposits there and sets this gateway's spend key`,
            );
        }
        const state = await chain.open(Escrow.fromAddress(this.escrow)).getEscrowState();
        const ours = BigInt(`0x${this.keys.spend.publicKey.toString('hex')}`);
        if (state.spendKey !== ours) {
            throw noMoney(
                `The escrow ${this.name()} does not know this gateway's spend key: its owner sets it to ` +
                    this.keys.spend.publicKey.toString('hex'),
            );
        }
        const codes = await channelCodes();
        const code = codes.find((known) => state.codeHash === BigInt(`0x${known.hash().toString('hex')}`));
        if (code === undefined) {
            throw unavailable(
                `The escrow ${this.name()} opens channels of another version: its owner sets this version's code`,
            );
        }
        return { account, state, code };
    }

    private purseOf({ balance, at }: AccountState, state: EscrowState, reserve: bigint): Purse {
        const spent = state.day === BigInt(Math.floor(at / DAY)) ? state.spent : 0n;
        const positive = (amount: bigint) => (amount > 0n ? amount : 0n);
        return {
            balance,
            available: positive(balance - reserve),
            dayLeft: positive(state.dayLimit - spent),
            jobLimit: state.jobLimit,
            seqno: Number(state.seqno),
        };
    }

    // The chain would refuse as well; asked first, the gateway can say how much is missing.
    private async requireMoney(account: AccountState, state: EscrowState, deposit: bigint): Promise<void> {
        const escrow = this.urgent.open(Escrow.fromAddress(this.escrow));
        const cost = deposit + (await escrow.getOpenFeeOf(1n));
        const purse = this.purseOf(account, state, await escrow.getReserve());
        if (deposit > purse.jobLimit) {
            throw this.refused(errors.ErrOverJobLimit, cost, deposit);
        }
        if (cost > purse.dayLeft) {
            throw this.refused(errors.ErrOverDayLimit, cost, deposit, purse);
        }
        if (cost > purse.available) {
            throw this.refused(errors.ErrLowBalance, cost, deposit, purse);
        }
    }

    private refused(exitCode: number, cost: bigint, deposit: bigint, purse?: Purse): GatewayError {
        const name = errorName(exitCode);
        switch (exitCode) {
            case errors.ErrLowBalance: {
                const missing = purse === undefined ? cost : cost - purse.available;
                return noMoney(
                    `The escrow has too little to open the next job (${name}): deposit at least ${fromNano(missing)} TON ` +
                        `to ${this.name()}`,
                );
            }
            case errors.ErrOverDayLimit:
                return noMoney(
                    `The next job costs ${fromNano(cost)} TON and the day's limit (UTC) has ` +
                        `${purse === undefined ? 'less' : `${fromNano(purse.dayLeft)} TON`} left (${name}): ` +
                        `the owner of ${this.name()} raises the day's limit, or wait until tomorrow`,
                );
            case errors.ErrOverJobLimit:
                return noMoney(
                    `A job of ${fromNano(deposit)} TON is above the escrow's limit per job (${name}): the owner of ` +
                        `${this.name()} raises the job limit, or lower job.deposit in the gateway's configuration`,
                );
            case errors.ErrNoKey:
            case errors.ErrBadSignature:
                return noMoney(
                    `The escrow ${this.name()} has another spend key or none (${name}): its owner sets it to ` +
                        this.keys.spend.publicKey.toString('hex'),
                );
            default:
                return unavailable(`The escrow ${this.name()} refused the order: ${name}`, 'order_refused');
        }
    }

    private openingOrder({ parameters, deposit, validUntil }: Opening): Cell {
        const { job, ...rest } = parameters;
        const head = { network: this.chain.network, escrow: this.escrow, seqno: Math.floor(job / 4), validUntil };
        return openJobsCell({ ...head, jobs: [{ ...rest, deposit }] });
    }

    private async carryOpening(opening: Opening): Promise<void> {
        await this.send(this.openingOrder(opening), opening.deposit);
    }

    /** What became of an order, and whether its seqno is used; one that cannot be asked about now may still be taken. */
    private async outcome(
        order: Cell,
        seqno: number,
        validUntil: number,
    ): Promise<{ outcome: OrderOutcome; used: boolean; fault?: unknown }> {
        let used = false;
        const hash = signedOrder(order, this.keys.spend).hash().toString('hex');
        const escrow = this.urgent.open(Escrow.fromAddress(this.escrow));
        const known = { wallet: this.escrow, seqno, hash, from: validUntil - VALID_SECONDS, validUntil };
        const next = async () => {
            const newest = Number((await escrow.getEscrowState()).seqno);
            used = newest > seqno;
            return newest;
        };
        try {
            return { outcome: await outcomeOf(this.urgent, known, next, this.pollMs, seqnoOf), used };
        } catch (fault) {
            this.unread(fault);
            return { outcome: 'waiting', used, fault };
        }
    }

    /** Says once in a while why an order is still waited for. */
    private unread(fault: unknown): void {
        if (performance.now() - this.said >= SAY_MS) {
            this.said = performance.now();
            this.log.warn(
                { reason: reasonOf(fault) },
                'the chain does not say what became of an order: it is asked again',
            );
        }
    }

    private async send(order: Cell, deposit: bigint): Promise<void> {
        try {
            await this.urgent.sendExternal(this.escrow, signedOrder(order, this.keys.spend));
        } catch (error) {
            // An order of a used seqno may be this one: an endpoint that did not answer passed it on, the next refuses it.
            const stale = error instanceof ChainError && error.exitCode === errors.ErrStaleSeqno;
            const taken = stale || (error instanceof ChainError && error.unknown);
            if (error instanceof ChainError && error.exitCode !== undefined && !taken) {
                throw new OrderLapsed('The escrow refused the order', {
                    cause: this.refused(error.exitCode, deposit, deposit),
                });
            }
            // The API did not answer: it may have passed the order on, so only the chain can tell.
            if (!stale) {
                this.unread(error);
            }
        }
    }

    private async waitForChannel(opening: Opening): Promise<bigint> {
        const { parameters, channel, validUntil, deposit } = opening;
        const fresh = channelData(this.escrow, parameters).hash();
        const codes = (await channelCodes()).map((code) => code.hash());
        const order = this.openingOrder(opening);
        let polls = 0; // since the seqno was seen used
        let silence: unknown; // why the chain was not read the last time
        for (let poll = 1; !this.closed; poll++) {
            await sleep(poll === 1 ? 0 : this.pollMs);
            let account: AccountState;
            try {
                account = await this.urgent.account(channel);
            } catch (fault) {
                this.unread((silence = fault));
                continue; // whether the order was taken is for the chain to say
            }
            const known = codes.some((code) => account.code?.hash().equals(code));
            if (account.state === 'active' && known && account.data?.hash().equals(fresh)) {
                return account.balance;
            }
            const { outcome, used, fault } = await this.outcome(order, Math.floor(parameters.job / 4), validUntil);
            silence = fault;
            if (outcome === 'lapsed' || outcome === 'overtaken') {
                throw lapse(outcome, 'open a job');
            }
            if (used && ++polls > MAX_POLLS) {
                throw new OrderLapsed(
                    `The seqno of the order is used and its channel of ${fromNano(deposit)} TON did not appear`,
                );
            }
            if (!used && poll % RESEND_POLLS === 0) {
                await this.carryOpening(opening).catch(() => undefined); // the first copy may have been lost
            }
        }
        throw new Error('The gateway ended before the order did', { cause: silence });
    }

    private name(): string {
        return this.escrow.toString({ testOnly: isTestOnly(this.chain.network) });
    }
}

/** Why an order will never be taken. What to do differs: a late one is sent again, two gateways must not share a key. */
function lapse(outcome: 'lapsed' | 'overtaken', to: string): OrderLapsed {
    return new OrderLapsed(
        outcome === 'lapsed'
            ? `The escrow did not take the order to ${to} in time, and never will`
            : `The escrow took another order in the place of the one to ${to}: an earlier one of this gateway, or one of ` +
                  'another gateway, which must not use the same spend key',
    );
}

/** The seqno of an order as the escrow took it; undefined when it cannot be read. */
function seqnoOf(body: Cell): number | undefined {
    try {
        return readOrder(body).seqno;
    } catch {
        return undefined;
    }
}
