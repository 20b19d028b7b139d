// Longer than 350 lines because every way in which nodes refuse jobs and queries is here.
import { Reason } from '@cocoon-market/wrappers';
import { Address } from '@ton/core';
import { waits } from '../../../offchain/link';
import { DAY, HOUR, useMarket } from '../../support/market';
import { ask, Bench, BenchOptions, MODEL, RATES, startBench, until } from './support';
import type { FakeWorker, Script } from './support/worker';

describe('A node that refuses without a signature', () => {
    const market = useMarket();
    let bench: Bench;

    const start = async (options: BenchOptions = {}) => (bench = await startBench(market(), options));
    const jobs = () => bench.gateway.book.all;
    const seqno = () => market().seqno();
    const pass = async (seconds: number) => {
        market().blockchain.now = market().now + seconds;
        await bench.gateway.sweep();
    };
    const status = () => bench.admin('status');

    afterEach(() => bench.close());

    it.each(['leaving', 'wrong_terms', 'wrong_channel'] as const)(
        'as "%s" is left and kept away from: ten requests open one job',
        async (refuse) => {
            await start();
            bench.worker.scripts.push(...Array.from({ length: 30 }, () => ({ refuse })));
            for (let time = 0; time < 10; time++) {
                expect((await bench.post(ask)).status).toBe(503);
            }

            expect(bench.worker.jobs.size).toBe(1);
            await until(() => jobs()[0].phase === 'leaving');
            await until(async () => (await seqno()) === 2);
        },
    );

    it('as "unknown_session" with a result too many is left and kept away from: ten requests open one job', async () => {
        await start();
        bench.worker.scripts.push(...Array.from({ length: 30 }, () => ({ refuse: 'unknown_session' as const })));
        bench.worker.falseIndex = 7;
        for (let time = 0; time < 10; time++) {
            expect((await bench.post(ask)).status).toBe(503);
        }

        expect(bench.worker.jobs.size).toBe(1);
        await until(() => jobs()[0].phase === 'leaving');
    });

    it('gets one new job after a while, and none more that day', async () => {
        await start();
        bench.worker.scripts.push(...Array.from({ length: 30 }, () => ({ refuse: 'leaving' as const })));
        for (let time = 0; time < 8; time++) {
            await bench.post(ask);
            await pass(HOUR);
        }
        expect(bench.worker.jobs.size).toBe(2);
        bench.worker.scripts.length = 0;
        await pass(DAY - 8 * HOUR - 1);
        expect((await bench.post(ask)).status).toBe(503);
        await pass(2 * HOUR);

        expect((await bench.post(ask)).status).toBe(200);
    });

    it('and has a job of every model spoils them all at once, and the other node is used all the same', async () => {
        const models = [MODEL, 'model-b', 'model-c', 'model-d'];
        const offers = models.map((model) => ({ model, rates: RATES, features: [] }));
        const maxPrice = Object.fromEntries(Object.entries(RATES).map(([kind, rate]) => [kind, rate.toString()]));
        const all = Object.fromEntries(models.map((model) => [model, { maxPrice } as never]));
        await start({
            workers: 2,
            config: { models: all, job: { step: '100000', maxSpoiled: 3 } },
            before: ({ workers }) =>
                workers.forEach((worker, i) => {
                    const node = new Address(0, Buffer.alloc(32, i)).toRawString();
                    worker.info = (info) => ({ ...info, node, offers });
                }),
        });
        const [bad, good] = bench.workers;
        const serves = good.info;
        good.info = (info) => ({ ...serves(info), offers: [] });
        for (const model of models) {
            expect((await bench.post({ ...ask, model })).status).toBe(200);
        }
        good.info = serves;
        await pass(HOUR);
        bad.scripts.push(...models.map(() => ({ refuse: 'leaving' as const })));
        await Promise.all(models.map((model) => bench.post({ ...ask, model })));

        expect(bad.jobs.size).toBe(models.length);
        await until(async () => (await status()).spoiled.causes.length === models.length);
        expect((await status()).spoiled).toMatchObject({ today: 4, count: 2 });
        expect((await bench.post(ask)).status).toBe(200);
        expect(good.jobs.size).toBeGreaterThan(0);
    });

    it('gets no third job that day by giving another cause each time', async () => {
        await start();
        for (const refuse of ['leaving', 'wrong_terms', 'wrong_channel'] as const) {
            bench.worker.scripts.splice(0, Infinity, ...Array.from({ length: 9 }, () => ({ refuse })));
            await bench.post(ask);
            await pass(HOUR);
        }

        expect(bench.worker.jobs.size).toBe(2);
        expect((await status()).spoiled.today).toBe(2);
    });

    it('is remembered by a gateway that starts again', async () => {
        await start();
        bench.worker.scripts.push(...Array.from({ length: 30 }, () => ({ refuse: 'leaving' as const })));
        await bench.post(ask);
        await pass(HOUR);
        await bench.post(ask);
        await pass(HOUR);
        await bench.restart();
        await bench.gateway.recovery.recovered;
        await bench.post(ask);

        expect(bench.worker.jobs.size).toBe(2);
    });

    it('as "unknown_session" to many queries at once, for it began again, keeps its job: that is one refusal', async () => {
        await start({ config: { job: { step: '40000', maxParallel: 8 } } });
        await bench.post(ask);
        bench.worker.only.sessions.clear();
        const answers = await Promise.all(Array.from({ length: 8 }, () => bench.post(ask)));

        expect(answers.map(({ status: code }) => code)).toEqual(Array(8).fill(200));
        expect(jobs().map(({ phase }) => phase)).toEqual(['open']);
    });

    it('is not held against a node whose job is almost over: it is settled, and the next one opened', async () => {
        await start({ config: { job: { step: '40000', notice: HOUR, lifetime: 2 * HOUR, lastHours: 0 } } });
        await bench.post(ask);
        market().blockchain.now = market().now + HOUR + 600;
        bench.worker.scripts.push({ refuse: 'leaving' });

        expect((await bench.post(ask)).status).toBe(200);
        expect(jobs()).toHaveLength(2);
        await until(() => jobs()[0].phase === 'settling');
        expect((await status()).spoiled.today).toBe(0);
    });

    it.each([
        { refuse: 'paused', success: 1 },
        { refuse: 'shutting_down', success: 0.7 },
    ] as const)('as "$refuse" keeps its job, another node answers, and its success is $success', async (row) => {
        await start({ workers: 2 });
        expect((await bench.post(ask)).status).toBe(200);
        const { worker } = jobs()[0].stored;
        bench.workers.find(({ url }) => url === worker)!.scripts.push({ refuse: row.refuse });

        expect((await bench.post(ask)).status).toBe(200);
        expect(jobs().map(({ phase }) => phase)).toEqual(['open', 'open']);
        const nodes = (await bench.admin('nodes')) as { worker: string; measured: { success: number } }[];
        expect(nodes.find((node) => node.worker === worker)!.measured.success).toBeCloseTo(row.success);
    });

    describe('as "no_storage"', () => {
        const wanting = { ...ask, logprobs: true };
        const withLogprobs = (options: BenchOptions) =>
            start({
                ...options,
                before: ({ workers }) =>
                    workers.forEach((worker) => {
                        worker.info = (info) => ({ ...info, offers: [{ ...info.offers[0], features: ['logprobs'] }] });
                    }),
            });
        const used = () => bench.workers.find(({ url }) => url === jobs()[0].stored.worker)!;

        it('is asked for text all the same, and another node gives the log probabilities', async () => {
            await withLogprobs({ workers: 2 });
            expect((await bench.post(wanting)).status).toBe(200);
            used().scripts.push({ refuse: 'no_storage' });
            expect((await bench.post(wanting)).status).toBe(200);

            expect(jobs().map(({ phase }) => phase)).toEqual(['open', 'open']);
            const { worker } = jobs()[0].stored;
            const nodes = (await bench.admin('nodes')) as { worker: string; measured: { success: number } }[];
            expect(nodes.find((node) => node.worker === worker)!.measured.success).toBe(1);
            const [{ nodes: states }] = (await status()).models;
            expect(states.map(({ state }: { state: string }) => state)).toEqual(['ok', 'ok']); // neither comes last
        });

        it('and is the only one gives an error that says what to do, and keeps its job', async () => {
            await withLogprobs({});
            expect((await bench.post(wanting)).status).toBe(200);
            used().scripts.push(...Array.from({ length: 10 }, () => ({ refuse: 'no_storage' as const })));
            for (let time = 0; time < 10; time++) {
                expect(await bench.post(wanting)).toMatchObject({
                    status: 503,
                    body: {
                        error: {
                            code: 'no_storage',
                            message: expect.stringContaining('ask later, or without "logprobs"') as string,
                        },
                    },
                });
            }

            expect((await bench.post(ask)).status).toBe(200);
            expect((await bench.post(wanting)).status).toBe(200);
            expect(jobs().map(({ phase }) => phase)).toEqual(['open']);
        });
    });

    it('spoils half of a day with the others of its provider: the node of another provider gets jobs all the same', async () => {
        await start({ workers: 5 });
        bench.workers.forEach((worker, i) => {
            const [node, provider] = [i + 1, i < 4 ? 7 : 8].map((byte) => new Address(0, Buffer.alloc(32, byte)));
            const rates = i < 4 ? { ...RATES, prompt: 1n, completion: 1n } : RATES;
            const own = { node: node.toRawString(), provider: provider.toRawString() };
            worker.info = (info) => ({ ...info, ...own, offers: [{ ...info.offers[0], rates }] });
        });
        bench.workers.slice(0, 4).forEach(({ scripts }) => scripts.push(...Array(99).fill({ refuse: 'wrong_terms' })));
        const [honest] = bench.workers.slice(-1);
        const askAll = async () => {
            for (let time = 0; time < 3; time++) await bench.post(ask);
        };
        await askAll();
        await pass(HOUR);
        await bench.gateway.closing.settle(jobs().find(({ phase }) => phase === 'open')!);
        await askAll();

        const ofHonest = jobs().filter(({ stored }) => stored.worker === honest.url);
        expect([jobs().length, ofHonest.length]).toEqual([6, 2]);
        expect((await status()).spoiled).toMatchObject({ today: 4, count: 4, max: 8 });
        await bench.restart();
        expect((await bench.post(ask)).status).toBe(200);
        expect(bench.gateway.book['context'].setbacks.count).toBe(4);
    });

    it('opens no more jobs a day than may be spoiled, whatever the causes and nodes, and says so', async () => {
        await start({ workers: 3, config: { job: { step: '40000', maxSpoiled: 2 } } });
        const codes = ['leaving', 'wrong_terms', 'wrong_channel'] as const;
        bench.workers.forEach(({ scripts }, i) => scripts.push(...Array(9).fill({ refuse: codes[i] })));
        const answers = [];
        for (let time = 0; time < 4; time++) {
            answers.push(await bench.post(ask));
        }

        expect(jobs()).toHaveLength(2);
        expect(answers.at(-1)!.status).toBe(503);
        expect(answers.at(-1)!.body.error.message).toMatch(/^2 jobs .*job\.maxSpoiled/);
        const { spoiled } = await status();
        expect(spoiled).toMatchObject({ today: 2, count: 2, max: 2 });
        expect(spoiled.causes.map(({ job }: { job: number }) => job)).toEqual(jobs().map(({ number }) => number));
    });
});

