/** A hot wallet (v5r1) that a process holds: sends batches of messages and waits until the chain has taken them. */
import { SigningKey, signingKey } from '@cocoon-market/wrappers';
import { Address, beginCell, Cell, internal, Sender, SendMode, storeMessageRelaxed } from '@ton/core';
import type { MessageRelaxed } from '@ton/core';
import { WalletContractV5R1 } from '@ton/ton';
import type { Urgency } from './budget';
import { Chain } from './chain';
import { ChainError } from './errors';
import { deliver, type Order, outcomeOf, OutcomeUnknown } from './order';

export interface Transfer {
    to: Address;
    value: bigint; // nanoTON
    body?: Cell;
    init?: { code: Cell; data: Cell };
    bounce?: boolean; // default true
}

/** Most messages that one order of this wallet carries. */
export const WALLET_BATCH = 255;

const VALID_SECONDS = 120;

export class HotWallet {
    private readonly contract: WalletContractV5R1;
    private readonly key: SigningKey;
    private queue: Promise<unknown> = Promise.resolve();
    private open: { order: Order; content: string } | undefined; // an order whose outcome is not known

    /** `seed`: 32 bytes. */
    constructor(
        private readonly given: Chain,
        seed: Buffer,
        private readonly pollMs = 1000,
    ) {
        this.key = signingKey(seed);
        const walletId = {
            networkGlobalId: given.network,
            context: { walletVersion: 'v5r1', workchain: 0, subwalletNumber: 0 },
        };
        this.contract = WalletContractV5R1.create({ publicKey: this.key.publicKey, walletId: walletId as never });
    }

    get address(): Address {
        return this.contract.address;
    }

    // What a wallet sends earns money or saves it, so its calls go before others.
    private get chain(): Chain {
        return this.given.as('claim');
    }

    /** This wallet as contracts' wrappers send through it; each message is one order, awaited. */
    sender(): Sender {
        return {
            address: this.address,
            send: ({ to, value, body, init, bounce }) =>
                this.send([
                    {
                        to,
                        value,
                        bounce: bounce ?? true,
                        ...(body ? { body } : {}),
                        ...(init?.code && init.data ? { init: { code: init.code, data: init.data } } : {}),
                    },
                ]),
        };
    }

    /** nanoTON. Whoever only wants to see it asks as `routine`, and is not kept waiting while no endpoint serves. */
    async balance(urgency: Urgency = 'claim'): Promise<bigint> {
        return (await this.given.as(urgency).account(this.address)).balance;
    }

    /** Sends up to 255 transfers in one order; resolves when the wallet has sent them. One order at a time. */
    send(transfers: Transfer[]): Promise<void> {
        const sent = this.queue.then(() => this.sendNow(transfers));
        this.queue = sent.catch(() => undefined);
        return sent;
    }

    private async sendNow(transfers: Transfer[]): Promise<void> {
        if (transfers.length === 0 || transfers.length > WALLET_BATCH) {
            throw new RangeError(`A wallet order holds 1 to ${WALLET_BATCH} messages, not ${transfers.length}`);
        }
        const messages = transfers.map(({ bounce = true, ...transfer }) => internal({ ...transfer, bounce }));
        if (await this.wasTaken(contentOf(messages))) {
            return;
        }
        const account = await this.chain.account(this.address);
        const seqno = account.state === 'active' ? await this.seqno() : 0;
        const validUntil = account.at + VALID_SECONDS;
        const body = await this.contract.createTransfer({
            seqno,
            signer: (order) => Promise.resolve(this.key.sign(order.hash())),
            sendMode: SendMode.PAY_GAS_SEPARATELY,
            timeout: validUntil,
            messages,
        });
        const hash = body.hash().toString('hex');
        const order = { wallet: this.address, seqno, hash, from: account.at, validUntil };
        const { init } = this.contract;
        try {
            await deliver(
                this.chain,
                order,
                { body, ...(account.state === 'active' ? {} : { init }) },
                { seqno: () => this.seqno(), pollMs: this.pollMs },
            );
        } catch (error) {
            this.open = error instanceof OutcomeUnknown ? { order, content: contentOf(messages) } : undefined;
            throw error;
        }
    }

    // Nothing is sent while an earlier order may still be taken. Asked for once more, what was sent is not sent again; asked
    // for something else, the caller first has to read the state that the earlier order has changed.
    private async wasTaken(content: string): Promise<boolean> {
        if (this.open === undefined) {
            return false;
        }
        const { order, content: before } = this.open;
        const outcome = await outcomeOf(this.chain, order, () => this.seqno(), this.pollMs);
        if (outcome === 'waiting') {
            throw new OutcomeUnknown(order, 'An earlier order is on its way');
        }
        this.open = undefined;
        if (outcome === 'taken' && before !== content) {
            throw new ChainError(`Order ${order.seqno} was taken after all: read the state again before sending more`);
        }
        return outcome === 'taken';
    }

    private seqno(): Promise<number> {
        return this.chain.open(this.contract).getSeqno();
    }
}

const contentOf = (messages: MessageRelaxed[]) =>
    messages.map((message) => beginCell().store(storeMessageRelaxed(message)).endCell().hash().toString('hex')).join();
