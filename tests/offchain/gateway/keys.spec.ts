/** API keys, budgets and what else a request to the gateway meets before it is answered, over HTTP. */
import { request } from 'undici';
import { adminHeaders } from '../../../offchain/gateway/adminToken';
import { useMarket } from '../../support/market';
import { Answer, ask, Bench, MODEL, startBench } from './support';

const market = useMarket();
let bench: Bench;

beforeEach(async () => {
    bench = await startBench(market());
});
afterEach(() => bench.close());

/** Posts to an admin path, as the command line does. */
async function admin(path: string, body: object): Promise<Answer> {
    const { url } = bench.gateway;
    const headers = { ...adminHeaders(url), 'content-type': 'application/json' };
    return (await request(`${url}/admin/${path}`, { method: 'POST', headers, body: JSON.stringify(body) })).body.json();
}

const bearer = (secret: string) => ({ authorization: `Bearer ${secret}` });

describe('A gateway with API keys', () => {
    it('answers who has one that may use the model, and books the answer on it', async () => {
        const { secret } = await admin('keys', { name: 'bob' });
        const other = await admin('keys', { name: 'eve', models: ['other'] });
        const models = (headers = {}) => request(`${bench.gateway.url}/v1/models`, { headers });

        expect(await bench.post(ask)).toMatchObject({ status: 401, body: { error: { code: 'invalid_api_key' } } });
        expect((await models()).statusCode).toBe(401);
        expect((await models(bearer(secret))).statusCode).toBe(200);
        expect((await models({ 'x-api-key': secret })).statusCode).toBe(200); // as Anthropic's SDK sends it
        expect((await models({ 'x-api-key': 'sk-cocoon-x' })).statusCode).toBe(401);
        expect(await bench.post(ask, bearer(other.secret))).toMatchObject({
            ...{ status: 403, body: { error: { code: 'model_not_allowed', param: 'model' } } },
        });
        expect(bench.worker.only?.queries ?? []).toEqual([]);

        expect((await bench.post(ask, bearer(secret))).status).toBe(200);
        expect(await bench.admin('usage?by=key,model,worker')).toEqual([
            {
                ...{ key: 'bob', model: MODEL, worker: bench.worker.url, queries: 1, cost: '3020' },
                ...{ prompt: 10, cached: 2, completion: 2, reasoning: 0 },
            },
        ]);
        expect(bench.log.join('\n')).not.toContain(secret);
    });

    it('spends no more than a budget allows, to the nanoTON, with 64 requests at once', async () => {
        const { secret } = await admin('keys', { name: 'bob', daily: '1' });
        const short = { ...ask, max_tokens: 8 };
        const refused = await bench.post(short, bearer(secret));
        expect(refused).toMatchObject({ status: 402, body: { error: { code: 'budget_exceeded' } } });
        const ceiling = BigInt(refused.body.error.metadata.ceiling as string);
        const limit = ceiling + 20n * 3020n; // 21 answers at most
        await admin('keys/bob/limit', { daily: limit.toString() });

        const answers = await Promise.all(Array.from({ length: 64 }, () => bench.post(short, bearer(secret))));

        const statuses = answers.map(({ status }) => status);
        expect([...new Set(statuses)].sort()).toEqual([200, 402]);
        const paid = statuses.filter((status) => status === 200).length;
        const [{ daily }] = await bench.admin('keys');
        expect(daily).toMatchObject({ limit: limit.toString(), spent: String(3020 * paid), reserved: '0' });
        expect(paid).toBeLessThanOrEqual(21);
        expect(await bench.admin('usage')).toMatchObject([{ key: 'bob', queries: paid, cost: String(3020 * paid) }]);
    });
});