describe('Cheap nodes that refuse whatever they are asked, and blame the requests,', () => {
    const market = useMarket();
    let bench: Bench;

    afterEach(() => bench.close());

    it.each([
        { as: 'no_storage', cheap: 2, script: { refuse: 'no_storage' } },
        { as: 'too_large', cheap: 2, script: { refuse: 'too_large' } },
        { as: 'paused', cheap: 2, script: { refuse: 'paused' } },
        { as: 'taking_over', cheap: 2, script: { refuse: 'taking_over' } },
        { as: 'BackendRefused', cheap: 2, script: { decline: Reason.BackendRefused } },
        { as: 'Unsupported', cheap: 2, script: { decline: Reason.Unsupported } },
        { as: 'TooLarge', cheap: 2, script: { decline: Reason.TooLarge } },
        { as: 'StepTooSmall', cheap: 2, script: { decline: Reason.StepTooSmall } },
        { as: 'ContextExceeded', cheap: 1, script: { decline: Reason.ContextExceeded } },
    ] as const)('as "$as" keep a gateway from an honest node for a few requests only', async ({ cheap, script }) => {
        bench = await startBench(market(), {
            workers: cheap + 1,
            before: ({ workers }) =>
                workers.forEach((worker, i) => {
                    const node = new Address(0, Buffer.alloc(32, i)).toRawString();
                    const rates = i < cheap ? { ...RATES, prompt: 1n, completion: 1n } : RATES;
                    worker.info = (info) => ({ ...info, node, offers: [{ ...info.offers[0], rates }] });
                }),
        });
        bench.workers.slice(0, cheap).forEach(({ scripts }) => scripts.push(...Array(99).fill(script)));
        expect((await bench.post(ask)).status).not.toBe(200);
        await until(async () => (await bench.post(ask)).status === 200);

        const honest = bench.workers[cheap];
        const before = honest.asked.length;
        for (let time = 0; time < 5; time++) {
            expect((await bench.post(ask)).status).toBe(200);
        }
        expect(honest.asked.length).toBe(before + 5);
    });
});

