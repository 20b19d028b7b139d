/**
 * Alerts: each is raised once, repeated, cleared, and brought to the operator. Longer than 350 lines because every
 * alert has its pair at the boundary.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { once } from 'node:events';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pino from 'pino';
import { request } from 'undici';
import { nodeStates, signingKey } from '@cocoon-market/wrappers';
import { AlertBoard, type AlertNotice } from '../../../offchain/worker/alerts/board';
import { Notifier } from '../../../offchain/worker/alerts/notify';
import { AlertWatch, type WatchParts } from '../../../offchain/worker/alerts/watch';
import { DiskRoom } from '../../../offchain/worker/diskRoom';
import type { DisputesView } from '../../../offchain/worker/disputedJobs';
import { FakeChain } from '../support/chain';
import { TestClient } from '../support/client';
import { ExaminedWorker, REGISTRY } from '../support/examined';
import { until } from '../support/until';
import { configFor, type Overrides, SEEDS, startFixture } from '../support/worker';

const log = pino({ level: 'silent' });
const condition = { subject: '', message: 'it is wrong', remedy: 'mend it' };
const notice: AlertNotice = {
    ...{ event: 'raised', alert: 'wallet', severity: 'warning', since: 1, node: '0:11' },
    ...condition,
};

describe('The board of alerts', () => {
    let now = 1000;
    let notices: string[];
    let isAway: boolean;
    let board: AlertBoard;

    beforeEach(() => {
        now = 1000;
        notices = [];
        isAway = false;
        const notify = ({ event, subject }: AlertNotice, delivered: () => void) => {
            notices.push(`${event} ${subject}`.trim());
            if (!isAway) delivered();
        };
        board = new AlertBoard({ log, now: () => now, node: '0:11', repeatSeconds: 600, notify });
    });

    it('raises an alert once, says since when, and clears it', () => {
        board.set('wallet', [condition]);
        now += 10;
        board.set('wallet', [{ ...condition, message: 'it is still wrong' }]);

        expect(board.active).toEqual([
            { alert: 'wallet', severity: 'warning', ...condition, message: 'it is still wrong', since: 1000 },
        ]);
        board.set('wallet', []);
        board.set('wallet', []);
        expect(board.active).toEqual([]);
        expect(notices).toEqual(['raised', 'cleared']);
    });

    it.each([
        { after: 599, sent: ['raised'] },
        { after: 600, sent: ['raised', 'repeated'] },
    ])('repeats an alert of $after seconds as set: $sent', ({ after, sent }) => {
        board.set('wallet', [condition]);
        now += after;
        board.set('wallet', [condition]);
        board.set('wallet', [condition]);

        expect(notices).toEqual(sent);
    });

    it('repeats no alert that is still on its way', () => {
        isAway = true;
        board.set('wallet', [condition]);
        now += 6000;
        board.set('wallet', [condition]);

        expect(notices).toEqual(['raised']);
    });

    it('keeps alerts of different subjects and names apart', () => {
        board.set('backend', [
            { ...condition, subject: 'a' },
            { ...condition, subject: 'b' },
        ]);
        board.set('chain', [condition]);
        board.set('backend', [{ ...condition, subject: 'b' }]);

        expect(board.active.map(({ alert, subject }) => `${alert} ${subject}`.trim())).toEqual(['backend b', 'chain']);
        expect(notices).toEqual(['raised a', 'raised b', 'raised', 'cleared a']);
    });
});

describe('A notice', () => {
    let server: Server;
    let bodies: string[];
    let statuses: number[];
    let url: string;
    let folder: string;

    beforeEach(async () => {
        bodies = [];
        statuses = [];
        folder = mkdtempSync(join(tmpdir(), 'cocoon-alerts-'));
        server = createServer((incoming, response) => {
            let body = '';
            incoming.on('data', (bytes) => (body += bytes));
            incoming.on('end', () => {
                bodies.push(body);
                response.writeHead(statuses.shift() ?? 200).end();
            });
        }).listen(0, '127.0.0.1');
        await once(server, 'listening');
        url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/hook`;
    });

    afterEach(() => {
        server.closeAllConnections();
        server.close();
        rmSync(folder, { recursive: true });
    });

    const written = (path: string): string => {
        try {
            return readFileSync(path, 'utf8');
        } catch {
            return '';
        }
    };

    it('comes to the webhook as JSON, again when it fails for a moment', async () => {
        statuses = [503];
        const notifier = new Notifier({ webhook: url }, log, [1]);
        notifier.send(notice);
        await until(() => bodies.length === 2);
        await notifier.close();

        const text = 'warning: it is wrong. mend it';
        expect(JSON.parse(bodies[1])).toEqual({ ...notice, text, content: text });
    });

    it('is sent again until the webhook takes it, and only then counts as delivered', async () => {
        statuses = [503, 404, 503, 401, 503, 429];
        const deliveredAt: number[] = [];
        const notifier = new Notifier({ webhook: url }, log, [1]);
        notifier.send(notice, () => deliveredAt.push(bodies.length));
        await until(() => deliveredAt.length > 0);
        await notifier.close();

        expect(deliveredAt).toEqual([7]);
    });

    const events = () => bodies.map((body) => (JSON.parse(body) as AlertNotice).event);

    it('that an alert is over comes after the notice that it was raised, also if that one was refused before', async () => {
        statuses = [503];
        const notifier = new Notifier({ webhook: url }, log, [1]);
        let delivered = 0;
        notifier.send(notice, () => {
            delivered++;
            notifier.send({ ...notice, event: 'cleared' }, () => delivered++);
        });
        await until(() => delivered === 2);
        await notifier.close();

        expect(events()).toEqual(['raised', 'raised', 'cleared']);
    });

    it('waits for the answer to the one before it', async () => {
        const notifier = new Notifier({ webhook: url }, log, [1]);
        notifier.send(notice);
        notifier.send({ ...notice, event: 'cleared' });
        notifier.send({ ...notice, subject: 'other' });
        await until(() => bodies.length === 3);
        await notifier.close();

        const ofOne = bodies.map((body) => JSON.parse(body) as AlertNotice).filter(({ subject }) => subject === '');
        expect(ofOne.map(({ event }) => event)).toEqual(['raised', 'cleared']);
    });

    it('that was never delivered is dropped when the alert is over, and nothing says that it is over', async () => {
        statuses = [503];
        const notifier = new Notifier({ webhook: url }, log, [60_000]);
        notifier.send(notice);
        await until(() => bodies.length === 1);
        await new Promise((resolve) => setTimeout(resolve, 20));
        notifier.send({ ...notice, event: 'cleared' });
        notifier.send({ ...notice, since: 2 });
        await until(() => bodies.length === 2); // no pause holds it up
        await notifier.close();

        expect(bodies.map((body) => JSON.parse(body) as AlertNotice)).toMatchObject([
            { event: 'raised', since: 1 },
            { event: 'raised', since: 2 },
        ]);
    });

    it('says raised to a webhook that has not heard of the alert, although a command has', async () => {
        statuses = [503];
        const notifier = new Notifier({ webhook: url, command: ['true'] }, log, [60_000]);
        await new Promise<void>((resolve) => notifier.send(notice, resolve));
        await until(() => bodies.length === 1);
        await new Promise((resolve) => setTimeout(resolve, 20));
        notifier.send({ ...notice, event: 'repeated' });
        await until(() => bodies.length === 2);
        await notifier.close();

        expect(events()).toEqual(['raised', 'raised']);
    });

    it('holds up a shutdown for three seconds at most, although its command and its webhook hang', async () => {
        const silent = createServer(() => undefined).listen(0, '127.0.0.1');
        await once(silent, 'listening');
        const webhook = `http://127.0.0.1:${(silent.address() as AddressInfo).port}/`;
        const notifier = new Notifier({ webhook, command: ['sleep', '60'] }, log);
        notifier.send(notice);
        await once(silent, 'request');
        const started = performance.now();
        await notifier.close();
        silent.closeAllConnections();
        silent.close();

        const ms = performance.now() - started;
        expect(ms).toBeGreaterThan(2900);
        expect(ms).toBeLessThan(8000); // less than the ten seconds of a webhook, however busy the machine
    });

    it('runs the command, with the notice on its input and in its environment', async () => {
        const out = join(folder, 'out');
        const script = join(folder, 'alert.sh');
        writeFileSync(script, `#!/bin/sh\n{ cat; echo; echo "$1 $COCOON_EVENT $COCOON_ALERT"; } > ${out}\n`, {
            mode: 0o755,
        });
        const notifier = new Notifier({ command: [script, 'mail'] }, log);
        notifier.send(notice);
        await until(() => written(out).endsWith('\n') && written(out).split('\n').length === 3);
        await notifier.close();

        const [body, rest] = written(out).split('\n');
        expect(JSON.parse(body)).toMatchObject(notice);
        expect(rest).toBe('mail raised wallet');
    });

    it('harms nothing when neither webhook nor command works', async () => {
        const notifier = new Notifier({ webhook: 'http://127.0.0.1:1/', command: [join(folder, 'absent')] }, log, [1]);
        notifier.send(notice);
        await notifier.close();
        expect(bodies).toEqual([]);
    });
});

const MIB = 2 ** 20;

/** A machine whose disk has 2000 MiB, so many of them free. */
const machineWith = (bytes: number) => ({
    ...{ nodeVersion: process.versions.node, assertWritable: () => undefined },
    ...{ freeBytes: () => bytes, totalBytes: () => 2000 * MIB },
});

