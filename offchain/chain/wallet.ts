/** A hot wallet (v5r1) that a process holds: sends batches of messages and waits until the chain has taken them. */
import { SigningKey, signingKey } from '@cocoon-market/wrappers';
import { Address, Cell, internal, Sender, SendMode } from '@ton/core';
import { WalletContractV5R1 } from '@ton/ton';
import { setTimeout as sleep } from 'node:timers/promises';
import { Chain } from './chain';
import { ChainError } from './errors';

export interface Transfer {
    to: Address;
    value: bigint; // nanoTON
    body?: Cell;
    init?: { code: Cell; data: Cell };
    bounce?: boolean; // default true
}

/** Most messages that one order of this wallet carries. */
export const WALLET_BATCH = 255;

const TAKEN_AFTER = 30; // polls
const VALID_SECONDS = 120;

export class HotWallet {
    private readonly contract: WalletContractV5R1;
    private readonly key: SigningKey;
    private queue: Promise<unknown> = Promise.resolve();

    /** `seed`: 32 bytes. */
    constructor(
        private readonly chain: Chain,
        seed: Buffer,
        private readonly pollMs = 1000,
    ) {
        this.key = signingKey(seed);
        const walletId = {
            networkGlobalId: chain.network,
            context: { walletVersion: 'v5r1', workchain: 0, subwalletNumber: 0 },
        };
        this.contract = WalletContractV5R1.create({ publicKey: this.key.publicKey, walletId: walletId as never });
    }

    get address(): Address {
        return this.contract.address;
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

    /** nanoTON */
    async balance(): Promise<bigint> {
        return (await this.chain.account(this.address)).balance;
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
        const account = await this.chain.account(this.address);
        const seqno = account.state === 'active' ? await this.chain.open(this.contract).getSeqno() : 0;
        const body = await this.contract.createTransfer({
            seqno,
            signer: (order) => Promise.resolve(this.key.sign(order.hash())),
            sendMode: SendMode.PAY_GAS_SEPARATELY,
            timeout: account.at + VALID_SECONDS,
            messages: transfers.map(({ bounce = true, ...transfer }) => internal({ ...transfer, bounce })),
        });
        await this.chain.sendExternal(this.address, body, account.state === 'active' ? undefined : this.contract.init);
        for (let poll = 0; poll < TAKEN_AFTER; poll++) {
            const now = await this.chain.account(this.address);
            if (now.state === 'active' && (await this.chain.open(this.contract).getSeqno()) > seqno) {
                return;
            }
            await sleep(this.pollMs);
        }
        throw new ChainError('The wallet did not take the order in time; it may still, so check before sending again');
    }
}