describe('Cheap nodes that answer nobody', () => {
    const market = useMarket();
    let bench: Bench;
    let later = 0; // milliseconds

    const start = async (cheap: number, script: Script) => {
        bench = await startBench(market(), {
            workers: cheap + 1,
            config: { job: { deposit: '1000000000', step: '10000000' } },
            before: ({ workers }) =>
                workers.forEach((worker, i) => {
                    const node = new Address(0, Buffer.alloc(32, 9 + i)).toRawString();
                    const rates = i < cheap ? { ...RATES, prompt: 10_000n, completion: 10_000n } : RATES;
                    worker.info = (info) => ({ ...info, node, offers: [{ ...info.offers[0], rates }] });
                    worker.scripts.push(...(i < cheap ? Array<Script>(200).fill(script) : []));
                }),
        });
    };
    /** Requests that come so many seconds one after the other, until one is answered. */
    const untilAnswered = async (seconds: number, max: number, body: object = ask) => {
        for (let time = 0; time < max; time++) {
            if ((await bench.post(body)).status === 200) {
                return;
            }
            later += seconds * 1000;
            market().blockchain.now = market().now + seconds;
            await until(() =>
                bench.gateway.book.all.every(({ isFirstShown, phase }) => !isFirstShown && phase === 'open'),
            );
        }
        throw new Error(`None of ${max} requests was answered`);
    };

    beforeEach(() => {
        later = 0;
        const [date, steady] = [Date.now, performance.now.bind(performance)];
        jest.spyOn(Date, 'now').mockImplementation(() => date() + later);
        jest.spyOn(performance, 'now').mockImplementation(() => steady() + later);
    });

    afterEach(() => {
        jest.restoreAllMocks();
        return bench.close();
    });

    it.each([
        { as: 'decline', script: { decline: Reason.TooLarge } },
        { as: 'fail', script: { failAtOnce: Reason.BackendDown } },
        { as: 'hang up', script: { cut: 'before accept', lost: true } },
    ] as const)('and $as keep no app from an honest node that asks once in twelve minutes', async ({ script }) => {
        await start(2, script);

        await untilAnswered(720, 12);
        for (let time = 0; time < 8; time++) {
            await untilAnswered(720, 1);
            later += 720_000;
            market().blockchain.now = market().now + 720;
        }
    });

    it('and say nothing until the app leaves get ever fewer of the requests that come once in twelve minutes', async () => {
        const times: { begin: number } = waits;
        jest.replaceProperty(times, 'begin', 0);
        let fail: (() => void) | undefined; // of the query that a node says nothing to
        const held = () => new Promise<void>((resolve) => (fail = resolve));
        await start(2, { failAtOnce: Reason.BackendDown, wait: held });
        const jobs = () => bench.gateway.book.all;
        let answered = 0;
        for (let time = 0; time < 30; time++) {
            const app = new AbortController();
            const asked = bench.openai.chat.completions.create(ask, { signal: app.signal, maxRetries: 0 });
            let isOver = false;
            const over = asked.then(
                () => answered++,
                () => undefined,
            );
            void over.then(() => (isOver = true));
            await until(() => isOver || fail !== undefined);
            app.abort();
            await over;
            await until(() => fail === undefined || jobs().some(({ silent }) => silent > 0));
            fail?.();
            fail = undefined;
            await until(() => jobs().every((job) => job.running === 0 && !job.isFirstShown && job.phase === 'open'));
            later += 720_000;
            market().blockchain.now = market().now + 720;
        }
        expect(answered).toBeGreaterThan(15);
    });

    it('are not those whose answers an app never reads to their end', async () => {
        await start(1, {});
        const [cheap] = bench.workers;
        const cheapest = { ...ask, provider: { sort: 'price' } } as const;
        const wait = (seconds: number) => {
            later += seconds * 1000;
            market().blockchain.now = market().now + seconds;
        };
        const fail = async () => {
            cheap.scripts.unshift({ failAtOnce: Reason.BackendDown });
            expect((await bench.post(cheapest)).status).toBe(200);
            wait(60);
        };
        await fail();
        let end = () => {};
        const held = new Promise<void>((resolve) => (end = resolve));
        cheap.scripts.unshift({ wait: (frame) => (frame === 0 ? Promise.resolve() : held) });
        for await (const { choices } of await bench.openai.chat.completions.create({ ...cheapest, stream: true })) {
            if (choices[0].delta.content) break;
        }
        await until(() => bench.gateway.book.all.every(({ running }) => running === 0));
        end();
        wait(2 * HOUR);
        await fail();
        const before = cheap.asked.length;

        expect((await bench.post(cheapest)).status).toBe(200);
        expect(cheap.asked).toHaveLength(before + 1);
    });

    it.each([
        ['list a context that is too short', { context: 1, tokenizer: 'qwen' }, ask],
        [
            'do not list what is needed',
            { features: [] },
            { ...ask, tools: [{ type: 'function', function: { name: 'f' } }] },
        ],
    ])('keep no app from an honest node, with others that %s', async (_, offer, body) => {
        await start(3, { decline: Reason.TooLarge });
        const [short, ...others] = bench.workers;
        const list = (worker: FakeWorker, listed: object) => {
            const { info } = worker;
            worker.info = (own) => ({ ...info(own), offers: [{ ...info(own).offers[0], ...listed }] });
        };
        list(short, { ...offer, rates: { ...RATES, prompt: 1000n, completion: 1000n } });
        others.forEach((worker) => list(worker, { features: ['tools'], tokenizer: 'qwen' }));

        await untilAnswered(1, 20, body);
        expect(bench.gateway.book.all.map(({ stored }) => stored.worker)).not.toContain(short.url);
    });

    it('keep no app from an honest node, with another that takes no job', async () => {
        await start(3, { decline: Reason.TooLarge });
        const [other] = bench.workers;
        const { info } = other;
        const rates = { ...RATES, prompt: 9000n, completion: 9000n };
        other.info = (own) => ({ ...info(own), offers: [{ ...info(own).offers[0], rates }] });
        [other.refuseJob, other.refuseJobStatus] = ['internal', 500];

        await untilAnswered(40, 20);
        expect(other.refusedJobs).toBeGreaterThan(0);
    });

    it('keep a gateway from an honest node for some requests only, also if there are five of them', async () => {
        await start(5, { decline: Reason.TooLarge });

        await untilAnswered(1, 60);
    });
});