/** A watch over readings that a test sets. */
function watchOf(
    overrides: Overrides = {},
    parts: Partial<WatchParts> = {},
    subject: { chain?: FakeChain; receiptKey?: object; encryptionKey?: object } = {},
) {
    const { chain = new FakeChain() } = subject;
    const backends: object[] = [];
    const readings = {
        backends,
        steady: 0,
        rounds: 0,
        jobs: [] as object[],
        cases: [] as object[],
        coins: 10n ** 9n,
        proof: {} as object,
        reusable: 0, // bytes in the file of the store
        features: [] as string[], // of the model that the node offers
        disputes: undefined as DisputesView | undefined,
    };
    const config = { ...configFor('/tmp', overrides) };
    const { machine = machineWith(2 ** 40) } = parts;
    const store = {
        jobs: { claimable: async ({ cursor }: { cursor?: Buffer }) => (cursor === undefined ? readings.jobs : []) },
        cases: { open: async () => readings.cases },
        reusableBytes: () => readings.reusable,
    };
    const key = { publicKey: signingKey(SEEDS.receiptKey).publicKey };
    const watch = new AlertWatch({
        context: {
            backends: {
                view: () => ({ backends: readings.backends, models: [] }),
                featuresOf: () => readings.features,
            },
            disk: new DiskRoom(config, machine, store, () => readings.steady),
            config,
            offers: { current: config.offers },
            store,
            log,
            now: () => chain.now(),
            ...{ receiptKey: key, encryptionKey: key, ...subject },
            chain,
        } as never,
        wallet: { address: config.node, balance: async () => readings.coins },
        minClaim: () => 1000n,
        claimRounds: () => readings.rounds,
        disputes: () => readings.disputes,
        attestation: { current: () => ({ tier: 'open', ...readings.proof }) as never },
        machine,
        steady: () => readings.steady,
        ...parts,
    });
    const active = async () => {
        await watch.round();
        return watch.board.active.map(({ alert }) => alert);
    };
    return { chain, readings, watch, active };
}

