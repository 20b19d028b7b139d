/**
 * What becomes of the orders of a wallet whose endpoints fail or lie.
 *
 * Longer than 350 lines because each lie is about the same order.
 */
import { type Localnet, startLocalnet } from '@cocoon-market/localnet';
import { Address, beginCell } from '@ton/core';
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { freePort } from '../../../demo/ports';
import {
    type Chain,
    ChainError,
    HotWallet,
    type Order,
    outcomeOf,
    OutcomeUnknown,
    TonHttpChain,
} from '../../../offchain/chain';
import { ChainApi } from '../../../offchain/chain/api';
import { deliver } from '../../../offchain/chain/order';
import { waitUntil } from '../../../offchain/process/tasks';
import { endlessPages } from '../support/endless';

const COIN = 1_000_000_000n;
const to = new Address(0, Buffer.alloc(32, 9));

describe('A wallet whose API fails', () => {
    let network: Localnet;
    let chain: TonHttpChain;
    let wallet: HotWallet;
    const arrived = async () => (await chain.account(to)).balance;

    beforeEach(async () => {
        network = await startLocalnet({ clock: 'manual' });
        chain = new TonHttpChain({ network: -239, endpoint: network.url });
        jest.spyOn(chain, 'as').mockReturnValue(chain); // so that what a test does to the chain reaches the wallet
        wallet = new HotWallet(chain, Buffer.alloc(32, 3), 20);
        await network.faucet(wallet.address, 10n * COIN);
    });

    afterEach(() => network.close());

    const pay = (value = COIN) => wallet.send([{ to, value, bounce: false }]);

    it('sends once what an API answers with 504 and delivers later', async () => {
        network.disturbances.plan('sendBoc', { kind: 'late', status: 504, afterMs: 300 }, 2);

        await pay();
        await new Promise((resolve) => setTimeout(resolve, 500));

        expect(await arrived()).toBe(COIN);
        await pay();
        expect(await arrived()).toBe(2n * COIN);
    });

    it('has all its calls go before those that only read', async () => {
        jest.restoreAllMocks();
        const called = jest.spyOn(chain.api, 'call');
        await pay();

        expect(called.mock.calls.map(([method]) => method)).toContain('sendBoc');
        expect(new Set(called.mock.calls.map(([, , view]) => view?.urgency))).toEqual(new Set(['urgent']));
    });

    it('says that nothing was sent when the order can be taken no more', async () => {
        network.disturbances.plan('sendBoc', { kind: 'down', status: 504 }, 50);
        const ended = pay().catch((error: unknown) => error as ChainError);
        while (!network.disturbances.calls.has('sendBoc')) {
            await new Promise((resolve) => setTimeout(resolve, 10));
        }
        network.advance(130);
        network.disturbances.clear();

        expect((await ended)!.message).toMatch(/order 0 in time, so nothing was sent/);
        await pay();
        expect(await arrived()).toBe(COIN);
    });

    it('does not think an order lapsed for one answer about the time', async () => {
        const truth = await chain.account(wallet.address);
        const times = { from: truth.at, validUntil: truth.at + 60 };
        jest.spyOn(chain, 'account').mockResolvedValueOnce({ ...truth, at: truth.at + 3600 });

        expect(
            await outcomeOf(chain, { wallet: wallet.address, seqno: 0, hash: 'ab', ...times }, async () => 0, {
                pauseMs: 20,
            }),
        ).toBe('waiting');
    });

    it('does not take an order of another device for its own', async () => {
        const other = new HotWallet(chain, Buffer.alloc(32, 3), 20);
        await other.send([{ to, value: COIN, bounce: false }]);
        const seqno = async () => 1;
        const order = {
            wallet: wallet.address,
            seqno: 0,
            hash: 'ab',
            from: network.now(),
            validUntil: network.now() + 60,
        };

        expect(await outcomeOf(chain, order, seqno)).toBe('waiting');
        network.advance(66);
        expect(await outcomeOf(chain, order, seqno)).toBe('overtaken');
        expect(await outcomeOf(chain, { ...order, seqno: 1 }, seqno)).toBe('lapsed');
    });

    describe('once it does not know what became of an order', () => {
        beforeEach(() => {
            const order = {
                wallet: wallet.address,
                seqno: 0,
                hash: '',
                from: network.now(),
                validUntil: network.now() + 120,
            };
            // As after minutes of silence: the order is out, and nobody said more.
            Object.assign(wallet, { pending: { order, content: 'another payment' } });
        });

        it('sends nothing while that order may still be taken', async () => {
            await expect(pay()).rejects.toBeInstanceOf(OutcomeUnknown);
            expect(await arrived()).toBe(0n);
        });

        it('sends again once it never will be', async () => {
            network.advance(126);

            await pay();

            expect(await arrived()).toBe(COIN);
        });
    });

    describe('whose order was taken while the API was silent for minutes', () => {
        const lost = new ChainError('the API is silent', undefined, { unknown: true });

        beforeEach(async () => {
            const sendExternal = chain.sendExternal.bind(chain);
            const deaf = jest.spyOn(chain, 'sendExternal').mockImplementation(async (...message) => {
                await sendExternal(...message);
                jest.spyOn(chain, 'account').mockRejectedValue(lost);
                const later = performance.now() + 200_000;
                jest.spyOn(performance, 'now')
                    .mockReturnValueOnce(later - 200_000)
                    .mockReturnValue(later);
                throw lost;
            });
            await expect(pay()).rejects.toBeInstanceOf(OutcomeUnknown);
            expect(deaf).toHaveBeenCalledTimes(1);
            jest.restoreAllMocks();
        });

        it('sends nothing when asked for the same once more', async () => {
            await pay();

            expect(await arrived()).toBe(COIN);
        });

        it('asks to read the state first when asked for something else', async () => {
            await expect(pay(2n * COIN)).rejects.toThrow('read the state again');
            expect(await arrived()).toBe(COIN);

            await pay(2n * COIN);
            expect(await arrived()).toBe(3n * COIN);
        });
    });
});