describe('Cheap nodes that take only steps too small for any prompt', () => {
    const market = useMarket();
    let bench: Bench;

    afterEach(() => bench.close());

    it.each(['bytes', 'qwen'])('get no job and no request, and keep none from another node (%s)', async (tokenizer) => {
        const cheap = 3;
        bench = await startBench(market(), {
            workers: cheap + 1,
            config: { job: { deposit: '1000000000', step: '100000000', maxOpen: 1 } },
            before: ({ workers }) =>
                workers.forEach((worker, i) => {
                    const node = new Address(0, Buffer.alloc(32, 9 + i)).toRawString();
                    const rates = i < cheap ? { ...RATES, prompt: 10_000n, completion: 10_000n } : RATES;
                    worker.info = (info) => ({
                        ...info,
                        node,
                        offers: [{ ...info.offers[0], rates, tokenizer }],
                        limits: { ...info.limits, ...(i < cheap && { maxStep: 1n }) },
                    });
                }),
        });

        expect((await bench.post(ask)).status).toBe(200);
        expect(bench.gateway.book.all.map(({ stored }) => stored.worker)).toEqual([bench.workers[cheap].url]);

        const [only] = bench.workers;
        const { status, body } = await bench.post({ ...ask, provider: { only: [only.url] } });
        expect([status, body.error.code]).toEqual([400, 'no_allowed_provider']);
        expect(body.error.message).toContain('takes steps of 1 nanoTON, too small for the prompt');
        expect(bench.gateway.book.all).toHaveLength(1);
    });
});