const jobOf = (refundAt: number, due: bigint) => ({
    job: Buffer.alloc(32, 7),
    voucher: { cumulative: due },
    snapshot: { paid: 0n, balance: due, refundAt },
});

describe('A running worker raises', () => {
    it('nothing when all is well', async () => {
        const { active } = watchOf();
        expect(await active()).toEqual([]);
    });

    it.each([
        { what: 'in half the margin', seconds: 900, due: 1000n, alerts: ['unclaimed'] },
        { what: 'later', seconds: 901, due: 1000n, alerts: [] },
        { what: 'that is worth no claim', seconds: 900, due: 999n, alerts: [] },
    ])('$alerts for a refund $what of $due nanoTON', async ({ seconds, due, alerts }) => {
        const { active, chain, readings } = watchOf({ marginSeconds: 1800 });
        readings.jobs = [jobOf(chain.now() + seconds, due)];
        expect(await active()).toEqual(alerts);
        readings.jobs = [];
        expect(await active()).toEqual([]);
    });

    it.each([
        { coins: 99_999_999n, alerts: ['wallet'] },
        { coins: 100_000_000n, alerts: [] },
    ])('$alerts for a wallet with $coins nanoTON', async ({ coins, alerts }) => {
        const { active, readings } = watchOf();
        readings.coins = coins;
        expect(await active()).toEqual(alerts);
        readings.coins = 10n ** 9n;
        readings.steady = 60;
        expect(await active()).toEqual([]);
    });

    it.each([
        { network: -239, form: /^send TON to UQ/ },
        { network: -3, form: /^send TON to 0Q/ },
    ])('alerts with addresses in the form of network $network', async ({ network, form }) => {
        const { active, readings, watch } = watchOf({ network });
        readings.coins = 0n;
        await active();
        expect(watch.board.active[0].remedy).toMatch(form);
    });

    it.each([
        { steady: 60, alerts: [] },
        { steady: 61, alerts: ['chain'] },
    ])('$alerts when no endpoint has answered for $steady seconds', async ({ steady, alerts }) => {
        const { active, chain, readings } = watchOf();
        expect(await active()).toEqual([]);
        chain.down = true;
        readings.steady = steady;
        expect(await active()).toEqual(alerts);
        chain.down = false;
        expect(await active()).toEqual([]);
    });

    it.each([
        { seconds: 59, alerts: [] },
        { seconds: 60, alerts: ['endpoints'] },
    ])('$alerts when endpoints do not agree for $seconds seconds', async ({ seconds, alerts }) => {
        const { active, readings, watch } = watchOf();
        const messages = { 'a.example': '1 TON, and 0 TON paid', 'b.example': 'no such channel' };
        readings.disputes = { jobs: 2, seconds, messages, used: 150_000_000n, allowance: 200_000_000n };

        expect(await active()).toEqual(alerts);
        expect(watch.board.active.map(({ message }) => message)).toEqual(
            alerts.map(
                () =>
                    'the endpoints of the chain do not agree about the channels of 2 jobs (of one: a.example says "1 TON, and 0 TON paid", b.example says "no such channel"): 0.15 of at most 0.2 TON are answered on the word of one',
            ),
        );
        readings.disputes = undefined;
        expect(await active()).toEqual([]);
    });

    it.each([
        { seconds: 1900, alerts: [] },
        { seconds: 1901, alerts: ['claims'] },
    ])('$alerts when no round of claims has ended for $seconds seconds', async ({ seconds, alerts }) => {
        const { active, readings } = watchOf({ claim: { seconds: 1000 } });
        readings.steady = 5000;
        expect(await active()).toEqual([]);
        readings.steady += seconds;
        expect(await active()).toEqual(alerts);
        readings.rounds++;
        expect(await active()).toEqual([]);
    });

    it('a chain that is down when the worker starts', async () => {
        const { active, chain } = watchOf();
        chain.down = true;
        expect(await active()).toEqual(['chain']);
    });

    it('a demand and a case, with what to do', async () => {
        const { active, readings, watch } = watchOf();
        readings.cases = [
            { class: 'A3', dispute: Buffer.alloc(32, 1), answerBy: 2_000_000_000 },
            { class: 'B1', dispute: Buffer.alloc(32, 2), answerBy: 0 },
        ];
        expect(await active()).toEqual(['demand', 'demand']);
        expect(watch.board.active[0].message).toContain('before 2033-05-18');
        expect(watch.board.active[1].remedy).toContain('cocoon dispute statement');
    });

    it('a backend that does not work, by its name', async () => {
        const { active, readings, watch } = watchOf();
        readings.backends = [{ name: 'gpu0' }, { name: 'gpu1', outage: { message: 'nothing answers' } }];
        expect(await active()).toEqual(['backend']);
        expect(watch.board.active[0]).toMatchObject({
            ...{ subject: 'gpu1', message: 'the backend gpu1 cannot be used: nothing answers' },
        });
        readings.backends.pop();
        expect(await active()).toEqual([]);
    });

    it.each([
        { bytes: 1, alerts: ['disk'] },
        { bytes: 712 * MIB - 1, alerts: ['disk'] },
        { bytes: 712 * MIB, alerts: [] },
        { bytes: 200 * MIB, alerts: [], overrides: { store: 'postgres://127.0.0.1/worker' } },
    ])('$alerts for $bytes free bytes: with less than 712 MiB a worker with a file takes no new work', async (on) => {
        const { bytes, alerts, overrides = {} } = on;
        expect(await watchOf(overrides, { machine: machineWith(bytes) }).active()).toEqual(alerts);
    });

    it.each([
        { bytes: 200 * MIB, alerts: [] },
        { bytes: 200 * MIB - 1, alerts: ['disk'] }, // of which its log and the rest of the machine need so much
    ])('$alerts for $bytes free bytes where its file has room for the answers', async ({ bytes, alerts }) => {
        const { active, readings } = watchOf({}, { machine: machineWith(bytes) });
        readings.reusable = 512 * MIB;
        expect(await active()).toEqual(alerts);
    });

    it.each([
        { bytes: 912 * MIB, features: ['logprobs'], alerts: [] },
        { bytes: 912 * MIB - 1, features: ['logprobs'], alerts: ['notes'] },
        { bytes: 912 * MIB - 1, features: ['embeddings'], alerts: ['notes'] },
        { bytes: 912 * MIB - 1, features: ['tools'], alerts: [] },
        { bytes: 712 * MIB, features: ['logprobs'], alerts: ['notes'] },
        { bytes: 712 * MIB - 1, features: ['logprobs'], alerts: ['disk'] },
    ])('$alerts for $bytes of 2000 MiB free where $features are sold', async ({ bytes, features, alerts }) => {
        const { active, readings } = watchOf({}, { machine: machineWith(bytes) });
        readings.features = features;
        expect(await active()).toEqual(alerts);
    });

    it.each([
        { seconds: 6 * 3600, alerts: ['attestation'] },
        { seconds: 6 * 3600 + 1, alerts: [] },
    ])('$alerts for an attestation in a file that ends in $seconds s', async ({ seconds, alerts }) => {
        const { active, chain, readings } = watchOf({ attestation: 'proof.json' });
        readings.proof = { tier: 'testca', expiry: chain.now() + seconds };
        expect(await active()).toEqual(alerts);
    });
});

