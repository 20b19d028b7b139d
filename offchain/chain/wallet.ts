/** A hot wallet (v5r1): sends batches of messages and waits until the chain has executed them. */
import { SigningKey, signingKey } from '@cocoon-market/wrappers';
import {
    Address,
    beginCell,
    Cell,
    internal,
    type MessageRelaxed,
    Sender,
    SendMode,
    storeMessageRelaxed,
} from '@ton/core';
import { WalletContractV5R1 } from '@ton/ton';
import { steadySeconds, unixSeconds } from '../process/clock';
import type { Urgency } from './budget';
import { Chain, type ChainAccount } from './chain';
import { ChainError } from './errors';
import { nextNumber } from './number';
import { deliver, type Order, type OrderOutcome, outcomeOf, OutcomeUnknown, seqnoAt, V5_SEQNO_BIT } from './order';
import { agreedTime } from './time';

export interface Transfer {
    to: Address;
    value: bigint; // nanoTON
    body?: Cell;
    init?: { code: Cell; data: Cell };
    bounce?: boolean; // default true
}

/** Maximal number of messages in one order of this wallet. */
export const MAX_TRANSFERS = 255;

const VALID_SECONDS = 120;
const DOUBT_SECONDS = 3600; // for which orders go by others than the first endpoint

export class HotWallet {
    private readonly contract: WalletContractV5R1;
    private readonly key: SigningKey;
    private queue: Promise<unknown> = Promise.resolve();
    private pending: { order: Order; content: string } | undefined; // an order whose outcome is not known
    private failures = 0; // orders that failed, or whose number endpoints did not agree about
    private failedAt = -Infinity; // steady seconds, when the last of these did
    private isNumberDisputed = false; // that of the order under way

    /** `seed`: 32 bytes. */
    constructor(
        private readonly api: Chain,
        seed: Buffer,
        private readonly pollMs = 1000,
    ) {
        this.key = signingKey(seed);
        const walletId = {
            networkGlobalId: api.network,
            context: { walletVersion: 'v5r1', workchain: 0, subwalletNumber: 0 },
        };
        this.contract = WalletContractV5R1.create({ publicKey: this.key.publicKey, walletId: walletId as never });
    }

    get address(): Address {
        return this.contract.address;
    }

    // A wallet's orders earn or save money, so its calls come first. After an order that failed, or whose number is
    // disputed, the next ones go by another endpoint: the first may be wrong about the wallet, and would choose which
    // orders fail if it had each turn again after one that did not.
    private get chain(): Chain {
        const alone = (this.api.others ?? []).filter((one): one is Chain => one.as !== undefined);
        const isDoubted = steadySeconds() - this.failedAt < DOUBT_SECONDS;
        const api = isDoubted ? (alone[this.failures % alone.length] ?? this.api) : this.api;
        return api.as('urgent');
    }

    /** This wallet as a sender for the wrappers of contracts. Each message is one order, awaited. */
    sender(): Sender {
        return {
            address: this.address,
            send: ({ to, value, body, init, bounce }) => {
                const { code, data } = init ?? {};
                const content = { ...(body && { body }), ...(code && data && { init: { code, data } }) };
                return this.send([{ to, value, bounce: bounce ?? true, ...content }]);
            },
        };
    }

    /** nanoTON. As `routine` it fails soon while no endpoint serves. */
    async balance(urgency: Urgency = 'urgent'): Promise<bigint> {
        return (await this.api.as(urgency).account(this.address)).balance;
    }

    /** Finds out the outcome of an order of this wallet, such as one of an earlier process. */
    outcome(order: Order): Promise<OrderOutcome> {
        return outcomeOf(this.chain, order, (account) => this.seqnoIn(account), {
            pauseMs: this.pollMs,
            mayRepeat: true,
        });
    }

    /**
     * Sends up to 255 transfers in one order; resolves when the wallet has sent them. One order at a time. `note`
     * stores the order before it is on its way.
     */
    send(transfers: Transfer[], note: (order: Order) => Promise<void> = async () => undefined): Promise<void> {
        const sent = this.queue.then(() => this.sendNow(transfers, note));
        const count = (failed: boolean) => {
            if (failed || this.isNumberDisputed) {
                this.failures++;
                this.failedAt = steadySeconds();
            }
        };
        this.queue = sent.then(
            () => count(false),
            () => count(true),
        );
        return sent;
    }

    private async sendNow(transfers: Transfer[], note: (order: Order) => Promise<void>): Promise<void> {
        if (transfers.length === 0 || transfers.length > MAX_TRANSFERS) {
            throw new RangeError(`A wallet order holds 1 to ${MAX_TRANSFERS} messages, not ${transfers.length}`);
        }
        const messages = transfers.map(({ bounce = true, ...transfer }) => internal({ ...transfer, bounce }));
        this.isNumberDisputed = false;
        if (await this.settlePending(contentOf(messages))) {
            return;
        }
        const account = await this.chain.account(this.address);
        const { seqno, isDisputed } = await nextNumber(
            this.api,
            { address: this.address, bit: V5_SEQNO_BIT },
            async () => (account.state === 'active' ? this.seqno() : 0),
            this.pollMs,
        );
        this.isNumberDisputed = isDisputed;
        const from = await agreedTime(this.api, this.address, { at: account.at, now: unixSeconds() });
        const validUntil = from + VALID_SECONDS;
        const body = await this.contract.createTransfer({
            seqno,
            signer: (order) => Promise.resolve(this.key.sign(order.hash())),
            sendMode: SendMode.PAY_GAS_SEPARATELY,
            timeout: validUntil,
            messages,
        });
        const hash = body.hash().toString('hex');
        const order = { wallet: this.address, seqno, hash, from, validUntil };
        await note(order);
        const message = { body, ...(account.state !== 'active' && { init: this.contract.init }) };
        try {
            await deliver(this.chain, order, message, {
                seqno: (account) => this.seqnoIn(account),
                pollMs: this.pollMs,
            });
        } catch (error) {
            this.pending = error instanceof OutcomeUnknown ? { order, content: contentOf(messages) } : undefined;
            throw error;
        }
    }

    /**
     * Finds out the outcome of an earlier order. True when it was executed and had this content: then it is not sent
     * again.
     * @throws OutcomeUnknown while it may still be executed; ChainError when another content was: the caller must
     * read the state again
     */
    private async settlePending(content: string): Promise<boolean> {
        if (this.pending === undefined) {
            return false;
        }
        const { order, content: sentContent } = this.pending;
        const outcome = await this.outcome(order);
        if (outcome === 'waiting') {
            throw new OutcomeUnknown(order, 'An earlier order is on its way');
        }
        this.pending = undefined;
        if (outcome === 'executed' && sentContent !== content) {
            const text = `Order ${order.seqno} was executed after all: read the state again before sending more`;
            throw new ChainError(text);
        }
        return outcome === 'executed';
    }

    /** By the data of this wallet, which most endpoints show: of its getter the first one tells alone. */
    private async seqnoIn(account: ChainAccount): Promise<number> {
        return seqnoAt(V5_SEQNO_BIT, account) ?? this.seqno();
    }

    private seqno(): Promise<number> {
        return this.chain.open(this.contract).getSeqno();
    }
}

const contentOf = (messages: MessageRelaxed[]) =>
    messages.map((message) => beginCell().store(storeMessageRelaxed(message)).endCell().hash().toString('hex')).join();
