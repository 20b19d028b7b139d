import { request } from 'undici';
import { Activity } from '../../../offchain/gateway/activity';
import { adminHeaders } from '../../../offchain/gateway/adminToken';
import { useMarket } from '../../support/market';
import { Answer, ask, Bench, MODEL, SEED, startBench, until } from './support';

describe('the page of a gateway', () => {
    const market = useMarket();
    let bench: Bench;
    const get = async (path: string, headers: Record<string, string> = {}) => {
        const { statusCode, headers: answered, body } = await request(`${bench.gateway.url}${path}`, { headers });
        return { status: statusCode, headers: answered, text: await body.text() };
    };
    const data = async (headers: Record<string, string> = {}): Promise<Answer> => {
        const { status, text } = await get('/page/data', headers);
        return status === 200 ? JSON.parse(text) : status;
    };
    const createKey = async (name: string): Promise<string> => {
        const { body } = await request(`${bench.gateway.url}/admin/keys`, {
            method: 'POST',
            headers: { ...adminHeaders(bench.gateway.url), 'content-type': 'application/json' },
            body: JSON.stringify({ name, daily: '1000000000' }),
        });
        return ((await body.json()) as { secret: string }).secret;
    };
    const bearer = (secret: string) => ({ authorization: `Bearer ${secret}` });

    beforeEach(async () => {
        bench = await startBench(market());
    });
    afterEach(() => bench.close());

    it.each(['/', '/page/page.js', '/page/parts.js', '/page/plots.js', '/page/page.css'])(
        'serves %s with rules that let nothing in from elsewhere, and no inline script',
        async (path) => {
            const { status, headers, text } = await get(path);
            expect(status).toBe(200);
            expect(headers['content-security-policy']).toMatch(
                /^default-src 'none'; script-src 'self'; style-src 'self'/,
            );
            expect(text).not.toMatch(
                /<script(?![^>]*src=)|\son[a-z]+=|innerHTML|https?:\/\/(?!www\.w3\.org\/2000\/svg)/,
            );
        },
    );

    it('shows what a query cost, who answered it and how fast, and neither its prompt nor its answer', async () => {
        await bench.post(ask);
        await until(async () => (await data()).requests.all === 1);
        const { text } = await get('/page/data');
        const view = JSON.parse(text);

        expect(view.requests).toMatchObject({ all: 1, answered: 1, refused: 0, failed: 0, running: 0 });
        expect(view.usage.byModel).toEqual([{ name: MODEL, cost: '3020', queries: 1, tokens: 14 }]);
        expect(view.jobs).toMatchObject([{ job: 0, phase: 'open', deposit: '1000000000' }]);
        expect(view.models[0].nodes).toMatchObject([{ usable: true, state: 'ok', tier: 'open' }]);
        expect(view.models[0].nodes[0].firstTokenMs).toBeGreaterThan(0);
        expect(view.money.escrow).toMatchObject({
            balance: expect.stringMatching(/^\d+$/),
            daySpent: expect.anything(),
        });
        for (const secret of ['Say hello', 'Hello world', SEED.toString('hex')]) {
            expect(text).not.toContain(secret);
        }
    });

    it('shows the last errors by their codes, and no name that is no model of the configuration', async () => {
        await bench.post({ ...ask, model: 'a secret' });
        await until(async () => (await data()).errors.length === 1);
        const { text } = await get('/page/data');
        expect(JSON.parse(text).errors).toMatchObject([{ status: 404, code: 'model_not_found', model: null, key: '' }]);
        expect(text).not.toContain('a secret');
    });

    it('goes on with what the chain said last while it cannot be read, and says so', async () => {
        const { money: before } = await data();
        bench.chain.lie = () => {
            throw new Error('no answer');
        };
        expect((await data()).money).toMatchObject({ problem: null, escrow: before.escrow });
        market().blockchain.now = market().now + 15;
        const { money } = await data();
        expect(money.problem).toContain('no answer');
        expect(money.escrow).toEqual(before.escrow);
    });

    it.each([
        [{ host: 'evil.example' }, 403],
        [{ origin: 'http://evil.example' }, 403],
        [{ 'sec-fetch-site': 'cross-site' }, 403],
        [{ 'sec-fetch-site': 'same-site' }, 403],
    ])('gives no data to a request with %j', async (headers, status) => {
        expect(await data(headers as never)).toBe(status);
    });

    it('needs a key once there is one, and shows a key its own spend only', async () => {
        await bench.post(ask);
        const [first, second] = [await createKey('first'), await createKey('second')];
        await bench.post(ask, bearer(first));
        await until(async () => (await data(bearer(first))).requests.all === 1);

        expect(await data()).toBe(401);
        expect(await data(bearer('sk-cocoon-wrong'))).toBe(401);
        expect(await data(bearer(first))).toMatchObject({
            key: 'first',
            usage: { byKey: [{ name: 'first', queries: 1 }] },
            budgets: { daily: { limit: '1000000000' } },
        });
        expect(await data(bearer(second))).toMatchObject({ requests: { all: 0 }, usage: { byKey: [], byModel: [] } });
    });

    it('reads for a key what this key used, and nothing of the others', async () => {
        const secret = await createKey('first');
        const read = jest.spyOn(bench.gateway.store, 'usage');
        await data(bearer(secret));

        expect(new Set(read.mock.calls.map(([, key]) => key))).toEqual(new Set(['first']));
        read.mockRestore();
    });

    it('shows everything to the user who runs the gateway, by the token of its command line', async () => {
        await bench.post(ask);
        const secret = await createKey('first');
        await bench.post(ask, bearer(secret));
        await until(async () => (await data(adminHeaders(bench.gateway.url))).requests.all === 2);

        const view = await data(adminHeaders(bench.gateway.url));
        expect(view.usage.byKey.map(({ name }: { name: string }) => name).sort()).toEqual(['', 'first']);
        expect(JSON.stringify(view)).not.toContain(secret);
        expect(await data({ 'x-cocoon-admin': 'wrong' })).toBe(401);
    });
});

describe('what happened at the API', () => {
    const facts = { id: 'req_1' };
    const over = (activity: Activity, status: number, { key = '', more = {}, whole = true } = {}) =>
        activity.observe(
            {
                facts: { ...facts, ...more },
                apiKey: key === '' ? undefined : { name: key },
                routeOptions: { url: '/v1/x' },
            },
            { raw: { statusCode: status, writableFinished: whole } },
        );

    it.each([
        [200, true, {}, 'answered'],
        [200, false, {}, 'cut'],
        [200, true, { code: 'bad_node' }, 'failed'],
        [399, true, {}, 'answered'],
        [400, true, {}, 'refused'],
        [499, true, {}, 'refused'],
        [500, true, {}, 'failed'],
    ])('counts status %i (whole: %j, %j) as %s', (status, whole, more, kind) => {
        const activity = new Activity([], () => 1);
        over(activity, status, { more, whole });
        expect(activity.requests()).toMatchObject({ all: 1, [kind]: 1 });
    });

    it('remembers the last 20 errors, the newest first', () => {
        let time = 0;
        const activity = new Activity([], () => ++time);
        for (let i = 0; i < 21; i++) over(activity, 500);
        expect(activity.errors()).toHaveLength(20);
        expect(activity.errors()[0].at).toBe(22);
    });

    it('counts each key apart', () => {
        const activity = new Activity([], () => 1);
        over(activity, 200, { key: 'web' });
        over(activity, 500);
        expect([activity.requests('web').all, activity.requests('').all, activity.requests().all]).toEqual([1, 1, 2]);
        expect(activity.errors('web')).toEqual([]);
    });
});