describe('A running worker whose node is on chain', () => {
    const worker = new ExaminedWorker();
    beforeAll(() => worker.open());
    afterAll(() => worker.stop());

    it.each([
        { what: 'is open and covered', changes: {}, alerts: [] },
        { what: 'is closed', changes: { listing: { state: nodeStates.closed } }, alerts: ['node'] },
        { what: 'has another price', changes: { listing: { prompt: 1n } }, alerts: ['node'] },
        { what: 'has too little stake', changes: { provider: { stake: 10n ** 9n - 1n } }, alerts: ['stake'] },
    ])('raises $alerts when it $what', async ({ changes, alerts }) => {
        const { node, provider } = await worker.putOnChain(changes);
        const [registry, addresses] = [REGISTRY.toString(), { node: node.toString(), provider: provider.toString() }];
        const { active } = watchOf({ registry, ...addresses }, {}, await worker.subject());
        expect(await active()).toEqual(alerts);
    });
});

describe('/healthz and /readyz of a worker', () => {
    it('refuse new work as soon as a call to the chain has failed, as the worker does', async () => {
        const fixture = await startFixture({ alerts: { seconds: 1000 } });
        try {
            const client = await TestClient.withJob(fixture.worker.url, fixture.chain);
            await client.pay(client.voucher(5000n, 0));
            expect((await request(`${fixture.worker.url}/readyz`)).statusCode).toBe(200);
            fixture.chain.down = true;
            await fixture.worker.claimNow();
            expect((await request(`${fixture.worker.url}/readyz`)).statusCode).toBe(503);
        } finally {
            await fixture.stop();
        }
    });

    it('say that it lives, and why it is not ready while the chain is down', async () => {
        const fixture = await startFixture({ alerts: { seconds: 0.02 } });
        try {
            const get = async (path: string) => {
                const { statusCode, body } = await request(fixture.worker.url + path);
                return { statusCode, body: await body.json() };
            };
            expect(await get('/healthz')).toEqual({ statusCode: 200, body: { status: 'ok' } });
            expect(await get('/readyz')).toEqual({ statusCode: 200, body: { ready: true, reasons: [] } });
            fixture.chain.down = true;
            fixture.chain.advance(61);
            for (let i = 0; i < 200 && (await get('/readyz')).statusCode === 200; i++) {
                await new Promise((resolve) => setTimeout(resolve, 20));
            }
            expect(await get('/readyz')).toEqual({
                statusCode: 503,
                body: { ready: false, reasons: ['the chain cannot be reached'] },
            });
            const { alerts, readiness } = await fixture.worker.status();
            expect(alerts).toMatchObject([{ alert: 'chain', severity: 'warning' }]);
            expect(readiness).toMatchObject({ ready: false });
        } finally {
            await fixture.stop();
        }
    });
});
