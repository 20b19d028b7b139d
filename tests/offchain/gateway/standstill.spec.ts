import { Address } from '@ton/core';
import { Silence } from '../../../offchain/gateway/silence';
import type { GatewayJob } from '../../../offchain/gateway/job';
import { waits } from '../../../offchain/link';
import { useMarket } from '../../support/market';
import { ask, Bench, RATES, startBench, until } from './support';

describe('An answer that has begun', () => {
    const PACE_MS = waits.pace * 1000;
    let job: { silent: number; money: { paused: string | undefined } };
    let told: number;
    let silence: Silence;
    const frame = (characters: number) => silence.deliver({ text: 'x'.repeat(characters) }, async () => undefined);

    beforeEach(async () => {
        jest.useFakeTimers();
        job = { silent: 0, money: { paused: undefined } };
        told = 0;
        silence = new Silence(job as GatewayJob, () => told++);
        await frame(1);
    });
    afterEach(() => {
        silence.end();
        jest.useRealTimers();
    });

    it('and stands still for half a minute is held against its node once, until it goes on', async () => {
        jest.advanceTimersByTime(3 * PACE_MS - 1);
        expect([told, job.silent]).toEqual([0, 0]);
        jest.advanceTimersByTime(5 * PACE_MS);
        expect([told, job.silent]).toEqual([1, 1]);
        await frame(400);
        jest.advanceTimersByTime(PACE_MS);
        expect([told, job.silent]).toEqual([1, 0]);
    });

    it('and drips a letter a second is held against its node', async () => {
        for (let second = 0; second < 30; second++) {
            jest.advanceTimersByTime(1000);
            await frame(1);
        }

        expect(told).toBe(1);
    });

    it('and goes on slowly is not, nor one whose app leaves then', async () => {
        for (let second = 0; second < 100; second++) {
            await frame(5);
            jest.advanceTimersByTime(1000);
        }
        silence.noteGone();

        expect(told).toBe(0);
    });

    it('and stands still is, as soon as its app leaves, after ten seconds', () => {
        jest.advanceTimersByTime(PACE_MS);
        silence.noteGone();
        expect([told, job.silent]).toEqual([1, 1]);
        silence.end();
        expect(job.silent).toBe(0);
    });

    it('and whose app leaves at once is not', () => {
        jest.advanceTimersByTime(PACE_MS - 1);
        silence.noteGone();

        expect(told).toBe(0);
    });

    it('and waits for vouchers that are not signed now, or for an app that reads nothing, is not', async () => {
        job.money.paused = 'its node is closed';
        jest.advanceTimersByTime(9 * PACE_MS);
        job.money.paused = undefined;
        let read = () => undefined as void;
        const delivered = silence.deliver({ text: 'x' }, () => new Promise<void>((resolve) => (read = resolve)));
        jest.advanceTimersByTime(9 * PACE_MS);
        read();
        await delivered;

        expect(told).toBe(0);
    });
});

describe('An answer that has not begun', () => {
    const frame = { text: 'word' };
    let job: { silent: number };
    let told: number;
    let silence: Silence;

    beforeEach(() => {
        jest.useFakeTimers();
        job = { silent: 0 };
        told = 0;
        silence = new Silence(job as GatewayJob, () => told++);
    });
    afterEach(() => {
        silence.end();
        jest.useRealTimers();
    });

    it('two minutes after its query is held against its node, until it begins', async () => {
        jest.advanceTimersByTime(waits.think * 1000 - 1);
        expect([told, job.silent]).toEqual([0, 0]);
        jest.advanceTimersByTime(1);
        expect([told, job.silent]).toEqual([1, 1]);
        await silence.deliver(frame, async () => undefined);
        expect([told, job.silent]).toEqual([1, 0]);
    });

    it('a minute after its query is, if its app has gone', () => {
        silence.noteGone();
        jest.advanceTimersByTime(waits.begin * 1000 - 1);
        expect(told).toBe(0);
        jest.advanceTimersByTime(1);
        expect(told).toBe(1);
    });

    it('and then begins is not', async () => {
        await silence.deliver(frame, async () => undefined);
        silence.end();
        jest.advanceTimersByTime(waits.think * 1000);
        expect(told).toBe(0);
    });
});

describe('A cheap node that begins its answers and then stands still', () => {
    const market = useMarket();
    let bench: Bench;
    let go: () => void;

    afterEach(async () => {
        go();
        await bench.close();
    });

    it.each([
        { apps: 'wait', signal: () => undefined },
        { apps: 'leave', signal: () => AbortSignal.timeout(300) },
    ])('does not keep a gateway from an honest node, whose apps $apps', async ({ signal }) => {
        const times: { pace: number } = waits;
        const short = jest.replaceProperty(times, 'pace', 0.1);
        const held = new Promise<void>((resolve) => (go = resolve));
        bench = await startBench(market(), {
            workers: 2,
            before: ({ workers: [cheap, honest] }) => {
                cheap.info = (info) => {
                    const rates = { ...RATES, prompt: 1n, completion: 1n };
                    const node = new Address(0, Buffer.alloc(32, 1)).toRawString();
                    return { ...info, node, offers: [{ ...info.offers[0], rates }] };
                };
                cheap.scripts.push(...Array(99).fill({ wait: (at: number) => (at === 0 ? undefined : held) }));
                honest.scripts.push(...Array(99).fill({ frames: ['x'.repeat(200)] }));
            },
        });
        const honest = bench.workers[1];
        await until(async () => {
            const asked = bench.openai.chat.completions.create(ask, { signal: signal() });
            await Promise.race([asked.catch(() => undefined), new Promise((resolve) => setTimeout(resolve, 400))]);
            return honest.asked.length > 0;
        }, 20_000);
        short.restore();

        for (let time = 0; time < 5; time++) {
            expect((await bench.post(ask)).status).toBe(200);
        }
        expect(honest.asked.length).toBeGreaterThan(5);
    });
});
