/**
 * Worker and gateway together: the worker renews its evidence through a command, the gateway checks it when the old one
 * ends.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startWorker, Worker } from '../../../offchain/worker';
import { WorkerConfigInput } from '../../../offchain/worker/config';
import { testKey, useMarket } from '../../support/market';
import { ask, Bench, RATES as PRICES, SandboxChain, startBench, until } from '../gateway/support';
import { ECHO, ScriptedBackend, Step } from '../support/backend';
import { configFor } from '../support/worker';

const AUTHORITY = Buffer.alloc(32, 60); // seed of testKey(60)
const MEASUREMENT = Buffer.alloc(48, 7).toString('hex');
const ATTESTER = join(__dirname, '..', 'support', 'attester.js');
const SECONDS = 4; // that evidence is good for; the worker renews it after two

const question = { ...ask, model: ECHO };
const slow: Step[] = [
    { type: 'prompt', prompt: 1, cached: 0 },
    { type: 'delta', content: 'hello ', tokens: 1 },
    { type: 'pause' },
    { type: 'delta', content: 'again', tokens: 1 },
    { type: 'end', finish: 'stop' },
];

describe('A node of tier testca', () => {
    const market = useMarket();
    let folder: string;
    let backend: ScriptedBackend;
    let worker: Worker;
    let bench: Bench;

    const broken = () => join(folder, 'broken');
    const expiryOf = () => (worker.nodeInfo.attestation as { expiry: number }).expiry;
    const expired = () => void (market().blockchain.now = market().now + SECONDS);

    async function start({
        measurement = MEASUREMENT,
        attestation,
    }: { measurement?: string; attestation?: WorkerConfigInput['attestation'] } = {}): Promise<void> {
        const { payout } = market();
        backend = new ScriptedBackend();
        const rates = Object.fromEntries(Object.entries(PRICES).map(([kind, rate]) => [kind, rate.toString()]));
        const command = [process.execPath, ATTESTER, AUTHORITY.toString('hex'), measurement, broken()];
        const config = configFor(folder, {
            payout: payout.address.toRawString(),
            offers: [{ model: ECHO, rates: rates as never }],
            attestation: attestation ?? { command, seconds: SECONDS },
        });
        const outcome = async () => 'executed' as const;
        const wallet = { address: payout.address, send: async () => undefined, balance: async () => 0n, outcome };
        const chain = new SandboxChain(market());
        const seeds = {
            receiptKey: Buffer.alloc(32, 51),
            encryptionKey: Buffer.alloc(32, 52),
            wallet: Buffer.alloc(32),
        };
        worker = await startWorker(config, { chain, backend, wallet, seeds, now: () => market().now });
        const dear = '1000000000';
        bench = await startBench(market(), {
            config: {
                workers: [worker.url],
                models: { [ECHO]: { maxPrice: { prompt: dear, cached: dear, completion: dear, reasoning: dear } } },
                attestation: { authority: testKey(60).publicKey.toString('hex'), measurements: [MEASUREMENT] },
                job: { deposit: '1000000000', step: '1000000', notice: 3600, lifetime: 86400, maxParallel: 4 },
            },
        });
    }

    beforeEach(() => (folder = mkdtempSync(join(tmpdir(), 'cocoon-attest-'))));

    afterEach(async () => {
        await bench?.close();
        await worker?.close();
        rmSync(folder, { recursive: true });
    });

    it('is used, and its tier is shown', async () => {
        await start();
        const { status, headers } = await bench.post(question);

        expect(status).toBe(200);
        expect(headers['x-cocoon-tier']).toBe('testca');
    });

    it('is refused when its evidence is of an image that the client does not allow', async () => {
        await start({ measurement: Buffer.alloc(48, 8).toString('hex') });
        const { status, body } = await bench.post(question);

        expect(status).toBe(503);
        expect(body.error.message).toContain('the measurement is not an allowed image');
        expect(bench.gateway.book.all).toHaveLength(0);
    });

    it('is refused when its evidence was made for the keys of another node', async () => {
        await start();
        const stolen = worker.nodeInfo.attestation;
        await bench.close();
        const attestation = { authority: testKey(60).publicKey.toString('hex'), measurements: [MEASUREMENT] };
        const steal = ({ worker: thief }: Bench) => void (thief.attestation = stolen);
        bench = await startBench(market(), { config: { attestation }, before: steal });

        const { status, body } = await bench.post(ask);

        expect(status).toBe(503);
        expect(body.error.message).toContain('the authority did not sign these keys');
    });

    it('renews its evidence while a query runs, and neither side ends the job', async () => {
        await start();
        backend.script = () => slow;
        const first = expiryOf();
        const answer = bench.post(question);
        await backend.atPause();
        expired();
        await until(() => expiryOf() > market().now, 10_000);
        backend.go();

        expect((await answer).body.choices[0].message.content).toBe('hello again');
        expect(expiryOf()).toBeGreaterThan(first);
        backend.script = () => slow.filter(({ type }) => type !== 'pause');
        expect((await bench.post(question)).status).toBe(200);
        expect(bench.gateway.book.all.map(({ phase }) => phase)).toEqual(['open']);
        expect((await worker.status()).jobs).toEqual({ open: 1, ending: 0, ended: 0 });
    }, 30_000);

    it('that cannot renew gets no question and keeps its job, until it can', async () => {
        await start();
        expect((await bench.post(question)).status).toBe(200);
        writeFileSync(broken(), '');
        await new Promise((resolve) => setTimeout(resolve, (SECONDS / 2) * 1000 + 500));
        expired();

        expect((await bench.post(question)).status).toBe(503);
        expect(backend.requests).toHaveLength(1);
        expect(bench.gateway.book.all.map(({ phase }) => phase)).toEqual(['open']);

        rmSync(broken());
        await until(() => expiryOf() > market().now, 10_000);
        expect((await bench.post(question)).status).toBe(200);
        expect(bench.gateway.book.all).toHaveLength(1);
    }, 30_000);

    it('takes new evidence from a file without a restart, and keeps the old when the new is none', async () => {
        const file = join(folder, 'evidence.json');
        const evidence = (expiry: number) => ({
            tier: 'testca',
            measurement: MEASUREMENT,
            expiry,
            signature: Buffer.alloc(64).toString('hex'),
        });
        const later = market().now + 100;
        writeFileSync(file, JSON.stringify(evidence(later)));
        await start({ attestation: file });
        expect(expiryOf()).toBe(later);

        writeFileSync(file, JSON.stringify(evidence(later + 1)));
        expect(expiryOf()).toBe(later + 1);
        writeFileSync(file, 'half a fi');
        expect(expiryOf()).toBe(later + 1);
        writeFileSync(file, JSON.stringify(evidence(market().now)));
        expect(expiryOf()).toBe(later + 1);
    });

    it('starts while its command makes no evidence, says so and takes no work, and serves once it has some', async () => {
        writeFileSync(broken(), '');
        await start();

        expect((await worker.status()).readiness).toEqual({ ready: false, reasons: ['the node has no attestation'] });
        expect((await bench.post(question)).status).toBe(503);
        expect(bench.gateway.book.all).toHaveLength(0);

        rmSync(broken());
        await until(async () => (await worker.status()).readiness!.ready, 10_000);
        await until(async () => (await bench.post(question)).status === 200, 10_000);
    }, 30_000);
});
