/** The page that buys asks a wallet for each message once, and the chain says what became of it. */
import { memoryStore, type Store } from '@cocoon-market/client';
import { Address, beginCell, type Cell, type SenderArguments, type Transaction } from '@ton/core';
import type { PageChain } from '../../examples/buy-page/src/chain';
import { type Connector, Outbox, WalletRejected } from '../../examples/buy-page/src/outbox';

const account = (byte: number) => new Address(0, Buffer.alloc(32, byte));
const WALLET = account(1);
const ESCROW = account(2);
const BODY = beginCell().storeUint(7, 64).endCell();
const MESSAGE: SenderArguments = { to: ESCROW, value: 3_100_000_000n, body: BODY };
const LAST_SECOND = 300 + 60; // after a request, in which its message may still be seen

/** An account's transactions, of which only what an outbox reads is there. */
class FakeChain {
    readonly all: { lt: bigint; from: Address; body: Cell; exitCode: number }[] = [];
    isDown = false;

    receive(from: Address, body: Cell, exitCode = 0): void {
        this.all.push({ lt: BigInt(10 * (this.all.length + 1)), from, body, exitCode });
    }

    get view(): PageChain {
        const lastOf = (count: number) => (count === 0 ? 0n : this.all[count - 1].lt);
        const view = {
            getContractState: async () => {
                if (this.isDown) {
                    throw new Error('down');
                }
                const lt = lastOf(this.all.length).toString();
                return { balance: 0n, state: 'active', lastTransaction: lt === '0' ? null : { lt, hash: '' } };
            },
            getTransactions: async (_: Address, { limit, lt }: { limit: number; lt: string }) => {
                const upTo = this.all.filter((each) => each.lt <= BigInt(lt));
                return upTo
                    .slice(-limit)
                    .reverse()
                    .map(({ lt: own, from, body, exitCode }) => ({
                        ...{ lt: own, prevTransactionLt: own - 10n, prevTransactionHash: 0n },
                        inMessage: { info: { type: 'internal', src: from }, body },
                        description: {
                            type: 'generic',
                            computePhase: { type: 'vm', success: exitCode === 0, exitCode },
                            actionPhase: { success: true, resultCode: 0 },
                        },
                    })) as unknown as Transaction[];
            },
        };
        return view as unknown as PageChain;
    }
}

describe('The outbox of the page that buys', () => {
    let chain: FakeChain;
    let store: Store;
    let now: number;
    let outbox: Outbox;

    const open = () =>
        Outbox.open({ chain: chain.view, store, key: 'pending', wallet: WALLET, network: -3, now: () => now });
    const sends: Connector = { send: async () => chain.receive(WALLET, BODY) };
    const silent: Connector = { send: async () => undefined };

    beforeEach(async () => {
        chain = new FakeChain();
        store = memoryStore();
        now = 1_000;
        outbox = await open();
    });

    it('asks for one message that ends in time, on the network and from the wallet', async () => {
        const requests: unknown[] = [];
        await outbox.send({ send: async (request) => requests.push(request) }, 'setUp', MESSAGE);

        expect(requests).toEqual([
            {
                ...{ validUntil: 1_300, network: '-3', from: WALLET.toRawString() },
                messages: [expect.objectContaining({ amount: '3100000000' })],
            },
        ]);
    });

    it('tells when the chain has taken a message', async () => {
        await outbox.send(sends, 'setUp', MESSAGE);

        expect(await outbox.look()).toEqual({ type: 'done', kind: 'setUp' });
        expect(outbox.pending).toBeUndefined();
    });

    it('finds a message below many others', async () => {
        await outbox.send(sends, 'setUp', MESSAGE);
        for (let i = 0; i < 45; i++) {
            chain.receive(account(9), BODY);
        }

        expect(await outbox.look()).toEqual({ type: 'done', kind: 'setUp' });
    });

    it.each([
        ['the same body of another wallet', () => chain.receive(account(9), BODY)],
        ['another body of the wallet', () => chain.receive(WALLET, beginCell().endCell())],
    ])('takes no other message for it: %s', async (_, receive) => {
        await outbox.send(silent, 'setUp', MESSAGE);
        receive();

        expect(await outbox.look()).toEqual({ type: 'waiting' });
    });

    it('takes no message from before it was asked for it', async () => {
        chain.receive(WALLET, BODY);
        await outbox.send(silent, 'withdraw', MESSAGE);

        expect(await outbox.look()).toEqual({ type: 'waiting' });
    });

    it('tells the reason of the contract that refused a message', async () => {
        await outbox.send({ send: async () => chain.receive(WALLET, BODY, 4_294) }, 'withdraw', MESSAGE);

        expect(await outbox.look()).toMatchObject({ type: 'refused', error: { exitCode: 4_294, sent: 'Withdraw' } });
    });

    it('forgets a message when the owner of the wallet said no', async () => {
        const rejects = { send: () => Promise.reject(new WalletRejected()) };

        await expect(outbox.send(rejects, 'setUp', MESSAGE)).rejects.toThrow(WalletRejected);
        expect(outbox.pending).toBeUndefined();
        expect((await open()).pending).toBeUndefined();
    });

    it('goes on waiting when a wallet fails in another way, because it may have sent the message', async () => {
        const fails = {
            send: async () => {
                chain.receive(WALLET, BODY);
                throw new Error('the bridge broke off');
            },
        };
        await outbox.send(fails, 'setUp', MESSAGE);

        expect(await outbox.look()).toEqual({ type: 'done', kind: 'setUp' });
    });

    it('asks for no second message, not at once and not after the page was loaded again', async () => {
        const first = outbox.send({ send: () => new Promise(() => undefined) }, 'setUp', MESSAGE);
        await expect(outbox.send(sends, 'setUp', MESSAGE)).rejects.toThrow('asked for another message already');
        await new Promise((resolve) => setTimeout(resolve, 5));
        const loaded = await open();

        expect(loaded.pending).toMatchObject({ kind: 'setUp', amount: '3100000000' });
        await expect(loaded.send(sends, 'setUp', MESSAGE)).rejects.toThrow('asked for another message already');
        void first;
    });

    it('asks no wallet while the chain does not answer', async () => {
        chain.isDown = true;
        const send = jest.fn();

        await expect(outbox.send({ send }, 'setUp', MESSAGE)).rejects.toThrow('down');
        expect(send).not.toHaveBeenCalled();
        expect(outbox.pending).toBeUndefined();
    });

    it.each([
        [0, 'waiting'],
        [1, 'expired'],
    ])('%i seconds after the last one it is %s', async (seconds, type) => {
        await outbox.send(silent, 'setUp', MESSAGE);
        now += LAST_SECOND + seconds;

        expect((await outbox.look()).type).toBe(type);
    });

    it('gives nothing up while the chain does not answer', async () => {
        await outbox.send(silent, 'setUp', MESSAGE);
        now += 10 * LAST_SECOND;
        chain.isDown = true;

        await expect(outbox.look()).rejects.toThrow('down');
        expect(outbox.pending).toBeDefined();
    });
});