describe('Nodes that fail whenever they are shown their jobs', () => {
    const market = useMarket();
    let bench: Bench;

    const spoiled = async () => (await bench.admin('status')).spoiled;
    const jobs = () => bench.gateway.book.all;

    beforeEach(async () => {
        bench = await startBench(market(), {
            workers: 4,
            config: { job: { deposit: '1000000000', step: '40000', maxSpoiled: 2 } },
            before: ({ workers }) =>
                workers.forEach((worker, i) => {
                    const node = new Address(0, Buffer.alloc(32, 9 + i)).toRawString();
                    worker.info = (info) => ({ ...info, node });
                    worker.refuseJob = 'internal';
                    worker.refuseJobStatus = 500;
                }),
        });
    });

    afterEach(() => bench.close());

    it('get no more jobs than may be spoiled, and each is left after an hour', async () => {
        for (let time = 0; time < 4; time++) {
            expect((await bench.post(ask)).status).toBe(503);
        }
        expect((await bench.post(ask)).body.error.code).toBe('spoiled_jobs');
        expect(jobs()).toHaveLength(2);
        expect((await spoiled()).count).toBe(2);

        market().blockchain.now = market().now + HOUR;
        await bench.gateway.sweep();
        expect(jobs().map(({ phase }) => phase)).toEqual(['leaving', 'leaving']);
        expect((await spoiled()).causes.map(({ cause }: { cause: string }) => cause)).toEqual(
            Array(2).fill('it did not take the job for an hour'),
        );
    });

    it('spoil no job that they take later', async () => {
        for (let time = 0; time < 3; time++) {
            await bench.post(ask);
        }
        expect((await spoiled()).count).toBe(2);
        bench.workers.forEach((worker) => (worker.refuseJob = undefined));

        await until(async () => (await spoiled()).count === 0);
        market().blockchain.now = market().now + HOUR;
        await bench.gateway.sweep();
        expect(jobs().map(({ phase }) => phase)).toEqual(['open', 'open']);
        expect((await bench.post(ask)).status).toBe(200);
    });
});
