/** API keys, budgets and usage at the level of their classes, on a store in memory or in a file. */
import { randomBytes } from 'node:crypto';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { GatewayError } from '../../../offchain/gateway/errors';
import { People } from '../../../offchain/gateway/people';
import { ownUrl, requireKeysBeyondLoopback } from '../../../offchain/gateway/doorkeeper';
import { isLoopback } from '../../../offchain/process/publicAddress';
import { requireAllowed } from '../../../offchain/gateway/apiKeys';
import type { GatewayStore, StoredQuery } from '../../../offchain/store/gateway';
import { openGatewayStore } from '../../../offchain/store/sqliteGateway';

const NOON = Date.UTC(2026, 10, 30, 12) / 1000; // the last day of a month
const DAY = 86_400;

let now = NOON;
let store: GatewayStore;

beforeEach(async () => {
    now = NOON;
    store = await openGatewayStore(':memory:');
});
afterEach(() => store.close());

const load = () => People.load(store, () => now);

/** The error that something throws. */
function refusal(action: () => unknown): GatewayError {
    try {
        action();
    } catch (error) {
        return error as GatewayError;
    }
    throw new Error('nothing was refused');
}

const query = (number: number, apiKey: string, { ceiling = 10n, askedAt = now } = {}): StoredQuery => ({
    ...{ job: 1, number, apiKey, ceiling, askedAt, promptBound: 1, tokenizer: 'bytes', stopBound: 0, secret: null },
    ...{ salt: randomBytes(16), commitment: randomBytes(32), request: randomBytes(32) },
});

const tokens = { prompt: 3, cached: 1, completion: 2, reasoning: 0 };
const ending = (cost: bigint, worker = 'http://one', model = 'm') =>
    ({ phase: 'result', used: { model, worker, cost, tokens } }) as const;

describe('An API key', () => {
    it('lets its request in, and its secret is nowhere in the store', async () => {
        const folder = mkdtempSync(join(tmpdir(), 'keys-'));
        const file = await openGatewayStore(join(folder, 'gateway.sqlite'));
        const { apiKeys } = await People.load(file, () => now);
        const { secret } = await apiKeys.create({ name: 'bob' });

        expect(apiKeys.authenticate(`Bearer ${secret}`)?.name).toBe('bob');
        await file.close();
        expect(readdirSync(folder).map((name) => readFileSync(join(folder, name)).includes(secret))).toEqual([false]);
        rmSync(folder, { recursive: true });
    });

    it('is needed once one exists, and not before', async () => {
        const { apiKeys } = await load();
        expect(apiKeys.authenticate(undefined)).toBeUndefined();

        await apiKeys.create({ name: 'bob' });

        expect(refusal(() => apiKeys.authenticate(undefined))).toMatchObject({ status: 401, code: 'invalid_api_key' });
        expect(refusal(() => apiKeys.authenticate('Bearer sk-cocoon-x'))).toMatchObject({ status: 401 });
        expect(refusal(() => apiKeys.authenticate('Basic Ym9i')).toHeaders()).toEqual({ 'www-authenticate': 'Bearer' });
    });

    it('is refused once it is revoked, and nobody gets in without a key then', async () => {
        const { apiKeys } = await load();
        const { secret } = await apiKeys.create({ name: 'bob' });
        await apiKeys.revoke('bob');

        expect(refusal(() => apiKeys.authenticate(`Bearer ${secret}`)).message).toContain('was revoked');
        const { apiKeys: again } = await load();
        expect(refusal(() => again.authenticate(undefined))).toMatchObject({ status: 401 });
        expect(again.hasUsable).toBe(false);
    });

    it('stays revoked, also if a read that began before its revocation ends later', async () => {
        const { apiKeys } = await load();
        const { secret } = await apiKeys.create({ name: 'bob' });
        const old = await store.apiKeys();
        let answer!: (keys: typeof old) => void;
        jest.spyOn(store, 'apiKeys').mockReturnValueOnce(new Promise((resolve) => (answer = resolve)));
        const late = apiKeys.refresh();
        await apiKeys.revoke('bob');
        answer(old);
        await late;
        expect(refusal(() => apiKeys.authenticate(`Bearer ${secret}`)).message).toContain('was revoked');
        await store.saveApiKey({ ...old[0], name: 'zoe' });
        await apiKeys.refresh();
        expect(apiKeys.get('zoe')).toBeDefined();
    });

    it('ends at the second that it expires', async () => {
        const { apiKeys } = await load();
        const { secret } = await apiKeys.create({ name: 'bob', expiresAt: NOON + 10 });

        now = NOON + 9;
        expect(apiKeys.authenticate(`Bearer ${secret}`)?.name).toBe('bob');
        now = NOON + 10;
        expect(refusal(() => apiKeys.authenticate(`Bearer ${secret}`)).message).toContain('has expired');
    });

    it('has a name of its own until it is revoked', async () => {
        const { apiKeys } = await load();
        await apiKeys.create({ name: 'bob' });

        await expect(apiKeys.create({ name: 'bob' })).rejects.toMatchObject({ status: 409, code: 'key_exists' });
        await apiKeys.revoke('bob');
        await expect(apiKeys.limit('bob', { daily: 1n })).rejects.toMatchObject({ status: 409, code: 'key_revoked' });
        await expect(apiKeys.create({ name: 'bob' })).resolves.toMatchObject({ key: { revokedAt: null } });
        await expect(apiKeys.revoke('eve')).rejects.toMatchObject({ status: 404, code: 'unknown_key' });
    });

    it('uses the models that it names, and all if it names none', async () => {
        const { apiKeys } = await load();
        const { key } = await apiKeys.create({ name: 'bob', models: ['a', 'b'] });

        expect(() => requireAllowed(key, 'b')).not.toThrow();
        expect(refusal(() => requireAllowed(key, 'c'))).toMatchObject({
            ...{ status: 403, code: 'model_not_allowed', param: 'model' },
            message: 'The key "bob" may not use this model; it may use a, b',
        });
        expect(() => requireAllowed({ ...key, models: null }, 'c')).not.toThrow();
    });
});

