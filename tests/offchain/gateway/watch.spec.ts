import { useMarket } from '../../support/market';
import { ask, Bench, startBench, until } from './support';

describe('What stands behind a job, read again while it is paid', () => {
    const market = useMarket();
    let bench: Bench;
    let fault: string | undefined;
    let down: boolean;
    let reads: number;

    const checks = {
        objection: async () => undefined,
        keyObjection: async () => {
            reads++;
            if (down) {
                throw new Error('the API does not answer');
            }
            return fault;
        },
    };
    const start = async (workers = 1) =>
        (bench = await startBench(market(), { workers, deps: { checks, watchMs: 10 } }));
    const job = () => bench.gateway.book.all[0];
    const pass = (seconds: number) => (market().blockchain.now = market().now + seconds);
    const paid = () => bench.worker.only.vouchers.at(-1)?.cumulative ?? 0n;
    const prompts = () => bench.worker.wire.filter(({ path }) => path === '/v1/query').length;
    const warm = async () => {
        expect((await bench.post(ask)).status).toBe(200);
        await until(() => paid() === 3020n);
    };
    /** An answer of many steps that waits at its second frame. */
    const streaming = async () => {
        let go: () => void = () => undefined;
        let waits = false;
        const open = new Promise<void>((resolve) => (go = resolve));
        bench.worker.scripts.push({
            frames: Array<string>(12).fill('word '),
            tokensPerFrame: 6,
            wait: async (frame) => {
                waits ||= frame === 1;
                await (frame === 1 ? open : undefined);
            },
        });
        const answer = bench.post(ask);
        await until(() => waits);
        return { answer, go };
    };

    beforeEach(() => {
        fault = undefined;
        down = false;
        reads = 0;
    });
    afterEach(() => bench.close());

    it('is read within a minute of a running answer: once its key has ended no voucher is signed, though results come', async () => {
        await start();
        await warm();
        const { answer, go } = await streaming();
        fault = 'the key that signs its receipts has ended';
        pass(60);
        await until(() => job().money.paused !== undefined);
        go();
        await answer;
        await new Promise((resolve) => setTimeout(resolve, 200));

        expect(job().ledger.total).toBeGreaterThan(3020n);
        expect(paid()).toBe(3020n);
        expect(bench.worker.posted.every(({ cumulative }) => cumulative <= 3020n)).toBe(true);
    });

    it('gets no new query once it has ended, and is settled without a voucher when that is confirmed', async () => {
        await start();
        await warm();
        fault = 'its node is closed';
        pass(60);
        expect((await bench.post(ask)).status).toBe(503);
        expect([prompts(), job().phase]).toEqual([1, 'open']);
        for (let time = 0; time < 4; time++) {
            pass(20);
            await bench.post(ask);
        }

        await until(() => bench.worker.only.ended);
        expect([prompts(), paid()]).toEqual([1, 3020n]);
        expect(job().stored.note).toBe('its node is closed');
    });

    it('is paid again when the next reading says that it has not ended: one answer ends no job', async () => {
        await start();
        await warm();
        fault = 'its node is closed';
        pass(60);
        await bench.post(ask);
        fault = undefined;
        pass(15);

        expect((await bench.post(ask)).status).toBe(200);
        await until(() => paid() === 6040n);
        expect(bench.gateway.book.all).toHaveLength(1);
    });

    it('is not settled for words of one endpoint that another does not bear out', async () => {
        const other: { fault: string | undefined } = { fault: undefined };
        bench = await startBench(market(), {
            deps: { checks: { ...checks, others: [{ keyObjection: async () => other.fault }] }, watchMs: 10 },
        });
        await warm();
        fault = 'its node is closed';
        pass(60);
        for (let time = 0; time < 6; time++) {
            await bench.post(ask);
            pass(20);
        }
        expect(job().phase).toBe('open');
        other.fault = fault;
        await bench.post(ask);

        await until(() => bench.worker.only.ended);
    });

    it('is paid although one of three endpoints says that its node is closed, and not if two say so', async () => {
        const other: { fault: string | undefined } = { fault: undefined };
        const says = { liar: async () => fault, honest: async () => undefined, other: async () => other.fault };
        const others = [says.liar, says.honest, says.other].map((keyObjection) => ({ keyObjection }));
        bench = await startBench(market(), { deps: { checks: { ...checks, others }, watchMs: 10 } });
        await warm();
        fault = 'its node is closed';
        for (let time = 0; time < 3; time++) {
            pass(300);
            expect((await bench.post(ask)).status).toBe(200);
        }
        await until(() => paid() === 4n * 3020n);
        other.fault = fault;
        pass(60);

        expect((await bench.post(ask)).status).toBe(503);
    });

    it('is paid although the first endpoint gives for hours no answer that can be read, and two others do', async () => {
        const honest = { keyObjection: async () => undefined };
        const others = [{ keyObjection: checks.keyObjection }, honest, honest];
        bench = await startBench(market(), { deps: { checks: { ...checks, others }, watchMs: 10 } });
        await warm();
        down = true;
        for (let time = 0; time < 3; time++) {
            pass(3600);
            expect((await bench.post(ask)).status).toBe(200);
        }
        await until(() => paid() === 4n * 3020n);
    });

    it('is read once in a while for all jobs of its node, not with every query', async () => {
        await start();
        await warm();
        pass(44);
        for (let time = 0; time < 5; time++) {
            await bench.post(ask);
        }
        expect(reads).toBe(1);
        pass(1);
        await Promise.all([bench.post(ask), bench.post(ask), bench.post(ask)]);

        expect(reads).toBe(2);
    });

    it('keeps no question waiting for a slow reading while the last one is less than a minute old', async () => {
        let answer = () => undefined as void;
        const slow = async () => {
            reads++;
            await new Promise<void>((resolve) => (answer = resolve));
            return fault;
        };
        const isSlow = () => reads > 0;
        const keyObjection = () => (isSlow() ? slow() : checks.keyObjection());
        bench = await startBench(market(), { deps: { checks: { ...checks, keyObjection }, watchMs: 10 } });
        await warm();
        await bench.post(ask);
        expect(reads).toBe(1);
        pass(50);
        expect((await bench.post(ask)).status).toBe(200);
        await until(() => reads === 2);
        fault = 'its node is closed';
        pass(10);
        const late = bench.post(ask);
        answer();

        expect((await late).status).toBe(503);
        expect(prompts()).toBe(3);
    });

    it('is paid for ten minutes without a reading, and no longer', async () => {
        await start();
        await warm();
        down = true;
        pass(600);
        expect((await bench.post(ask)).status).toBe(200);
        await until(() => paid() === 6040n);
        pass(46);
        expect((await bench.post(ask)).status).toBe(503);
        expect(prompts()).toBe(2);
        down = false;
        pass(46);

        expect((await bench.post(ask)).status).toBe(200);
        expect(bench.gateway.book.all).toHaveLength(1);
    });
});
