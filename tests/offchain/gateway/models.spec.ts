import { Address } from '@ton/core';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import OpenAI from 'openai';
import { request } from 'undici';
import { adminHeaders } from '../../../offchain/gateway/adminToken';
import { Catalogue } from '../../../offchain/gateway/catalogue';
import { type NodeInfo, waits } from '../../../offchain/link';
import { objectionsTo } from '../../support/openaiApi';
import { useMarket } from '../../support/market';
import { ask, Bench, MODEL, RATES, startBench, until } from './support';

const SLASHED = 'Qwen/Qwen3-32B';
const texts = (rates: object) => Object.fromEntries(Object.entries(rates).map(([kind, rate]) => [kind, String(rate)]));

describe('the models of a gateway', () => {
    const market = useMarket();
    let bench: Bench;
    const get = async (path: string) => {
        const { statusCode, body } = await request(`${bench.gateway.url}/v1/models${path}`);
        // eslint-disable-next-line @typescript-eslint/no-explicit-any
        return { status: statusCode, body: (await body.json()) as any };
    };
    const offers = (more: object) => (info: NodeInfo) => ({
        ...info,
        offers: [MODEL, SLASHED].map((model) => ({ model, rates: RATES, features: [], ...more })),
    });

    beforeEach(async () => {
        const maxPrice = texts(RATES) as never;
        bench = await startBench(market(), {
            workers: 2,
            config: { models: { [MODEL]: { maxPrice }, [SLASHED]: { maxPrice } } },
            before: ({ workers: [first, second] }) => {
                first.info = offers({ features: ['tools', 'json'], context: 4096 });
                const cheaper = { ...RATES, prompt: RATES.prompt + 0n, completion: 1n };
                second.info = offers({ rates: cheaper, features: ['tools'], context: 8192 });
            },
        });
    });
    afterEach(() => bench.close());

    it('have prices, the longest context, all features and how many nodes', async () => {
        const { body } = await get('');
        expect(objectionsTo('ListModelsResponse', body)).toEqual([]);
        expect(body.data[0]).toMatchObject({
            id: MODEL,
            context_length: 8192,
            features: ['json', 'tools'],
            tiers: ['open'],
            nodes: 2,
        });
        const { best, min, max } = body.data[0].prices;
        expect([best.completion, min.completion, max.completion]).toEqual(['1', '1', String(RATES.completion)]);
    });

    it('do not count a node that the rules exclude', async () => {
        bench.workers[1].info = offers({ rates: { ...RATES, completion: RATES.completion + 1n } });
        await bench.restart();
        const { body } = await get(`/${MODEL}`);
        expect(body).toMatchObject({ nodes: 1, context_length: 4096, prices: { max: texts(RATES) } });
    });

    it('are found by a name with a slash, plain and encoded', async () => {
        for (const path of [`/${SLASHED}`, `/${encodeURIComponent(SLASHED)}`]) {
            const { status, body } = await get(path);
            expect([status, body.id]).toEqual([200, SLASHED]);
            expect(objectionsTo('Model', body)).toEqual([]);
        }
        expect((await bench.openai.models.retrieve(SLASHED)).id).toBe(SLASHED);
    });

    it('are those that a key may use', async () => {
        const { body } = await request(`${bench.gateway.url}/admin/keys`, {
            method: 'POST',
            headers: { ...adminHeaders(bench.gateway.url), 'content-type': 'application/json' },
            body: JSON.stringify({ name: 'web', models: [SLASHED] }),
        });
        const { secret: apiKey } = (await body.json()) as { secret: string };
        const openai = new OpenAI({ baseURL: `${bench.gateway.url}/v1`, apiKey, maxRetries: 0 });

        expect((await openai.models.list()).data.map(({ id }) => id)).toEqual([SLASHED]);
        expect((await openai.models.retrieve(SLASHED)).id).toBe(SLASHED);
        await expect(openai.models.retrieve(MODEL)).rejects.toMatchObject({ status: 403, code: 'model_not_allowed' });
        expect((await get('')).status).toBe(401);
    });

    it.each(['/other', '/__proto__', '/', '/toString'])('answer 404 as OpenAI does to %s', async (path) => {
        const { status, body } = await get(path);
        expect([status, body.error.code, body.error.param]).toEqual([404, 'model_not_found', 'model']);
        expect(objectionsTo('ErrorResponse', body)).toEqual([]);
    });
});

