import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { randomBytes } from 'node:crypto';
import { issueTestCa } from '../../offchain/attest';
import { counterOf } from '../../offchain/tokens';
import { IncomingAnswer } from '../../offchain/payer/incoming';
import { nodeInfo, RecordType, signReceipt, toWire } from '../../offchain/link';
import { openGatewayStore } from '../../offchain/store/sqliteGateway';
import { Accept, loadChannelData, Verifier } from '@cocoon-market/wrappers';
import { ask, Bench, RATES, startBench, until } from '../offchain/gateway/support';
import { testKey, useMarket } from '../support/market';

const market = useMarket();
let bench: Bench | undefined;

afterEach(async () => {
    await bench?.close();
    bench = undefined;
});

const queries = () => bench!.worker.wire.filter(({ path }) => path === '/v1/query');

describe('A node', () => {
    const authority = testKey(60);
    const measurement = Buffer.alloc(48, 7);

    it('that was attested with one encryption key gets no question sealed to another', async () => {
        bench = await startBench(market(), {
            config: {
                attestation: {
                    authority: authority.publicKey.toString('hex'),
                    measurements: [measurement.toString('hex')],
                },
            },
            before: ({ worker }) => {
                const expiry = market().now + 86_400;
                worker.attestation = issueTestCa(authority, worker.keys, { measurement, expiry });
                let asked = 0;
                // Honest until the job is open, then the key of a machine that nobody measured.
                worker.info = (info) => (++asked === 1 ? info : { ...info, encryptionKey: testKey(61).publicKey });
            },
        });

        expect((await bench.post(ask)).status).toBe(503);
        expect(bench.worker.wire.filter(({ path }) => path === '/v1/jobs')).toHaveLength(0);
        expect(queries()).toHaveLength(0);
    });

    it('whose attestation has expired gets no more questions', async () => {
        const expiry = market().now + 600;
        bench = await startBench(market(), {
            config: {
                attestation: {
                    authority: authority.publicKey.toString('hex'),
                    measurements: [measurement.toString('hex')],
                },
            },
            before: ({ worker }) => {
                worker.attestation = issueTestCa(authority, worker.keys, { measurement, expiry });
            },
        });
        expect((await bench.post(ask)).status).toBe(200);

        market().blockchain.now = expiry + 1;

        expect((await bench.post(ask)).status).toBe(503);
        expect(queries()).toHaveLength(1);
    });

    it('that says all numbers of a job are used is refused, and no question fails over it later', async () => {
        bench = await startBench(market(), { before: ({ worker }) => void (worker.highest = 0xffffffff) });

        expect((await bench.post(ask)).status).toBe(503);
        expect(bench.gateway.book.all[0].unfinished).toEqual([]);
    });

    it('cannot fill the memory with records of an answer that hold nothing', () => {
        const key = testKey(62);
        const asked = {
            job: randomBytes(32),
            number: 1,
            request: randomBytes(32),
            ceiling: 1000n,
            rates: RATES,
            askedAt: 1000,
            promptBound: 10,
            stopBound: 0,
        };
        const options = { maxAnswer: 1024, clock: () => ({ now: 1000, tolerance: 60 }), late: false };
        const verifier = new Verifier(key.publicKey);
        const incoming = new IncomingAnswer(asked, verifier, randomBytes(32), counterOf('any'), options);
        const { job, number, request, ceiling } = asked;
        const accept = signReceipt(Accept, { job, number, request, ceiling, deadline: 1600 }, key);
        incoming.take({ type: RecordType.Accept, bytes: accept });

        expect(() => incoming.take({ type: RecordType.Answer, bytes: Buffer.alloc(0) })).toThrow('empty');

        // Each record costs memory besides its bytes.
        const byByte = () => incoming.take({ type: RecordType.Answer, bytes: Buffer.alloc(1) });
        for (let i = 0; i < 16; i++) byByte();
        expect(byByte).toThrow('shorter than frames');
    });

    it('cannot put text of its own into messages and terminals by its addresses or models', async () => {
        bench = await startBench(market());
        let info: object = {};
        bench.worker.info = (honest) => {
            info = toWire(honest) as object;
            return honest;
        };
        await bench.post(ask);

        expect(nodeInfo.safeParse(info).success).toBe(true);
        expect(nodeInfo.safeParse({ ...info, node: '\u001b[2J gone' }).success).toBe(false);
        const offers = [{ model: '\u001b[2J gone', rates: toWire(RATES) }];
        expect(nodeInfo.safeParse({ ...info, offers }).success).toBe(false);
    });
});

