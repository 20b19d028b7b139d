import { statusText, type WireStatus } from '../../../offchain/cli/worker/statusText';
import { type NodeInfo, modelHash, toWire } from '../../../offchain/link';
import { setIntakeOnce, statusOnce } from '../../../offchain/worker';
import { ECHO } from '../support/backend';
import { TestClient } from '../support/client';
import { until } from '../support/until';
import { configFor, type Fixture, RATES, SEEDS, startFixture } from '../support/worker';

let fixture: Fixture;

afterEach(() => fixture.stop());

const withJob = (terms = {}) => TestClient.withJob(fixture.worker.url, fixture.chain, terms);
const available = () => fixture.worker.nodeInfo.offers[0].available;
const held = () => (fixture.backend.script = () => [{ type: 'pause' }, { type: 'end', finish: 'stop' }]);

describe('a paused worker', () => {
    it('takes no new jobs and queries, lets running queries end, and signs nothing for those it refuses', async () => {
        fixture = await startFixture();
        const client = await withJob();
        held();
        const running = client.ask(1, 'one');
        await fixture.backend.atPause();
        expect(await fixture.worker.setIntake('paused')).toMatchObject({ intake: 'paused', running: 1, openJobs: 1 });

        expect(available()).toBe(false);
        expect((await client.ask(2, 'two')).refusal).toMatchObject({ code: 'paused' });
        await expect(withJob()).rejects.toThrow('takes no new work: the worker is paused');
        fixture.backend.go();
        expect((await running).result).toBeDefined();
    });

    it('still takes sessions and vouchers of the jobs that it has', async () => {
        fixture = await startFixture();
        const client = await withJob();
        await client.ask(1, 'one two three');
        await fixture.worker.setIntake('paused');

        expect((await client.register()).status).toBe(200);
        expect((await client.pay()).status).toBe(200);
    });

    it('is paused after a restart, until it is resumed', async () => {
        fixture = await startFixture();
        await fixture.worker.setIntake('paused');
        await fixture.restart();
        expect(available()).toBe(false);
        expect((await fixture.worker.status()).intake).toBe('paused');
        expect((await fixture.worker.status()).readiness).toMatchObject({ ready: false });

        await fixture.worker.setIntake('open');
        expect(available()).toBe(true);
        expect((await (await withJob()).ask(1, 'one')).result).toBeDefined();
    });

    it('can be paused while it does not run, and its status says so', async () => {
        fixture = await startFixture();
        await fixture.worker.close();
        const { chain, backend, wallet } = fixture;
        const stopped = [configFor(fixture.folder), { chain, backend, wallet, seeds: SEEDS }] as const;
        const text = async () => {
            const status = toWire(await statusOnce(...stopped)) as Omit<WireStatus, 'state'>;
            return statusText({ state: 'stopped', ...status }, { network: -3 });
        };
        expect(await text()).not.toMatch(/^intake/m);
        await setIntakeOnce(stopped[0], 'paused', stopped[1]);
        expect(await text()).toMatch(
            /^intake +paused, also once it runs: "cocoon worker resume" has it take new work$/m,
        );
        await fixture.restart();
        expect(available()).toBe(false);
    });
});

describe('a worker that drains', () => {
    it('waits for no job whose vouchers are not worth a claim, however many there are', async () => {
        fixture = await startFixture({ claim: { seconds: 1000, minAmount: '1000000', threshold: '1000000000' } });
        for (let count = 0; count < 2; count++) {
            const client = await withJob();
            await client.ask(1, Array.from({ length: 44 }, () => 'a').join(' '));
            await client.pay();
        }

        const view = await fixture.worker.setIntake('draining');
        expect(view).toMatchObject({ openJobs: 0, claimableJobs: 0 });
        expect(view.unclaimed).toBeGreaterThanOrEqual(1_000_000n); // of both jobs; neither is worth 1 mTON
    });

    it('has to claim a job whose vouchers are worth just one', async () => {
        fixture = await startFixture({ claim: { seconds: 1000, minAmount: '1', threshold: '1000000000' } });
        const client = await withJob();
        await client.ask(1, 'one');
        await client.pay();

        expect(await fixture.worker.intake()).toMatchObject({ claimableJobs: 1 });
    });

    const start = (overrides = {}) =>
        startFixture({ claim: { seconds: 0.05, minAmount: '1', threshold: '1000000000' }, ...overrides });

    it('claims and ends its jobs as soon as nothing of them runs', async () => {
        fixture = await start();
        const client = await withJob();
        held();
        const running = client.ask(1, 'one two');
        await fixture.backend.atPause();
        expect(await fixture.worker.setIntake('draining')).toMatchObject({ openJobs: 1, running: 1 });

        fixture.backend.go();
        await running;
        expect((await client.pay()).status).toBe(200);
        await until(async () => (await fixture.worker.intake()).openJobs === 0);
        expect((await client.ask(2, 'two')).refusal).toMatchObject({ code: 'paused' });
        await until(() => fixture.wallet.orders.length === 1);
        expect((await fixture.worker.status()).jobs.open).toBe(0);
    });

    it('goes on after a restart', async () => {
        fixture = await start();
        await withJob();
        await fixture.worker.close();
        const { chain, backend, wallet } = fixture;
        await setIntakeOnce(configFor(fixture.folder), 'draining', { chain, backend, wallet, seeds: SEEDS });
        await fixture.restart();
        expect(await fixture.worker.intake()).toMatchObject({ intake: 'draining', openJobs: 0 });
    });
});