describe('A gateway for other machines', () => {
    const at = (host: string) => ({ listen: { host, port: 10000 } }) as never;

    it('refuses to start until somebody has a key that works', async () => {
        const people = await load();
        expect(() => requireKeysBeyondLoopback(at('127.0.0.1'), people)).not.toThrow();
        expect(() => requireKeysBeyondLoopback(at('0.0.0.0'), people)).toThrow('cocoon keys create');

        await people.apiKeys.create({ name: 'bob' });
        expect(() => requireKeysBeyondLoopback(at('0.0.0.0'), people)).not.toThrow();

        await people.apiKeys.revoke('bob');
        expect(() => requireKeysBeyondLoopback(at('0.0.0.0'), people)).toThrow('cocoon keys create');
    });

    it('is reached by its own machine at the loopback address', () => {
        expect(['127.0.0.1', 'localhost', '::1', '127.0.0.2', '0.0.0.0', '::'].map(isLoopback)).toEqual([
            ...[true, true, true],
            ...[false, false, false],
        ]);
        expect(['0.0.0.0', '::', 'localhost', '::1', '10.0.0.5'].map((host) => ownUrl(at(host)))).toEqual([
            ...['http://127.0.0.1:10000', 'http://127.0.0.1:10000', 'http://127.0.0.1:10000'],
            ...['http://[::1]:10000', 'http://10.0.0.5:10000'],
        ]);
    });
});