describe('A gateway that is killed', () => {
    it('between a breach and its leaving has left the job, and does not go back to the node', async () => {
        bench = await startBench(market());
        await bench.post(ask);
        bench.worker.scripts.push({ result: (result) => ({ ...result, price: result.price + 1n }) });
        bench.gateway.closing.abandon = () => undefined; // the kill: nothing of it happens in this process
        expect((await bench.post(ask)).status).not.toBe(200);

        await bench.restart();
        await bench.gateway.recovery.recovered;
        const [job] = bench.gateway.book.all;
        expect(job.phase).toBe('leaving');
        expect(job.stored.note).toContain('its price is not that of its counts');
        const { status, body } = await bench.post(ask);
        expect(status).toBe(503);
        expect(body.error.message).toContain('not used for a while: the result is refused');

        await bench.gateway.sweep();
        const { refundAt } = loadChannelData((await bench.chain.account(job.channel)).data!);
        expect(refundAt).toBe(market().now + 3600); // the notice runs
    });

    it('comes back to a store of another escrow by mistake: it does not start', async () => {
        bench = await startBench(market());
        await bench.post(ask);
        const other = `0:${'77'.repeat(32)}`;

        await expect(bench.restart({ escrow: other })).rejects.toThrow('name another store for this escrow');
        const escrow = market().escrow.address.toRawString();
        await expect(bench.restart({ network: -3, escrow })).rejects.toThrow('another network than -3');
        await bench.restart();
        expect(bench.gateway.book.all).toHaveLength(1);
    });
});

describe('A program that asks without end', () => {
    it('gets 429 above the number of queries at once, and answers again below it', async () => {
        bench = await startBench(market(), { config: { maxQueries: 2 } });
        let go!: () => void;
        const gate = new Promise<void>((resolve) => (go = resolve));
        bench.worker.scripts.push({ wait: () => gate }, { wait: () => gate });
        const running = [bench.post(ask), bench.post(ask)];
        await until(() => queries().length === 2);

        const { status, headers, body } = await bench.post(ask);
        expect([status, headers['retry-after'], body.error.code]).toEqual([429, '1', 'too_many_queries']);

        go();
        expect((await Promise.all(running)).map((answer) => answer.status)).toEqual([200, 200]);
        expect((await bench.post(ask)).status).toBe(200);
    });
});

describe('A web page', () => {
    it('whose name points at this machine cannot spend the money of the gateway', async () => {
        bench = await startBench(market());

        const { status, body } = await bench.post(ask, { host: 'evil.example:10000' });

        expect([status, body.error.code]).toEqual([403, 'not_local']);
        expect(body.error.message).toContain('a proxy before it sets the header Host');
        expect(queries()).toHaveLength(0);
    });

    it('cannot spend it with a request that browsers send anywhere without asking', async () => {
        bench = await startBench(market());

        const { status } = await bench.post(ask, { 'content-type': 'text/plain', origin: 'http://evil.example' });

        expect(status).toBe(400);
        expect(queries()).toHaveLength(0);
    });
});

describe('Another user of the machine', () => {
    it('cannot read the store, which holds the keys of open questions', async () => {
        const folder = mkdtempSync(join(tmpdir(), 'store-'));
        const path = join(folder, 'gateway.sqlite');
        const store = await openGatewayStore(path);
        const modes = [path, `${path}-wal`].map((file) => statSync(file).mode & 0o077);
        await store.close();
        rmSync(folder, { recursive: true });

        expect(modes).toEqual([0, 0]);
    });
});