describe('a catalogue', () => {
    const url = 'http://127.0.0.1:1';
    const info = {
        node: new Address(0, Buffer.alloc(32)).toRawString(),
        attestation: { tier: 'open' },
        offers: [{ model: MODEL, rates: RATES, features: [] }],
    } as unknown as NodeInfo;
    let time: number;
    let looks: number;
    let check: () => Promise<{ info: NodeInfo } | string>;
    const catalogueOf = (waitMs = 20) =>
        new Catalogue(
            [MODEL],
            {
                workers: async () => [url],
                check: () => {
                    looks++;
                    return check() as never;
                },
                lastInfo: () => undefined,
            },
            () => time,
            waitMs,
        );

    beforeEach(() => {
        time = 1000;
        looks = 0;
        check = async () => ({ info });
    });

    it('says that nothing is known while the first look runs', async () => {
        check = () => new Promise(() => undefined);
        expect(await catalogueOf().find(MODEL)).toMatchObject({ nodes: 0, prices: null, checked_at: null });
    });

    it('shows a slow node as it was before, and asks it once', async () => {
        const catalogue = catalogueOf();
        await catalogue.list();
        time += 5;
        check = () => new Promise(() => undefined);
        expect(await catalogue.list()).toMatchObject([{ nodes: 1, checked_at: 1000 }]);
        expect(await catalogue.list()).toMatchObject([{ nodes: 1, checked_at: 1000 }]);
        expect(looks).toBe(2);
    });

    it('looks again after 5 seconds, not after 4', async () => {
        const catalogue = catalogueOf();
        await catalogue.list();
        time += 4;
        await catalogue.list();
        expect(looks).toBe(1);
        time += 1;
        await catalogue.list();
        expect(looks).toBe(2);
    });

    it('keeps what a node offered that is not used now, with the reason', async () => {
        const catalogue = catalogueOf();
        await catalogue.list();
        time += 5;
        check = async () => Promise.reject(new Error('is down'));
        const [{ workers }] = await catalogue.views();
        expect(workers).toMatchObject([{ state: 'is down', usable: false, offer: { rates: RATES } }]);
        expect(await catalogue.list()).toMatchObject([{ nodes: 0, prices: null }]);
    });
});

describe('a gateway of two models', () => {
    const market = useMarket();

    it('opens a job of one though a node of the other does not say what it is', async () => {
        const times: { accept: number; whole: number } = waits;
        const long = (['accept', 'whole'] as const).map((name) => jest.replaceProperty(times, name, 600));
        const silent = createServer(() => undefined);
        await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve));
        const maxPrice = texts(RATES) as never;
        const bench = await startBench(market(), {
            workers: 2,
            config: { models: { [MODEL]: { maxPrice }, [SLASHED]: { maxPrice } } },
            before: ({ workers }) =>
                workers.forEach((worker, i) => {
                    const node = new Address(0, Buffer.alloc(32, 9 + i)).toRawString();
                    const [model] = [MODEL, SLASHED].slice(i);
                    worker.info = (info) => ({ ...info, node, offers: [{ ...info.offers[0], model }] });
                }),
        });
        const url = `http://127.0.0.1:${(silent.address() as AddressInfo).port}`;
        await bench.restart({ workers: [...bench.workers.map((worker) => worker.url), url] });
        expect((await bench.post(ask)).status).toBe(200);
        bench.worker.scripts.push(...Array(2).fill({ refuse: 'shutting_down' }));
        const failing = [1, 2].map(() => bench.post(ask));
        const looksElsewhere = () => bench.log.some((line) => line.includes('a job is opened at another node'));
        await until(looksElsewhere, 30_000);

        expect((await bench.post({ ...ask, model: SLASHED })).status).toBe(200);

        silent.closeAllConnections();
        silent.close();
        expect((await Promise.all(failing)).map(({ status }) => status)).toEqual([503, 503]);
        await bench.close();
        long.forEach((each) => each.restore());
    }, 60_000);
});
