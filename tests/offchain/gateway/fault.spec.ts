import { Reason } from '@cocoon-market/wrappers';
import { evidenceIn } from '../../../offchain/gateway';
import { causeOf, causes } from '../../../offchain/link';
import { useMarket } from '../../support/market';
import { ask, Bench, startBench, until } from './support';

const reasons = Object.values(Reason).filter((reason): reason is Reason => typeof reason === 'number');
const ofRequest = reasons.filter((reason) => causes[reason].origin === 'request');
const ofJob = [Reason.Unfunded, Reason.Leaving];
const others = reasons.filter((reason) => !ofRequest.includes(reason) && !ofJob.includes(reason));
const named = (list: Reason[]) => list.map((reason) => [Reason[reason], reason] as const);

describe('A node that does not answer', () => {
    const market = useMarket();
    let bench: Bench;

    afterEach(() => bench.close());

    /** Two workers; the first, which is cheaper, does not answer. */
    const start = async (workers = 2) => {
        bench = await startBench(market(), { workers });
        bench.workers[0].info = (info) => ({
            ...info,
            offers: info.offers.map((offer) => ({ ...offer, rates: { ...offer.rates, prompt: 1n } })),
        });
    };
    const asked = () => bench.workers.map((worker) => worker.asked.length);

    it.each(named(others))('for %s after its accept, is asked no more: another answers', async (_, reason) => {
        await start();
        bench.workers[0].scripts.push({ failAtOnce: reason });

        expect((await bench.post(ask)).status).toBe(200);
        expect(asked()).toEqual([1, 1]);
    });

    it.each(named(ofRequest))('for %s, ends the request: no other would answer it', async (_, reason) => {
        await start();
        bench.workers[0].scripts.push({ failAtOnce: reason });
        const { status, body } = await bench.post(ask);

        expect(status).toBe(400);
        expect(body.error.code).toBe(causes[reason].code);
        expect(asked()).toEqual([1, 0]);
    });

    it('and says that it never had what it accepted, has its accept shown as evidence', async () => {
        await start();
        bench.workers[0].scripts.push({ cut: 1, lost: true });
        await bench.post(ask);
        const { store, book } = bench.gateway;
        const [{ number }] = book.all;
        await until(async () => (await store.receipts(number))[0]?.phase === 'void', 30_000);

        const found = (await evidenceIn(store)).filter(({ job }) => job === number);
        expect(found).toMatchObject([{ class: 'A3', queries: [1], refused: undefined }]);
    });

    it('for a context that is too short, though another lists a longer one: that one answers, and is asked first', async () => {
        await start();
        bench.workers[1].info = (info) => ({
            ...info,
            offers: info.offers.map((offer) => ({ ...offer, context: 8192 })),
        });
        bench.workers[0].scripts.push(...Array(9).fill({ failAtOnce: Reason.ContextExceeded }));
        for (let time = 0; time < 3; time++) expect((await bench.post(ask)).status).toBe(200);

        expect(asked()).toEqual([1, 3]);
        expect(bench.gateway.book.all).toHaveLength(2);
    });

    it.each(named(ofJob))('for %s, is asked once more in another job', async (_, reason) => {
        await start();
        bench.workers[0].scripts.push({ failAtOnce: reason });

        expect((await bench.post(ask)).status).toBe(200);
        expect(asked()).toEqual([2, 0]);
    });

    it.each(named(ofJob))('for %s of each of its jobs, stops nobody: another answers', async (_, reason) => {
        await start();
        bench.workers[0].scripts.push(...Array(9).fill({ failAtOnce: reason }));
        expect((await bench.post(ask)).status).toBe(503);
        for (let time = 0; time < 3; time++) expect((await bench.post(ask)).status).toBe(200);

        expect(asked()).toEqual([3, 3]);
        expect(bench.workers[0].jobs.size).toBe(2);
    });

    it.each([Reason.StepTooSmall, Reason.TooLarge])(
        'for reason %s, though another takes it, gets no such prompt',
        async (reason) => {
            await start();
            bench.workers[0].scripts.push(...Array(9).fill({ decline: reason }));
            for (let time = 0; time < 9; time++) expect((await bench.post(ask)).status).toBe(200);

            expect(asked()).toEqual([1, 9]);
        },
    );

    it.each(named([...ofRequest, ...others]))('for %s, and there is no other: the app hears why', async (_, reason) => {
        await start(1);
        bench.worker.scripts.push({ failAtOnce: reason });
        const { status, body } = await bench.post(ask);

        expect(status).toBe(causes[reason].status);
        expect(body.error.code).toBe(causes[reason].code);
        expect(body.error.message).toContain(causes[reason].message);
    });

    it('for a reason of a later version, is at fault itself', async () => {
        await start();
        bench.workers[0].scripts.push({ failAtOnce: 99 as Reason });

        expect((await bench.post(ask)).status).toBe(200);
        expect(causeOf(99)).toMatchObject({ origin: 'node', status: 503 });
    });

    it('because its model server is busy: the app hears 429 and when to ask again', async () => {
        await start(1);
        bench.worker.scripts.push({ failAtOnce: Reason.BackendBusy, retryAfter: 17 });
        const { status, headers } = await bench.post(ask);

        expect(status).toBe(429);
        expect(headers['retry-after']).toBe('17');
    });

    it('and asks for more than an hour: the app hears an hour', async () => {
        await start(1);
        bench.worker.scripts.push({ failAtOnce: Reason.BackendBusy, retryAfter: 100_000 });

        expect((await bench.post(ask)).headers['retry-after']).toBe('3600');
    });

    it('because the request is longer than it takes: another may take it', async () => {
        await start();
        bench.workers[0].scripts.push({ refuse: 'too_large' });

        expect((await bench.post(ask)).status).toBe(200);
        bench.workers.forEach((worker) => worker.scripts.push({ refuse: 'too_large' }));
        const { status, body } = await bench.post(ask);
        expect(status).toBe(413);
        expect(body.error.code).toBe('too_large');
    });

    it('because the request is longer than any takes, is not at fault: no job is opened elsewhere', async () => {
        await start(3);
        bench.workers.forEach(({ scripts }) => scripts.push(...Array(9).fill({ refuse: 'too_large' })));
        for (let time = 0; time < 4; time++) expect((await bench.post(ask)).status).toBe(413);

        const nodes = (await bench.admin('nodes')) as { measured: { success: number } }[];
        expect(nodes.map(({ measured }) => measured.success)).toEqual([1, 1, 1]);
        expect(bench.gateway.book.all).toHaveLength(2);
    });

    it('because it calls every request too long, though another takes it, gets no such request', async () => {
        await start();
        bench.workers[0].scripts.push(...Array(9).fill({ refuse: 'too_large' }));
        for (let time = 0; time < 5; time++) expect((await bench.post(ask)).status).toBe(200);

        expect(bench.workers[0].scripts).toHaveLength(8);
    });
});