describe('A wallet whose first endpoint lies', () => {
    type Answer = { ok: boolean; result?: Record<string, unknown> };

    let network: Localnet;
    let liar: Server;
    let wallet: HotWallet;
    let lie: (method: string, answer: () => Promise<Answer>) => Promise<Answer>;
    const arrived = async () => (await new TonHttpChain({ network: -239, endpoint: network.url }).account(to)).balance;

    beforeEach(async () => {
        network = await startLocalnet({ clock: 'manual' });
        lie = (_, answer) => answer();
        liar = createServer((request, response) => {
            void (async () => {
                const body = await text(request);
                const { method } = JSON.parse(body) as { method: string };
                const headers = { 'content-type': 'application/json' };
                const answer = async () => (await fetch(network.url, { method: 'POST', headers, body })).json();
                response.end(JSON.stringify(await lie(method, answer as () => Promise<Answer>)));
            })().catch(() => response.destroy()); // the network has ended with the test
        }).listen(0, '127.0.0.1');
        await once(liar, 'listening');
        wallet = walletAt(urlOfLiar(), network.url);
        await network.faucet(wallet.address, 10n * COIN);
    });

    afterEach(async () => {
        liar.closeAllConnections();
        liar.close();
        await network.close();
    });

    const urlOfLiar = () => `http://127.0.0.1:${(liar.address() as AddressInfo).port}/api/v2/jsonRPC`;
    const walletAt = (...endpoint: string[]) =>
        new HotWallet(new TonHttpChain({ network: -239, endpoint }), Buffer.alloc(32, 3), 20);
    const pay = (note?: (order: Order) => Promise<void>, value = COIN) =>
        wallet.send([{ to, value, bounce: false }], note);

    it('takes an order for executed that this endpoint carried, whatever it adds to its word', async () => {
        lie = async (method, answer) => ({ ...(await answer()), ...(method === 'sendBoc' && { result: {} }) });

        await pay();

        expect(await arrived()).toBe(COIN);
    });

    it('sends what that endpoint takes and carries nowhere', async () => {
        lie = async (method, answer) => (method === 'sendBoc' ? { ok: true, result: { '@type': 'ok' } } : answer());

        await pay();

        expect(await arrived()).toBe(COIN);
    });

    describe('and refuses what it does not want to arrive', () => {
        beforeEach(() => {
            const error = 'cannot apply external message to current state : External message was not accepted';
            const refusal = { ok: false, error, code: 500 } as unknown as Answer;
            lie = async (method, answer) => (method === 'sendBoc' ? refusal : answer());
        });

        it('sends it by another endpoint', async () => {
            wallet = walletAt(urlOfLiar(), network.url, network.url);

            await pay();

            expect(await arrived()).toBe(COIN);
        });

        it('fails at once if every other endpoint refuses it too', async () => {
            wallet = walletAt(urlOfLiar(), urlOfLiar());
            const start = performance.now();

            await expect(pay()).rejects.toThrow('was not accepted');

            expect(performance.now() - start).toBeLessThan(30_000);
        });
    });

    /** Delivers an order that the first endpoint shows as executed; `carry`: what another one does with it. */
    async function deliverBeside(carry: () => Promise<void>): Promise<void> {
        const body = beginCell().storeUint(7, 32).endCell();
        const order = { wallet: to, seqno: 0, hash: body.hash().toString('hex'), from: 1000, validUntil: 1120 };
        const other = { account: jest.fn(), open: jest.fn(), sendExternal: jest.fn(carry) };
        const liar = {
            sendExternal: async () => undefined,
            account: async () => ({ state: 'active', balance: COIN, at: 1000 }),
            accepted: async function* () {
                yield { lt: 1n, at: 1000, body };
            },
            others: [other],
        };

        await deliver(liar as unknown as Chain, order, { body }, { seqno: async () => 1, pollMs: 1 });

        expect(other.sendExternal).toHaveBeenCalledWith(to, body, undefined);
    }

    it('gives another endpoint what that one shows as executed, for it may have made the transaction up', () =>
        deliverBeside(async () => undefined));

    it('or whose other endpoint never says that it carries an order does not wait for it after each', () =>
        deliverBeside(() => new Promise(() => undefined)));

    it('gives another endpoint an order although that one lists what the wallet took without an end', async () => {
        await pay();
        let isTaken = false;
        const page = endlessPages();
        const honest = lie;
        lie = async (method, answer) => {
            if (method === 'sendBoc') {
                isTaken = true;
                return { ok: true, result: { '@type': 'ok' } };
            }
            if (method === 'getTransactions' && isTaken) {
                await new Promise((resolve) => setTimeout(resolve, 5));
                return { ok: true, result: page() as unknown as Answer['result'] };
            }
            const { ok, result } = await answer();
            const isUsed = method === 'runGetMethod' && isTaken;
            return { ok, result: isUsed ? { ...result, stack: [['num', '0x2']] } : result };
        };
        const paid = pay(undefined, 2n * COIN);

        expect(await waitUntil(async () => (await arrived()) === 3n * COIN, { maxMs: 30_000 })).toBe(true);
        lie = honest;
        await paid;
    });

    describe('once an order of it has lapsed', () => {
        beforeEach(() => {
            const times = { from: network.now(), validUntil: network.now() + 120 };
            const order = { wallet: wallet.address, seqno: 0, hash: '', ...times };
            Object.assign(wallet, { pending: { order, content: 'another payment' } });
            network.advance(1000);
            jest.spyOn(Date, 'now').mockReturnValue(network.now() * 1000);
        });

        afterEach(() => jest.restoreAllMocks());

        it.each([
            ['says for ever that it may still be executed', { sync_utime: -1000 }],
            ['says that the wallet is another', { data: beginCell().endCell().toBoc().toString('base64') }],
        ])(
            'sends the next one although that endpoint %s',
            async (_, change: { sync_utime?: number; data?: string }) => {
                let calls = 0;
                lie = async (method, answer) => {
                    const { ok, result = {} } = await answer();
                    const time = Number(result.sync_utime) + (change.sync_utime ?? 0) + (calls++ % 50);
                    return {
                        ok,
                        result:
                            method === 'getAddressInformation' ? { ...result, ...change, sync_utime: time } : result,
                    };
                };
                const tries = [0, 1].map(() => pay().catch(() => undefined)); // the second one by the other endpoint
                await Promise.all(tries);

                expect(await arrived()).toBeGreaterThan(0n);
            },
        );
    });

    it('knows what became of an order although that one lists what the wallet took without an end', async () => {
        const body = beginCell().storeUint(7, 32).endCell();
        const order = { wallet: to, seqno: 0, hash: body.hash().toString('hex'), from: 1000, validUntil: 1120 };
        const limits: unknown[] = [];
        const liar = {
            account: async () => ({ state: 'active', balance: COIN, at: 1000 }),
            // eslint-disable-next-line require-yield
            accepted: async function* (_: Address, limit?: { seconds?: number }) {
                limits.push(limit?.seconds);
                throw new ChainError('the list has no end');
            },
        };
        const honest = {
            ...liar,
            accepted: async function* () {
                yield { lt: 1n, at: 1000, body };
            },
        };
        const chain = { ...liar, others: [liar, honest] };

        expect(await outcomeOf(chain as unknown as Chain, order, async () => 1)).toBe('executed');
        expect(limits).toEqual([15, 15]);
    });

    it.each([
        ['as both others list nothing in time', 2, 'waiting'],
        ['though one of the others does', 1, 'overtaken'],
    ] as const)('does not believe that one that an order was overtaken, %s', async (_, failing, expected) => {
        const order = { wallet: to, seqno: 0, hash: 'ab', from: 1000, validUntil: 1120 };
        const account = async () => ({ state: 'active', balance: COIN, at: 1121 });
        const empty = { account, accepted: async function* () {} };
        const busy = {
            account,
            // eslint-disable-next-line require-yield
            accepted: async function* () {
                throw new ChainError('were not read to their end');
            },
        };
        const others = [empty, ...[0, 1].map((i) => (i < failing ? busy : empty))];
        const chain = { ...empty, others } as unknown as Chain;

        const outcome = outcomeOf(chain, order, async () => 1, { pauseMs: 20 });
        expect(await outcome.catch((error: Error) => error.message)).toBe(
            expected === 'waiting' ? 'were not read to their end' : expected,
        );
    });

    it('or to which strangers send more than is read in time waits for no order for ever', async () => {
        const order = { wallet: to, seqno: 0, hash: 'ab', from: 1000, validUntil: 1120 };
        const chainAt = (at: number) =>
            ({
                account: async () => ({ state: 'active', balance: COIN, at }),
                // eslint-disable-next-line require-yield
                accepted: async function* () {
                    throw new ChainError('were not read to their end');
                },
            }) as unknown as Chain;
        const outcomeAt = (at: number) =>
            outcomeOf(chainAt(at), order, async () => 1, { pauseMs: 20, mayRepeat: true });

        await expect(outcomeAt(1120 + 600)).rejects.toThrow('were not read to their end');
        expect(await outcomeAt(1120 + 601)).toBe('overtaken');
    });

    it('or whose other endpoint is down does not wait for it after each order', async () => {
        wallet = walletAt(network.url, `http://127.0.0.1:${await freePort()}/api/v2/jsonRPC`);
        const start = performance.now();

        await pay();

        expect(performance.now() - start).toBeLessThan(30_000); // an urgent call waits 45 s for it
        expect(await arrived()).toBe(COIN);
    });

    it('or that hides what the wallet took does not have it wait for one that is down', async () => {
        wallet = walletAt(urlOfLiar(), `http://127.0.0.1:${await freePort()}/api/v2/jsonRPC`, network.url);
        lie = async (method, answer) => (method === 'getTransactions' ? ({ ok: true, result: [] } as never) : answer());
        const start = performance.now();

        await pay();

        expect(performance.now() - start).toBeLessThan(30_000); // an urgent call waits 45 s for it
        expect(await arrived()).toBe(COIN);
    });

    /** One answer says that it is ten years later. */
    function lieOfTheTime(): void {
        let isOver = false;
        lie = async (method, answer) => {
            const { ok, result = {} } = await answer();
            if (method !== 'getAddressInformation' || isOver) {
                return { ok, result };
            }
            isOver = true;
            return { ok, result: { ...result, sync_utime: Number(result.sync_utime) + 10 * 365 * 86_400 } };
        };
    }

    it('signs no order for the far future that this endpoint tells of', async () => {
        lieOfTheTime();
        let until = 0;
        await pay(async ({ validUntil }) => void (until = validUntil));

        expect(until).toBe(network.now() + 120);
        expect(await arrived()).toBe(COIN);
    });

    it('knows what became of an order that it signed for the far future, and sends the next', async () => {
        wallet = walletAt(urlOfLiar());
        lieOfTheTime();

        await pay();
        await pay();

        expect(await arrived()).toBe(2n * COIN);
    });

    it.each([
        ['names its number as unused', 'runGetMethod', { exit_code: 0, gas_used: 0, stack: [['num', '0x0']] }],
        ['lists nothing that the wallet took', 'getTransactions', []],
    ])('does not call an order lapsed that was executed, though that one %s', async (_, hidden, result) => {
        wallet = walletAt(urlOfLiar(), network.url, network.url);
        lie = (method, answer) => (method === hidden ? Promise.resolve({ ok: true, result } as Answer) : answer());
        const paid = pay();
        await waitUntil(async () => (await arrived()) === COIN, { maxMs: 30_000 });
        network.advance(130);

        await paid;
    });

    it('sends all that follows by another endpoint after one order that failed, and not only the next one', async () => {
        wallet = walletAt(urlOfLiar(), network.url, network.url);
        await pay();
        const failure = { ok: true, result: { gas_used: 0, exit_code: 11, stack: [] } };
        lie = async (method, answer) => (method === 'runGetMethod' ? failure : answer());
        await expect(pay()).rejects.toThrow('exit_code: 11');

        await pay();
        await pay();

        expect(await arrived()).toBe(3n * COIN);
    });

    it('sends by another endpoint after that one named a number that was used', async () => {
        await pay();
        network.disturbances.calls.clear();
        const unused = { state: 'uninitialized', code: '', data: '' };
        lie = async (method, answer) => {
            const { ok, result } = await answer();
            const isEarly = method === 'getAddressInformation' && !network.disturbances.calls.has('sendBoc');
            return { ok, result: isEarly ? { ...result, ...unused } : result };
        };
        const failed = expect(pay(undefined, 2n * COIN)).rejects.toThrow('another order 0');
        await waitUntil(() => network.disturbances.calls.has('sendBoc'), { maxMs: 10_000 });
        network.advance(130);
        await failed;

        await pay(undefined, 2n * COIN);

        expect(await arrived()).toBe(3n * COIN);
    });

    it('waits for another endpoint that comes to know each order some readings later', async () => {
        const answers = new Map<string, Answer[]>();
        lie = async (method, answer) => {
            if (!['getAddressInformation', 'runGetMethod'].includes(method)) {
                return answer();
            }
            const last = [...(answers.get(method) ?? []), await answer()].slice(-3);
            answers.set(method, last);
            return last[0];
        };
        await walletAt(network.url).send([{ to, value: COIN, bounce: false }]);
        await walletAt(urlOfLiar()).send([{ to, value: COIN, bounce: false }]); // which has it show both

        wallet = walletAt(network.url, urlOfLiar());
        for (let orders = 0; orders < 3; orders++) {
            await pay();
        }

        expect(await arrived()).toBe(5n * COIN);
    });

    describe('about everything, because it has a chain of its own with one order more,', () => {
        let forged: Localnet;

        beforeEach(async () => {
            jest.spyOn(ChainApi.prototype, 'takeSpare').mockReturnValue([]); // as of endpoints without a key
            forged = await startLocalnet({ clock: 'manual' });
            await forged.faucet(wallet.address, 10n * COIN);
            wallet = walletAt(forged.url);
            await pay();
        });

        afterEach(async () => {
            jest.restoreAllMocks();
            await forged.close();
        });

        it.each([
            ['of two others', 2],
            ['of one other', 1],
        ])('sends the second order at the latest on the chain %s', async (_, others) => {
            wallet = walletAt(forged.url, ...Array.from({ length: others }, () => network.url));

            await pay().catch(() => undefined);
            await pay().catch(() => undefined);

            expect(await arrived()).toBeGreaterThan(0n);
        });
    });
});