describe('a reload', () => {
    const dearer = { ...RATES, completion: '20000000000' };
    const offer = (rates: typeof RATES, more = {}) => [{ model: ECHO, rates, ...more }];
    const nextConfig = (overrides: object) => configFor(fixture.folder, overrides);
    const { completion } = RATES;

    it('takes other prices at once; jobs keep theirs, and a new job may have the former ones for a while', async () => {
        fixture = await startFixture();
        const old = await withJob();
        const drafted = new TestClient(fixture.worker.url, fixture.chain);
        await drafted.draft();
        await drafted.open();

        expect(await fixture.worker.reload(nextConfig({ offers: offer(dearer) }))).toEqual({
            offers: [ECHO],
            restart: [],
        });
        expect(fixture.worker.nodeInfo.offers[0].rates.completion).toBe(20_000_000_000n);
        expect((await old.ask(1, 'one')).result).toMatchObject({ price: (2n * BigInt(completion)) / 1_000_000n });
        expect((await old.register()).status).toBe(200);
        expect((await drafted.register()).status).toBe(200);
        const late = new TestClient(fixture.worker.url, fixture.chain);
        await late.draft({ rates: old.terms.rates });
        await late.open();
        fixture.chain.advance(601);
        expect(await late.register()).toMatchObject({
            status: 422,
            body: { error: { message: expect.stringContaining('rates are not those of the offer') as string } },
        });
    });

    it('that the chain does not show yet is refused, and changes nothing', async () => {
        const info = (): Pick<NodeInfo, 'receiptKey' | 'encryptionKey'> => fixture.worker.nodeInfo;
        const rates = Object.fromEntries(Object.entries(RATES).map(([kind, rate]) => [kind, BigInt(rate)])) as never;
        const listed = { offers: [{ model: modelHash(ECHO), rates }] };
        const keys: { current?: object } = {};
        fixture = await startFixture(
            {},
            { node: async () => keys.current && ({ ...keys.current, ...listed } as never) },
        );
        keys.current = { receiptKey: info().receiptKey, encryptionKey: info().encryptionKey };

        await expect(fixture.worker.reload(nextConfig({ offers: offer(dearer) }))).rejects.toThrow(
            'completion is 10000000000 on chain, not 20000000000',
        );
        expect(fixture.worker.nodeInfo.offers[0].rates.completion).toBe(BigInt(completion));
        await expect(fixture.worker.reload(nextConfig({ offers: offer(RATES, { context: 4096 }) }))).resolves.toEqual({
            offers: [ECHO],
            restart: [],
        });
        expect(fixture.worker.nodeInfo.offers[0].context).toBe(4096);
    });

    it('says which other settings wait for a restart', async () => {
        fixture = await startFixture();
        expect(await fixture.worker.reload(nextConfig({ marginSeconds: 900 }))).toEqual({
            offers: [],
            restart: ['marginSeconds'],
        });
    });
});

describe('a worker whose disk is nearly full', () => {
    const MiB = 1 << 20;
    let free: number; // bytes

    beforeEach(async () => {
        free = 10_000 * MiB;
        let seconds = 0;
        const disk = { freeBytes: () => free, totalBytes: () => 10_000 * MiB };
        fixture = await startFixture({}, { disk, steady: () => ++seconds });
    });

    it('takes no new jobs and queries, lets running queries end, and goes on once there is room', async () => {
        const client = await withJob();
        held();
        const running = client.ask(1, 'one');
        await fixture.backend.atPause();
        free = 700 * MiB; // 200, and 4 for each of 128 that may run or wait

        expect(available()).toBe(false);
        expect((await client.ask(2, 'two')).refusal).toMatchObject({
            code: 'paused',
            message: expect.stringContaining('its disk is nearly full') as string,
        });
        await expect(withJob()).rejects.toThrow('its disk is nearly full');
        fixture.backend.go();
        expect((await running).result).toBeDefined();
        free = 713 * MiB;
        fixture.backend.script = () => [{ type: 'end', finish: 'stop' }];

        expect((await client.ask(3, 'three')).result).toBeDefined();
    });
});
