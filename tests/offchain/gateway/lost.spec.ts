import { beginCell } from '@ton/core';
import { join } from 'node:path';
import { ChainError, type ListLimit } from '../../../offchain/chain';
import { openGatewayStore } from '../../../offchain/store/sqliteGateway';
import { Channel } from '@cocoon-market/wrappers';
import { HOUR, useMarket } from '../../support/market';
import { ask, Bench, MODEL, SandboxChain, startBench, until } from './support';

describe('A gateway whose store is gone', () => {
    const market = useMarket();
    let bench: Bench;

    const jobs = () => bench.gateway.book.all;
    const sweep = () => bench.gateway.sweep();
    const pass = (seconds: number) => (market().blockchain.now = market().now + seconds);
    const other = (name = 'other') => ({ store: join(bench.folder, `${name}.sqlite`) });
    const channel = () => bench.worker.only.channel;
    // A channel has one of two codes, so the store notes the other account of each found job as ended, after it.
    const numbers = async () =>
        (await bench.gateway.store.jobs()).filter(({ phase }) => phase !== 'ended').map(({ number }) => number);

    beforeEach(async () => {
        bench = await startBench(market());
        await bench.post(ask);
        await until(() => bench.worker.only.vouchers.length === 1);
    });
    afterEach(() => bench.close());

    it('finds its channels in the orders of the escrow, and settles them with the newest voucher of the worker', async () => {
        bench.worker.onEnd = async ({ vouchers }) => {
            const contract = market().blockchain.openContract(Channel.fromAddress(channel()));
            const claim = { value: 100_000_000n, last: true, voucher: vouchers.at(-1)! };
            await contract.sendClaim(market().payout.getSender(), claim);
        };
        await bench.restart(other());

        await until(async () => market().isGone({ address: channel() }));
        expect(jobs().map(({ number, phase, ledger }) => [number, phase, ledger.voucher.cumulative])).toEqual([
            [0, 'settling', 3020n],
        ]);
        const before = bench.worker.jobs.size;
        expect((await bench.post(ask)).headers['x-cocoon-job']).toBe('4');
        expect(bench.worker.jobs.size).toBe(before + 1);
    });

    it('leaves and refunds what no worker knows', async () => {
        bench.worker.jobs.clear();
        const address = bench.gateway.book.all[0].channel;
        await bench.restart(other());
        await until(() => jobs().length === 1);
        expect(jobs()[0].phase).toBe('leaving');
        await sweep();
        pass(HOUR);
        await sweep();

        expect(await market().isGone({ address })).toBe(true);
        expect(jobs()[0].phase).toBe('ended');
    });

    it('passes an order that it cannot read, and one of another key file', async () => {
        bench.chain.taken.push({ lt: 9n, at: 0, body: beginCell().storeUint(1, 8).endCell() });
        await market().openJob();
        await bench.restart(other());

        await until(() => jobs().length === 1);
        expect(jobs()[0].number).toBe(0);
    });

    it('finds in an old copy of it what was opened since, and in a whole one nothing', async () => {
        const { store } = other('copy');
        const copy = await openGatewayStore(store);
        await copy.addJob((await bench.gateway.store.jobs())[0]);
        await copy.close();
        await bench.gateway.closing.leave(jobs()[0]);
        await bench.gateway.opener.open(MODEL, new Set());
        await until(() => bench.worker.jobs.size === 2);
        await bench.restart();
        await bench.gateway.recovery.recovered;
        await new Promise((resolve) => setTimeout(resolve, 100));
        expect((await bench.gateway.store.jobs()).map(({ found }) => found)).toEqual([false, false]);
        await bench.restart({ store });

        await until(async () => (await bench.gateway.store.jobs()).some(({ found }) => found === true));
        expect(await numbers()).toEqual([0, 8]);
    });

    describe('and whose first endpoint lies', () => {
        const honest = () => {
            const chain = new SandboxChain(market());
            chain.taken.push(...bench.chain.taken);
            return chain;
        };

        it('finds a job whose order and channel that endpoint hides', async () => {
            const { chain } = bench;
            const hidden = { state: 'uninitialized' as const, balance: 0n, code: undefined, data: undefined };
            chain.others = [chain, honest(), honest()];
            chain.taken.length = 0;
            const address = channel();
            chain.lie = (account, truth) => (account.equals(address) ? { ...truth, ...hidden } : truth);
            await bench.restart(other());

            await until(() => jobs().length === 1);
            expect(jobs()[0].channel.equals(address)).toBe(true);
        });

        it.each([
            ['lists transactions of another account', () => Promise.reject(new ChainError('they are of another'))],
            ['lists orders without an end', () => Promise.resolve()],
        ])('opens a job although that endpoint %s', async (_, next) => {
            const { chain } = bench;
            const foreign = { at: 0, body: beginCell().storeUint(1, 8).endCell() };
            chain.others = [chain, honest(), honest()];
            chain.accepted = async function* (_?: unknown, limit?: ListLimit) {
                for (let lt = 1n << 40n; limit?.signal?.aborted !== true; lt--) {
                    await new Promise((resolve) => setTimeout(resolve, 1));
                    await next();
                    yield { ...foreign, lt };
                }
            };
            await bench.restart(other());

            await until(() => jobs().length === 1);
            expect((await bench.post(ask)).status).toBe(200);
            expect(bench.log.filter((line) => line.includes('cannot be read')).length).toBeLessThan(4);
        });
    });

    describe('and that had opened two', () => {
        beforeEach(async () => {
            await bench.gateway.opener.open(MODEL, new Set());
            await until(() => bench.worker.jobs.size === 2);
        });

        it.each([1, 2, 3])('finds both when it was interrupted after %i of their accounts', async (kept) => {
            const path = join(bench.folder, 'halfway.sqlite');
            const store = await openGatewayStore(path);
            const addJob = store.addJob.bind(store);
            let left = kept;
            store.addJob = async (job) => {
                if (left-- > 0) {
                    return addJob(job);
                }
                store.addJob = addJob;
                throw new Error('interrupted');
            };
            await bench.restart({ store: path }, { store });

            await until(async () => (await numbers()).length === 2);
            expect(await numbers()).toEqual([0, 4]);
        });

        it('finds both when a question came before the API gave the orders', async () => {
            const accepted = bench.chain.accepted.bind(bench.chain);
            let away = true;

            bench.chain.accepted = async function* () {
                if (away) {
                    throw new ChainError('The API does not answer');
                }
                yield* accepted();
            };
            await bench.restart(other());
            const answer = bench.post(ask);
            await new Promise((resolve) => setTimeout(resolve, 1000));
            away = false;
            expect((await answer).status).toBe(200);

            await until(async () => (await numbers()).length === 3);
            expect(await numbers()).toEqual([0, 4, 8]);
        });
    });
});
