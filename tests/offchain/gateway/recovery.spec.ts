// Longer than 350 lines because its cases share one set-up.
import { Finish, jobHash, Voucher, voucherFor } from '@cocoon-market/wrappers';
import { clientKeys, Gateway } from '../../../offchain/gateway';
import { WorkerClient } from '../../../offchain/gateway/workers';
import { eventLoop } from '../../../offchain/process/loopShare';
import { Tasks } from '../../../offchain/process/tasks';
import { openGatewayStore } from '../../../offchain/store/sqliteGateway';
import { join } from 'node:path';
import { NETWORK, useMarket } from '../../support/market';
import { ask, Bench, BenchOptions, MODEL, SandboxChain, SEED, startBench, until } from './support';

describe('A gateway that starts again', () => {
    const market = useMarket();
    let bench: Bench;

    const start = async (options: BenchOptions = {}) => (bench = await startBench(market(), options));
    const job = (gateway: Gateway = bench.gateway) => gateway.book.all[0];
    const restart = async () => {
        await bench.restart();
        await bench.gateway.recovery.recovered;
    };

    afterEach(() => bench.close());

    it('rule 15: goes on with the same job above the highest number of both sides', async () => {
        await start();
        await bench.post(ask);
        await restart();
        bench.worker.highest = 41;
        await restart();
        const { headers } = await bench.post(ask);

        expect(headers['x-cocoon-query']).toBe('42');
        expect(bench.gateway.book.all).toHaveLength(1);
    });

    it('rule 15: shows its voucher to a worker that has an older one', async () => {
        await start();
        await bench.post(ask);
        await until(() => bench.worker.only.vouchers.length === 1);
        bench.worker.only.vouchers.length = 0;
        await restart();
        await until(() => bench.worker.only.vouchers.at(-1)?.cumulative === 3020n);
    });

    it('was not kept from its end by a worker that hands out an ending byte by byte', async () => {
        await start();
        await bench.post(ask);
        bench.worker.dripped = 0;
        bench.worker.scripts.push({ cut: 1, withholds: true });
        await bench.post(ask);
        await until(() => bench.worker.dripped > 10);
        await bench.restart(); // waits for the end of the first one
        await bench.gateway.recovery.loaded;

        expect(job().unfinished).toEqual([2]);
        bench.worker.dripped = -1;
    });

    it('asks a worker for four endings at a time, each of which may be an answer of megabytes', async () => {
        await start();
        await bench.post(ask);
        bench.worker.dripped = 0;
        const fetched = () => bench.worker.wire.filter(({ path }) => path.includes('/queries/')).length;
        for (let time = 0; time < 7; time++) {
            bench.worker.scripts.push({ cut: 1, withholds: true });
            await bench.post(ask);
        }
        await until(() => job().unfinished.length === 7 && fetched() >= 4);

        expect(fetched()).toBe(4);
        bench.worker.dripped = -1;
    });

    it('asks for no fifth ending while four that have come wait for their turns of the event loop', async () => {
        await start();
        await bench.post(ask);
        const begin: (() => void)[] = [];
        const take = jest.spyOn(eventLoop, 'take').mockImplementation(() => new Promise((turn) => begin.push(turn)));
        const fetched = () => bench.worker.wire.filter(({ path }) => path.includes('/queries/')).length;
        for (let time = 0; time < 7; time++) {
            bench.worker.scripts.push({ cut: 1 });
            await bench.post(ask);
        }
        await until(() => begin.length >= 4 && job().unfinished.length === 7);

        expect([begin.length, fetched()]).toEqual([4, 4]);
        take.mockRestore();
        begin.forEach((turn) => turn());
        await until(() => job().unfinished.length === 0);
    });

    it('asks no longer for the ending of a query whose job has ended, and asks again once its account exists', async () => {
        await start();
        await bench.post(ask);
        bench.worker.scripts.push({ cut: 1, withholds: true });
        await bench.post(ask);
        const lease = () => job().takeLease(2);
        expect(lease()).toBeUndefined();
        const retried = jest.spyOn(Tasks.prototype, 'pause').mockImplementation(() => new Promise(setImmediate));
        await job().change({ phase: 'ended' });
        await until(() => (lease() === undefined ? false : (job().returnLease(2), true)));
        retried.mockRestore();

        await job().change({ phase: 'open' });
        bench.worker.only.queries.clear();
        await bench.gateway.recovery.connect(job());
        await until(() => job().unfinished.length === 0);
    });

    it('reads its store again when that fails once, and answers', async () => {
        await start();
        await bench.post(ask);
        const store = await openGatewayStore(join(bench.folder, 'other.sqlite'));
        await store.addJob((await bench.gateway.store.jobs())[0]);
        jest.spyOn(store, 'entries').mockRejectedValueOnce(new Error('disk I/O error'));
        await bench.restart({ store: join(bench.folder, 'other.sqlite') }, { store });
        await bench.gateway.recovery.recovered;

        expect((await bench.post(ask)).status).toBe(200);
    });

    it('rule 15: takes over a newer voucher of its own key, after its store was lost', async () => {
        await start();
        await bench.post(ask);
        await until(() => bench.worker.only.vouchers.length === 1);
        const { channel, jobNumber } = bench.worker.only;
        const key = clientKeys(SEED).voucher(market().escrow.address.hash, jobNumber);
        const newer = { cumulative: 9000n, count: 3 };
        const signature = key.sign(Voucher.hash(voucherFor(NETWORK, channel, newer.cumulative, newer.count)));
        bench.worker.only.vouchers.push({ ...newer, signature });
        await restart();

        expect(job().ledger.voucher).toMatchObject(newer);
        bench.worker.only.vouchers.push({ cumulative: 99_000n, count: 4, signature });
        await restart();
        expect(job().ledger.voucher).toMatchObject(newer);
    });

    it('rule 15: fetches unfinished queries and pays their results', async () => {
        await start();
        await bench.post(ask);
        await until(() => bench.worker.only.vouchers.length === 1);
        let hold: (() => void) | undefined;
        bench.worker.scripts.push({
            frames: ['one ', 'two ', 'three '],
            wait: (frame) => (frame === 1 ? new Promise<void>((resolve) => (hold = resolve)) : Promise.resolve()),
        });
        const broken = bench.post(ask).catch(() => undefined);
        await until(() => bench.worker.only.queries.size === 2);
        await until(() => hold !== undefined);
        await bench.gateway.close();
        await broken;
        hold!();
        await until(() => bench.worker.only.index === 2);
        await restart();

        await until(() => job().unfinished.length === 0);
        await until(() => bench.worker.only.vouchers.at(-1)?.count === 2);
        expect(bench.worker.only.vouchers.at(-1)!.cumulative).toBe(bench.worker.only.cumulative);
    });

    it('rule 15: pays a stored result for which it had signed nothing when it ended', async () => {
        await start();
        await bench.gateway.opener.open(MODEL, new Set());
        jest.spyOn(job().money, 'start').mockReturnValue(undefined); // killed before it signs
        await bench.post(ask);
        expect(job().ledger.count).toBe(1);
        await restart();

        await until(() => bench.worker.only.vouchers.at(-1)?.count === 1);
        expect(bench.worker.only.vouchers.at(-1)!.cumulative).toBe(bench.worker.only.cumulative);
    });

    it.each(['', ', also while no session can begin'])(
        'settles a job after it has fetched and paid the result of a query that broke off%s',
        async (also) => {
            await start();
            await bench.post(ask);
            await until(() => bench.worker.only.vouchers.length === 1);
            bench.worker.scripts.push({ frames: ['one ', 'two '], cut: 1, wait: () => bench.worker.stop() });
            await bench.post(ask).catch(() => undefined);
            await until(() => job().unfinished.length === 1);
            await new Promise((resolve) => setTimeout(resolve, 800)); // so that the next attempt to fetch is not soon
            await bench.worker.start();
            const { only } = bench.worker;
            let atEnd: [number, number] | undefined; // results, and those that the newest voucher pays
            bench.worker.onEnd = async () => void (atEnd = [only.index, only.vouchers.at(-1)!.count]);
            const register = jest.spyOn(WorkerClient.prototype, 'register');
            if (also !== '') {
                register.mockRejectedValue(new Error('the chain is away'));
            }

            await bench.gateway.closing.settle(job());

            register.mockRestore();
            expect(atEnd).toEqual([2, 2]);
            expect(job().unfinished).toEqual([]);
        },
    );

    it('settles at once a job that its worker has not seen yet: nothing is owed, and the job is left', async () => {
        await start();
        bench.worker.claims = false;
        const { register } = WorkerClient.prototype;
        const lost = jest.spyOn(WorkerClient.prototype, 'register').mockRejectedValue(new Error('the wire broke'));
        await bench.post(ask).catch(() => undefined);
        await until(() => job()?.phase === 'open');
        expect(bench.worker.jobs.size).toBe(0);
        lost.mockImplementation(register);

        expect(await bench.gateway.closing.settle(job())).toBe('leaving');

        expect(bench.worker.only.ended).toBe(true);
        lost.mockRestore();
    });

    it('rule 15: a worker that answers late is asked until it does', async () => {
        await start();
        await bench.post(ask);
        await until(() => bench.worker.only.vouchers.length === 1);
        await bench.worker.stop();
        await restart();
        expect(job().session).toBeUndefined();
        await bench.worker.start();
        expect((await bench.post(ask)).status).toBe(200);
        expect(bench.gateway.book.all).toHaveLength(1);
    });

    it('logs once that a worker does not answer, and once that it does again', async () => {
        await start();
        await bench.post(ask);
        await bench.worker.stop();
        await restart();
        for (let attempt = 0; attempt < 3; attempt++) {
            await bench.gateway.recovery.connect(job());
        }
        await bench.worker.start();
        await until(() => job().session !== undefined);
        await bench.gateway.recovery.connect(job());
        const lines = bench.log.flatMap((line) => /worker of an open job [\w ]+/.exec(line) ?? []);
        expect(lines).toEqual(['worker of an open job does not answer', 'worker of an open job answers again']);
    });

    it('a store that is not the newest does not go on: the job is settled', async () => {
        await start();
        await bench.post(ask);
        await until(() => bench.worker.only.vouchers.length === 1);
        bench.worker.only.index = 5;
        await restart();
        expect(job().phase).toBe('settling');
        expect(bench.worker.only.ended).toBe(true);
    });

    it('an order that was on disk and never sent is sent, once', async () => {
        await start();
        bench.chain.beforeSend = () => new Promise(() => undefined);
        const lost = bench.post(ask).catch(() => undefined);
        await until(() => job()?.phase === 'ordered');
        const store = join(bench.folder, 'copy.sqlite');
        const copy = await openGatewayStore(store);
        await copy.addJob((await bench.gateway.store.jobs())[0]);
        await copy.close();
        const left = bench.gateway;
        bench.chain.beforeSend = () => undefined;
        bench.gateway = undefined as unknown as Gateway;
        await bench.restart({ store });
        await bench.gateway.recovery.recovered;

        expect(job().phase).toBe('open');
        expect((await bench.post(ask)).status).toBe(200);
        expect(await market().seqno()).toBe(1);
        void left.close().catch(() => undefined);
        void lost;
    });

    it('an order that was taken is found, and not sent as another', async () => {
        await start();
        await bench.post(ask);
        const [stored] = await bench.gateway.store.jobs();
        await bench.gateway.store.changeJob(stored.channel, { phase: 'ordered', funds: 0n });
        await restart();
        expect(job()).toMatchObject({ phase: 'open' });
        expect(job().stored.funds).toBeGreaterThanOrEqual(1_000_000_000n);
        expect(await market().seqno()).toBe(1);
    });

    it('an order that was taken up opens its job though the worker sees the channel later, and blames no node', async () => {
        await start();
        await bench.post(ask);
        const [stored] = await bench.gateway.store.jobs();
        await bench.gateway.store.changeJob(stored.channel, { phase: 'ordered', funds: 0n });
        bench.worker.refuseJob = 'wrong_channel';
        await bench.restart();
        await until(() => bench.worker.refusedJobs > 1);
        bench.worker.refuseJob = undefined;

        await until(() => job()?.session !== undefined);
        expect(job().phase).toBe('open');
        expect((await bench.admin('status')).spoiled.today).toBe(0);
    });

    it('an order that was taken long ago is found though the first endpoint hides it', async () => {
        await start();
        await bench.post(ask);
        const [stored] = await bench.gateway.store.jobs();
        await bench.gateway.store.changeJob(stored.channel, { phase: 'ordered', funds: 0n });
        market().blockchain.now = market().now + 2 * 3600;
        const { chain } = bench;
        const hidden = { state: 'uninitialized' as const, balance: 0n, code: undefined, data: undefined };
        chain.lie = (address, truth) => (address.hash.equals(stored.channel) ? { ...truth, ...hidden } : truth);
        chain.taken.length = 0;
        const open = chain.open.bind(chain);
        chain.open = ((contract: never) => {
            const opened = open(contract) as unknown as Record<string, () => Promise<object>>;
            const getEscrowState = async () => ({ ...(await opened.getEscrowState()), seqno: 0n });
            return new Proxy(opened, {
                get: (all, name: string) => (name === 'getEscrowState' ? getEscrowState : all[name]),
            });
        }) as never;
        chain.others = [chain, new SandboxChain(market())];
        await restart();

        expect(job().phase).toBe('open');
    });

    it('an order that ran out of time is given up', async () => {
        await start();
        await bench.post(ask);
        const [stored] = await bench.gateway.store.jobs();
        const late = {
            ...stored,
            phase: 'ordered' as const,
            number: 4,
            channel: Buffer.alloc(32, 9),
            hash: jobHash(NETWORK, Buffer.alloc(32, 9), stored.terms),
            validUntil: market().now - 1,
        };
        await bench.gateway.store.addJob(late);
        await restart();
        expect(bench.gateway.book.get(4)!.phase).toBe('failed');
    });

    it('the results of an earlier run are neighbours of the next', async () => {
        await start();
        await bench.post(ask);
        await restart();
        bench.worker.scripts.push({ finish: Finish.Stop, result: (result) => ({ ...result, index: 1 }) });
        expect((await bench.post(ask)).status).not.toBe(200);
        await until(() => job().phase === 'leaving');
    });

    it('no second gateway gets into its store', async () => {
        await start();
        await expect(openGatewayStore(join(bench.folder, 'gateway.sqlite'))).rejects.toThrow(
            'in use by another process',
        );
    });
});
