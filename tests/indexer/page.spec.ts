/** The market page against a market with real contracts: its numbers, its forms, and what strangers may write. */
import type { FastifyInstance } from 'fastify';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { makeMarketServer } from '../../offchain/marketPage/server';
import { addHugeTexts, type BusyMarket, HOSTILE, makeBusyMarket, MODELS } from './support/busyMarket';
import { TestIndex } from './support';
import { Recount } from './support/recount';

let folder: string;
let market: BusyMarket;
let index: TestIndex;
let server: FastifyInstance;
let now: number;

beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'cocoon-market-'));
    market = await makeBusyMarket({ days: 6 });
    now = market.world.net.now();
    const store = join(folder, 'index.db');
    index = await TestIndex.open(market.world, { store, now: () => now });
    await index.pass();
    server = makeMarketServer({ store, now: () => now, freshMs: 0 });
}, 120_000);

afterAll(async () => {
    await server.close();
    await index.close();
    await market.world.close();
    rmSync(folder, { recursive: true });
});

const get = (url: string) => server.inject({ method: 'GET', url });
const json = async <T = Record<string, unknown>>(url: string): Promise<T> => (await get(url)).json<T>();
const rows = async (name: string) => (await json<{ rows: Record<string, never>[] }>(`/${name}.json`)).rows;

describe('the numbers equal a recount from raw transactions', () => {
    let recount: Recount;

    beforeAll(() => {
        recount = new Recount(market.world.registry, market.world.net.transactions);
    });

    it('of each day', async () => {
        const counted = [...recount.days].sort().reverse();
        const text = (amounts: object) =>
            JSON.parse(
                JSON.stringify(amounts, (_, value: unknown) => (typeof value === 'bigint' ? `${value}` : value)),
            );
        expect(await rows('days')).toEqual(counted.map(([day, sums]) => ({ day, ...text(sums) })));
        expect(counted.length).toBeGreaterThan(4);
    });

    it('of the first page, in JSON and as the page shows them', async () => {
        const today = recount.days.get(new Date(now * 1000).toISOString().slice(0, 10))!;
        const days = [...recount.days.values()];
        const claimed = days.reduce((sum, day) => sum + day.claimed, 0n);
        const jobs = [...recount.jobs.values()];
        const gpus = [...recount.nodes.values()].reduce((sum, node) => sum + node.gpus, 0);
        const figures = await json('/market.json');
        expect(figures).toMatchObject({
            ...{ state: 'alive', paused: false, gpus, openNodes: recount.nodes.size, providers: recount.stakes.size },
            ...{ paidToday: `${today.claimed}`, settledToday: today.settled, openedToday: today.openings },
            ...{ paid: `${claimed}`, paid7Days: `${claimed}`, paidPerGpuDay: `${claimed / BigInt(7 * gpus)}` },
            ...{ jobs: jobs.length, openJobs: jobs.filter(({ ended }) => !ended).length },
            stake: `${[...recount.stakes.values()].reduce((sum, stake) => sum + stake, 0n)}`,
            slashed: `${days.reduce((sum, day) => sum + day.slashed, 0n)}`,
            cases: days.reduce((sum, day) => sum + day.faults, 0),
            demand: [...recount.demands.values()].reduce((sum, { queries }) => sum + queries, 0),
        });
        const { body } = await get('/');
        expect(body).toContain('The market is alive');
        expect(body).toContain(`<data value="${today.claimed}"`);
        expect(today.claimed).toBeGreaterThan(0n);
    });

    it('of prices, supply, tiers and regions', async () => {
        const models = await rows('models');
        const medians = recount.medians();
        expect(models.filter(({ promptMedian }) => promptMedian !== null).length).toBe(medians.size);
        for (const [model, [prompt, cached, completion, reasoning]] of medians) {
            expect(models.find((each) => each.model === model)).toMatchObject({
                ...{ promptMedian: `${prompt}`, cachedMedian: `${cached}` },
                ...{ completionMedian: `${completion}`, reasoningMedian: `${reasoning}` },
            });
        }
        const gpusBy = async (list: string, nameOf: (row: Record<string, unknown>) => string) =>
            Object.fromEntries((await rows(list)).map((row) => [nameOf(row), row.gpus]));
        expect(await gpusBy('supply', ({ gpu, vram }) => `${gpu as string} ${vram as number}`)).toEqual(
            recount.gpusBy(({ gpu, vram }) => `${gpu} ${vram}`),
        );
        expect(await gpusBy('regions', ({ region }) => region as string)).toEqual(
            recount.gpusBy(({ region }) => region),
        );
        expect(await gpusBy('tiers', ({ tier }) => tier as string)).toEqual(
            recount.gpusBy(({ tier, attestedUntil }) => (tier !== 0 && attestedUntil > now ? 'tdx' : 'open')),
        );
    });

    it('of each provider and each job with its whole history', async () => {
        for (const [provider, stake] of recount.stakes) {
            const view = await json<{ account: { stake: string }; claimed: string }>(`/providers/${provider}.json`);
            expect(view.account.stake).toBe(`${stake}`);
        }
        expect(recount.jobs.size).toBe(market.world.jobs.length);
        for (const [channel, job] of recount.jobs) {
            const view = await json<{ events: unknown[]; claimed: string }>(`/jobs/${channel}.json`);
            expect(view.claimed).toBe(`${job.paid}`);
            expect(view.events).toEqual(
                job.events.map(({ at, what, amount }) => ({
                    at,
                    event: what,
                    amount: amount === null ? null : `${amount}`,
                })),
            );
        }
    });
});