describe('A budget', () => {
    const limited = async (limits: { daily?: bigint; monthly?: bigint }) => {
        const people = await load();
        const { key } = await people.apiKeys.create({ name: 'bob', ...limits });
        return { people, key, budgets: people.budgets, payer: people.payerOf(key) };
    };
    const sent = (number: number, ceiling: bigint, askedAt = now) => ({ job: 1, number, ceiling, askedAt });

    it('reserves up to its limit and nothing beyond it', async () => {
        const { payer } = await limited({ daily: 100n });
        await payer.reserve(sent(1, 60n));
        await payer.reserve(sent(2, 40n));

        await expect(payer.reserve(sent(3, 1n))).rejects.toMatchObject({
            ...{ status: 402, code: 'budget_exceeded', type: 'insufficient_funds' },
            metadata: {
                ...{ key: 'bob', period: 'daily', limit: '100', spent: '0', reserved: '100', ceiling: '1' },
                resets: '2026-12-01T00:00:00.000Z',
            },
        });
    });

    it('is never exceeded by 64 requests at once, whatever they cost in the end', async () => {
        const { key, payer, budgets } = await limited({ daily: 1000n, monthly: 1500n });
        let spent = 0n;
        let answered = 0;
        const one = async (number: number) => {
            try {
                await payer.reserve(sent(number, 90n));
            } catch {
                return;
            }
            await new Promise((resolve) => setImmediate(resolve));
            const cost = BigInt(number % 91);
            spent += cost;
            answered++;
            budgets.settle({ job: 1, number }, cost);
            const { daily } = budgets.views(key);
            expect(daily.spent + daily.reserved).toBeLessThanOrEqual(1000n);
        };
        await Promise.all(Array.from({ length: 64 }, (_, i) => one(i + 1)));

        expect(answered).toBe(11); // 11 ceilings of 90 fit, the twelfth does not
        expect(budgets.views(key).daily).toMatchObject({ spent, reserved: 0n });
    });

    it('is free again for what a query did not cost', async () => {
        const { payer, budgets, key } = await limited({ daily: 100n });
        await payer.reserve(sent(1, 100n));
        budgets.settle(sent(1, 0n), 30n);
        budgets.settle(sent(1, 0n), 30n); // an ending counts once

        await payer.reserve(sent(2, 70n));
        expect(budgets.views(key).daily).toMatchObject({ spent: 30n, reserved: 70n });
    });

    it('stays reserved for a query that broke off, also over a restart, until its ending is known', async () => {
        const { payer } = await limited({ daily: 100n });
        await payer.reserve(sent(1, 80n));
        await store.addQuery(query(1, 'bob', { ceiling: 80n }));

        const again = await load();
        const key = again.apiKeys.get('bob')!;
        await expect(again.payerOf(key).reserve(sent(2, 21n))).rejects.toMatchObject({ status: 402 });
        await again.payerOf(key).reserve(sent(2, 20n));

        again.budgets.settle(sent(1, 0n), 5n);
        await again.payerOf(key).reserve(sent(3, 75n));
    });

    it('counts what the store says was spent, after a restart', async () => {
        await limited({ daily: 100n });
        await store.addQuery(query(1, 'bob'));
        await store.endQuery(1, 1, ending(95n));
        await store.endQuery(1, 1, ending(95n)); // an ending counts once

        const again = await load();
        expect(again.budgets.views(again.apiKeys.get('bob')!).daily).toMatchObject({ spent: 95n, reserved: 0n });
    });

    it('begins anew at midnight, and the month at its own end (UTC)', async () => {
        now = NOON - DAY; // the day before the month's last
        const { payer, budgets, key } = await limited({ daily: 10n, monthly: 15n });
        await payer.reserve(sent(1, 10n));
        budgets.settle(sent(1, 0n), 10n);
        const midnight = Date.UTC(2026, 10, 30) / 1000;

        now = midnight - 1;
        expect(refusal(() => budgets.requireSome(key)).metadata).toMatchObject({ period: 'daily' });
        now = midnight;
        await payer.reserve(sent(2, 5n));
        await expect(payer.reserve(sent(3, 1n))).rejects.toMatchObject({
            metadata: {
                ...{ period: 'monthly', limit: '15', spent: '10', reserved: '5', resets: '2026-12-01T00:00:00.000Z' },
            },
        });
        now = midnight + DAY;
        await payer.reserve(sent(3, 10n));
    });

    it('counts a query for the day on which it was asked, whenever it ends', async () => {
        const { payer, budgets, key } = await limited({ daily: 10n, monthly: 100n });
        await payer.reserve(sent(1, 10n));
        now += DAY;
        budgets.settle(sent(1, 0n), 10n);

        expect(budgets.views(key)).toMatchObject({ daily: { spent: 0n }, monthly: { spent: 0n } }); // of December
    });

    it('follows a limit that changes while requests run', async () => {
        const { people, payer } = await limited({ daily: 10n });
        await people.apiKeys.limit('bob', { daily: 20n });
        await payer.reserve(sent(1, 20n));

        await people.apiKeys.limit('bob', { daily: null });
        await payer.reserve(sent(2, 1n << 60n));
    });
});

describe('Usage', () => {
    it('is summed by day, key, model and worker, of answered queries', async () => {
        const { usage } = await load();
        const rows: [number, string, ReturnType<typeof ending>][] = [
            [NOON, 'bob', ending(5n)],
            [NOON, 'bob', ending(7n, 'http://two')],
            [NOON, '', ending(1n, 'http://one', 'n')],
            [NOON - DAY, 'bob', ending(20n)],
        ];
        for (const [i, [askedAt, apiKey, end]] of rows.entries()) {
            await store.addQuery(query(i + 1, apiKey, { askedAt }));
            await store.endQuery(1, i + 1, end);
        }
        await store.addQuery(query(9, 'bob'));
        await store.endQuery(1, 9, { phase: 'decline' });

        const of = (queries: number, cost: string) => ({
            ...{ queries, cost, prompt: 3 * queries, cached: queries, completion: 2 * queries, reasoning: 0 },
        });
        expect(await usage.by(['key'], 2)).toEqual([
            { key: 'bob', ...of(3, '32') },
            { key: '', ...of(1, '1') },
        ]);
        expect(await usage.by(['day', 'model'], 2)).toEqual([
            { day: '2026-11-29', model: 'm', ...of(1, '20') },
            { day: '2026-11-30', model: 'n', ...of(1, '1') },
            { day: '2026-11-30', model: 'm', ...of(2, '12') },
        ]);
        expect(await usage.by(['worker'], 1)).toEqual([
            { worker: 'http://one', ...of(2, '6') },
            { worker: 'http://two', ...of(1, '7') },
        ]);
        expect(await usage.by([], 1)).toEqual([of(3, '13')]);
    });
});
