/** Two processes of one worker on one database, here in one process of this test. */
import { freePort } from '../../../demo/ports';
import { Finish, type SignedVoucher } from '@cocoon-market/wrappers';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { paths } from '../../../offchain/link';
import { startWorker, type Worker, type WorkerParts } from '../../../offchain/worker';
import { until } from '../support/until';
import { ScriptedBackend } from '../support/backend';
import { FakeChain, FakeWallet } from '../support/chain';
import { TestClient } from '../support/client';
import { PostgresServer } from '../support/postgres';
import { account, configFor, type Overrides, SEEDS } from '../support/worker';

let server: PostgresServer;
let folder: string;
let chain: FakeChain;
let backend: ScriptedBackend;
let wallet: CountingWallet;
let store: string;
let workers: Worker[];

/** Fails when two orders are made at one time, as on chain one of two with the same seqno does. */
class CountingWallet extends FakeWallet {
    sending = 0;

    override async send(...args: Parameters<FakeWallet['send']>): Promise<void> {
        expect(++this.sending).toBe(1);
        await sleep(50);
        await super.send(...args);
        this.sending--;
    }
}

beforeAll(async () => {
    server = await PostgresServer.start();
}, 30_000);

afterAll(() => server.remove());

beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), 'cocoon-worker-'));
    store = await server.database();
    chain = new FakeChain();
    backend = new ScriptedBackend();
    wallet = new CountingWallet(chain, account(0x33));
    workers = [];
});

afterEach(async () => {
    await Promise.all(workers.map((worker) => worker.close()));
    rmSync(folder, { recursive: true });
});

async function start(overrides: Overrides = {}, parts: WorkerParts = {}): Promise<Worker> {
    const port = await freePort();
    const cluster = { cluster: { url: `http://127.0.0.1:${port}` }, listen: { port } };
    const config = configFor(folder, { store, ...cluster, ...overrides });
    const worker = await startWorker(config, {
        chain,
        backend,
        wallet,
        seeds: SEEDS,
        now: () => chain.now(),
        ...parts,
    });
    workers.push(worker);
    return worker;
}

async function close(worker: Worker): Promise<void> {
    workers.splice(workers.indexOf(worker), 1);
    await worker.close();
}

const pair = async (overrides: Overrides = {}) => [await start(overrides), await start(overrides)] as const;
const stateOf = (client: TestClient) => client.get(paths.job(client.job.toString('hex')));

it('a job names the processes, its own first, and the others lead to it', async () => {
    const [one, two] = await pair();
    await sleep(1500); // each has looked at the other
    const client = await TestClient.withJob(two.url, chain);
    expect((await stateOf(client)).body).toMatchObject({ processes: [two.url, one.url] });
    expect((await client.ask(1, 'one')).text).toContain('one');
    client.url = one.url;
    const refusal = { status: 421, body: { error: { code: 'other_process', url: two.url } } };
    expect(await stateOf(client)).toMatchObject(refusal);
    expect(await client.register()).toMatchObject(refusal);
    expect((await client.ask(2, 'two')).refusal).toMatchObject({ code: 'other_process', url: two.url });
    expect(await client.end()).toMatchObject(refusal);
    expect(await client.pay()).toMatchObject(refusal);
});

it('a process alone names no processes', async () => {
    const worker = await start({ cluster: undefined });
    const client = await TestClient.withJob(worker.url, chain);
    expect((await stateOf(client)).body).toMatchObject({ processes: [] });
});

it('the jobs of a process that stops are taken over, and their clients begin a session there', async () => {
    const [one, two] = await pair();
    const client = await TestClient.withJob(one.url, chain);
    await client.ask(1, 'one');
    const promised = client.newest!.cumulative;
    await close(one);
    client.url = two.url;
    await until(async () => (await stateOf(client)).status === 200, 10_000);
    expect((await client.state()).voucher!.cumulative).toBe(promised.toString());
    expect((await client.ask(2, 'two')).refusal).toMatchObject({ code: 'unknown_session' });
    await client.register();
    const { result } = await client.ask(2, 'two');
    expect(result).toMatchObject({ index: 2, finish: Finish.Stop });
});

it('what one process is told to take, the others take within seconds', async () => {
    const [one, two] = await pair();
    await one.setIntake('paused');
    await until(async () => (await two.intake()).intake === 'paused', 5000);
    const client = new TestClient(two.url, chain);
    await client.draft();
    await client.open();
    expect((await client.register()).body.error?.code).toBe('paused');
    await two.setIntake('open');
    await until(async () => (await one.intake()).intake === 'open', 5000);
});

it('every process drains its own jobs', async () => {
    const [one, two] = await pair({ claim: { seconds: 1000, threshold: `${1n << 60n}` } });
    const clients = await Promise.all([one, two].map(({ url }) => TestClient.withJob(url, chain)));
    await one.setIntake('draining');
    await until(async () => (await one.intake()).openJobs === 0, 8000);
    expect(clients).toHaveLength(2);
});

it('processes claim from one wallet, one order after another', async () => {
    const [one, two] = await pair();
    const clients = await Promise.all([one, two].map(({ url }) => TestClient.withJob(url, chain)));
    await Promise.all(clients.map((client) => client.ask(1, 'some words')));
    const reports = await Promise.all([one.claimNow(), two.claimNow()]);
    expect(reports.map(({ claimed, failed }) => [claimed, failed])).toEqual([
        [1, 0],
        [1, 0],
    ]);
    expect(wallet.orders).toHaveLength(2);
    clients.forEach(({ channel, newest }) => expect(chain.paidBy(channel)).toBe((newest as SignedVoucher).cumulative));
    const { results, claimed, confirming } = await one.status();
    expect([results, claimed + confirming]).toEqual([
        2,
        clients.reduce((sum, { newest }) => sum + newest!.cumulative, 0n),
    ]);
});

it('a process of another key is refused, and one that wants the store alone, too', async () => {
    await start();
    const seeds = { ...SEEDS, receiptKey: Buffer.alloc(32, 9) };
    await expect(start({}, { seeds })).rejects.toThrow('has other keys or another account on chain');
    await expect(start({ cluster: undefined })).rejects.toThrow('make both members of one cluster');
}, 20_000);