it('every page has a form in HTML, JSON and CSV, and links only to pages that exist', async () => {
    const seen = new Set<string>();
    const waiting = ['/'];
    for (let path = waiting.pop(); path !== undefined; path = waiting.pop()) {
        const { statusCode, body } = await get(path);
        expect({ path, statusCode }).toEqual({ path, statusCode: 200 });
        for (const [, link] of body.matchAll(/href="(\/[^"#]*)[^"]*"/g)) {
            if (!seen.has(link)) {
                seen.add(link);
                waiting.push(link);
            }
        }
    }
    const kinds = new Set([...seen].map((path) => path.split('/')[1]));
    for (const name of [
        'market.json',
        'market.csv',
        'providers',
        'nodes',
        'models',
        'jobs',
        'definitions',
        'slashes',
    ]) {
        expect(kinds).toContain(name);
    }
    expect(seen).toContain(`/models/${MODELS[0]}.csv`);
});

it('pages have strict headers, no cookie and no script, and only GET and HEAD are served', async () => {
    for (const path of ['/', '/models', '/market.json', '/nowhere', '/page.css']) {
        const { headers, body } = await get(path);
        expect(headers['content-security-policy']).toMatch(
            /^default-src 'none'; style-src 'self'; img-src 'self'; form-/,
        );
        expect(headers).toMatchObject({ 'x-content-type-options': 'nosniff', 'referrer-policy': 'no-referrer' });
        expect(headers['set-cookie']).toBeUndefined();
        expect(body).not.toMatch(/<script|<style| style=| on\w+=/);
    }
    expect((await server.inject({ method: 'HEAD', url: '/' })).statusCode).toBe(200);
    for (const method of ['POST', 'PUT', 'DELETE', 'OPTIONS'] as const) {
        expect((await server.inject({ method, url: '/' })).statusCode).toBe(405);
    }
});

it.each([
    ['/nowhere', 404],
    ['/providers/nobody', 404],
    [`/providers/0:${'0'.repeat(64)}`, 404],
    [`/jobs/0:${'0'.repeat(64)}`, 404],
    ['/models/none', 404],
    ['/nodes/a/b/c', 404],
    ['/__proto__', 404],
    ['/models?page=0', 404],
    ['/models?page=2', 404],
    ['/models?page=x', 404],
    ['/%ff', 400],
    [`/${'x'.repeat(600)}`, 400],
    [`/jobs?address=0:${'0'.repeat(64)}`, 303],
    [`/jobs?address=${encodeURIComponent('<script>')}`, 404],
])('%s is answered with %s', async (path, status) => {
    const { statusCode, body } = await get(path);
    expect(statusCode).toBe(status);
    expect(body).not.toContain('<script>');
});

it('what a hostile node announces is text in every form', async () => {
    const provider = market.providers[2].provider.address.toRawString();
    const page = (await get(`/nodes/${provider}/1`)).body;
    expect(page).toContain('<bdi>&lt;script&gt;hole = true&lt;/script&gt;</bdi>');
    expect(page).toContain('https://evil.example/[U+202E]txt.exe[U+0007]&quot;onload=');
    const csv = (await get('/nodes.csv')).body;
    expect(csv).toContain(`"'${HOSTILE.region}"`);
    expect(csv).toMatch(/^[\x20-\x7e\r\n]*$/);
    const text = (await get('/nodes.json')).body;
    expect(text).toMatch(/^[\x20-\x7e]*\n$/);
    expect(JSON.parse(text).rows.map(({ endpoint }: { endpoint: string }) => endpoint)).toContain(HOSTILE.endpoint);
});

it('a text of 10 kB that another chain might hold is shortened', async () => {
    const remove = await addHugeTexts(index.store, market.world, market.providers[0], now);
    const provider = market.providers[0].provider.address.toRawString();
    for (const path of ['/', '/nodes', `/nodes/${provider}/9`, '/regions', '/supply', '/nodes.csv']) {
        const answer = await get(path);
        expect(answer.statusCode).toBe(200);
        expect(answer.body).not.toMatch(/\u202e|r{501}|e{501}/);
        expect(answer.body.includes('<b>')).toBe(path.endsWith('.csv'));
    }
    await remove();
});

describe('a page says plainly', () => {
    const at = async (seconds: number, store = join(folder, 'index.db')) => {
        const other = makeMarketServer({ store, now: () => now + seconds, freshMs: 0 });
        const answer = await other.inject({ method: 'GET', url: '/' });
        await other.close();
        return answer;
    };

    it.each([
        [300, 'The market is alive'],
        [301, 'The index is not up to date'],
    ])('%s seconds after the last reading: %s', async (seconds, words) => {
        expect((await at(seconds)).body).toContain(`>${words}<`);
    });

    it('that there is no index, and how to make one', async () => {
        const { statusCode, body } = await at(0, join(folder, 'none.db'));
        expect(statusCode).toBe(503);
        expect(body).toContain('Run <code>cocoon index');
        expect(body).not.toContain(folder);
    });

    it('that a database does not answer, and not with which password it is asked', async () => {
        const { statusCode, body } = await at(0, 'postgres://cocoon:secret-word@127.0.0.1:1');
        expect(statusCode).toBe(503);
        expect(body).toContain('The index cannot be read');
        expect(body).not.toContain('secret-word');
    });

    it('that the market is being read for the first time, and shows no number', async () => {
        const block = (await index.store.mark('block'))!;
        await index.store.removeMark('block');
        const { statusCode, body } = await at(0);
        await index.store.setMark('block', block);
        expect(statusCode).toBe(503);
        expect(body).toContain('being read for the first time');
        expect(body).not.toContain('<data');
    });

    it('that the registry is paused, and no longer once it is not', async () => {
        const registry = market.world.market.registry;
        const pause = (paused: boolean) =>
            registry.sendSetPaused(market.world.market.governor.getSender(), { value: 10n ** 9n, paused });
        const calm = makeMarketServer({ store: join(folder, 'index.db'), now: () => now, freshMs: 60_000 });
        await calm.inject('/');
        await pause(true);
        await index.pass();
        expect((await calm.inject('/')).body).toContain('The market is alive'); // its view is still fresh
        await calm.close();
        expect((await at(0)).body).toContain('The market is paused');
        await pause(false);
        await index.pass();
        expect((await at(0)).body).toContain('The market is alive');
    });
});
