/**
 * `cocoon worker doctor`: a fit worker passes, and each fault is named with its remedy. Longer than 350 lines because
 * one table holds all faults.
 */
import {
    chmodSync,
    existsSync,
    mkdirSync,
    readdirSync,
    readFileSync,
    renameSync,
    rmSync,
    writeFileSync,
} from 'node:fs';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { nodeStates, signingKey } from '@cocoon-market/wrappers';
import { issueTestCa } from '../../../offchain/attest';
import { toWire } from '../../../offchain/link';
import { lockKey } from '../../../offchain/store/keyLock';
import { SqliteWorkerStore } from '../../../offchain/store/sqliteWorker';
import { readKeys, writeKeys } from '../../../offchain/worker';
import { weaknessOf } from '../../../offchain/worker/doctor/reach';
import { type Changes, ExaminedWorker } from '../support/examined';
import { chunk } from '../support/modelServer';

let worker: ExaminedWorker;

beforeEach(async () => {
    worker = await ExaminedWorker.start();
});

afterEach(() => worker.stop());

/** A store that the key of the worker has signed with. */
async function sign(store = worker.store): Promise<void> {
    const opened = await SqliteWorkerStore.open(store);
    await opened.guard(signingKey(readKeys(worker.keyFile).receiptKey).publicKey, `${worker.keyFile}.mark`);
    await opened.queries.deny({
        job: Buffer.alloc(32, 9),
        number: 1,
        request: Buffer.alloc(32),
        receipt: Buffer.alloc(8),
    });
    await opened.close();
}

/** The files of a worker with their content. */
function contents(): Map<string, string> {
    const names = readdirSync(worker.folder).filter((name) => name !== 'worker.json');
    return new Map(names.map((name) => [name, readFileSync(join(worker.folder, name)).toString('base64')]));
}

describe('A worker that is fit to serve', () => {
    it('passes every check, and doctor has changed neither store nor mark', async () => {
        await sign();
        const filesBefore = contents();

        const { passed, findings } = await worker.examine();

        // No GPU tool is installed here, the node has no attestation, and the listing names this machine.
        const others = findings.filter(({ state }) => state !== 'ok').map(({ check }) => check);
        expect(others).toEqual(['gpu', 'attestation', 'reachable']);
        expect(findings.filter(({ state }) => state === 'failed')).toEqual([]);
        expect(passed).toBe(true);
        const filesAfter = contents();
        for (const [name, content] of filesBefore) {
            expect([name, filesAfter.get(name)]).toEqual([name, content]);
        }
        expect([...filesAfter.keys()].filter((name) => name.startsWith('.doctor'))).toEqual([]);
    });
});

interface Fault {
    fault: string;
    check: string;
    remedy: RegExp;
    changes?: Changes | (() => Changes);
    prepare?: () => void | Promise<void>;
}

const manifest = { settings: { manifest: 'fleet.yaml', offers: [] } };
const manifestAndRates = { settings: { manifest: 'fleet.yaml' } };
const otherPrompt = { listing: { prompt: 1n } };
const model = { model: 'other', rates: { prompt: '1', cached: '1', completion: '1', reasoning: '1' } };

const FAULTS: Fault[] = [
    {
        ...{ fault: 'a version of Node.js that nobody tried', check: 'node-version', remedy: /install Node\.js/ },
        changes: { machine: { nodeVersion: '18.19.0' } },
    },
    {
        ...{ fault: 'a setting that does not exist', check: 'configuration', remedy: /docs\/worker\.md/ },
        changes: { settings: { colour: 'red' } },
    },
    {
        ...{ fault: 'a price with a typo', check: 'configuration', remedy: /docs\/worker\.md/ },
        changes: { settings: { offers: [{ model: 'echo', rates: { ...model.rates, prompt: '0.2' } }] } },
    },
    {
        ...{ fault: 'no key file', check: 'keys', remedy: /keygen/ },
        prepare: () => rmSync(worker.keyFile),
    },
    {
        ...{ fault: 'no key file beside a manifest', check: 'keys', remedy: /keygen/ },
        changes: manifest,
        prepare: () => rmSync(worker.keyFile),
    },
    { fault: 'no manifest', check: 'configuration', remedy: /^check its name$/, changes: manifest },
    { fault: 'two lists of rates', check: 'configuration', remedy: /^remove "rates"/, changes: manifestAndRates },
    {
        ...{ fault: 'a setting of an earlier release', check: 'configuration', remedy: /^write "backends", a list/ },
        changes: { settings: { backend: { kind: 'embedded' } } },
    },
    {
        ...{ fault: 'a key file that others may read', check: 'keys', remedy: /^chmod 600 / },
        prepare: () => chmodSync(worker.keyFile, 0o644),
    },
    {
        ...{ fault: 'keys of another node', check: 'node', remedy: /key file of this node/ },
        changes: { listing: { receiptKey: Buffer.alloc(32, 7) } },
    },
    {
        ...{ fault: 'a store of another key', check: 'store', remedy: /store of this key/ },
        prepare: async () => {
            await sign();
            renameSync(worker.keyFile, `${worker.keyFile}.old`);
            renameSync(`${worker.keyFile}.mark`, `${worker.keyFile}.old.mark`);
            writeKeys(worker.keyFile);
        },
    },
    {
        ...{ fault: 'a store that is no store', check: 'store', remedy: /restore a backup/ },
        prepare: () => writeFileSync(worker.store, 'x'.repeat(5000)),
    },
    {
        ...{ fault: 'an empty store under a key that has signed', check: 'mark', remedy: /newest store/ },
        prepare: async () => {
            await sign();
            rmSync(worker.store);
        },
    },
    {
        ...{ fault: 'a mark that is missing', check: 'mark', remedy: /mark beside the key file/ },
        prepare: async () => {
            await sign();
            rmSync(`${worker.keyFile}.mark`);
        },
    },
    {
        ...{ fault: 'a full disk', check: 'disk', remedy: /free space/ },
        changes: { machine: { freeBytes: () => 199 * 2 ** 20 } },
    },
    {
        ...{ fault: 'a read-only disk', check: 'disk', remedy: /may write/ },
        changes: {
            machine: {
                assertWritable: () => {
                    throw Object.assign(new Error('read-only'), { code: 'EROFS' });
                },
            },
        },
    },
    {
        ...{ fault: 'an endpoint of another network', check: 'endpoints', remedy: /-239 mainnet/ },
        prepare: () => void (worker.endpoint.network = -3),
    },
    {
        ...{ fault: 'an endpoint that does not run', check: 'endpoints', remedy: /"endpoint"/ },
        prepare: async () => {
            await worker.endpoint.stop();
            worker.chain.down = true;
        },
    },
    {
        ...{ fault: 'a clock that is wrong', check: 'clock', remedy: /set the clock/ },
        prepare: () => worker.chain.advance(61),
    },
    {
        ...{ fault: 'a node that the owner closed', check: 'node', remedy: /keep the worker running/ },
        changes: { listing: { state: nodeStates.closed } },
    },
    { fault: 'other rates than on chain', check: 'node', remedy: /prices/, changes: otherPrompt },
    {
        ...{ fault: 'a provider that is not that of the node', check: 'node', remedy: /set "provider" to/ },
        changes: { settings: { provider: `0:${'22'.repeat(32)}` } },
    },
    {
        ...{ fault: 'less stake than the nodes require', check: 'stake', remedy: /add 0\.000000001 TON/ },
        changes: { provider: { stake: 10n ** 9n - 1n } },
    },
    {
        ...{ fault: 'a sweep to another than the owner', check: 'sweep', remedy: /^set "sweep\.to" to the wallet/ },
        changes: { settings: { sweep: { to: `0:${'22'.repeat(32)}` } } },
    },
    {
        ...{ fault: 'a network that no address is of', check: 'configuration', remedy: /docs\/worker\.md/ },
        changes: { settings: { network: -3 } },
    },
    {
        ...{ fault: 'a provider in jail', check: 'stake', remedy: /cocoon worker init/ },
        changes: { provider: { jailed: true } },
    },
    {
        ...{ fault: 'a share that is used up', check: 'stake', remedy: /new receipt key/ },
        changes: { listing: { slashable: 0n } },
    },
    { fault: 'an empty wallet', check: 'wallet', remedy: /send 0\.3 TON to/, changes: { coins: 49_999_999n } },
    {
        ...{ fault: 'a model server that does not run', check: 'backend', remedy: /start the model server/ },
        prepare: () => worker.models.stop(),
    },
    {
        ...{ fault: 'a model that the server does not have', check: 'backend', remedy: /load the model/ },
        changes: { settings: { offers: [model] } },
    },
    {
        ...{ fault: 'a model that no backend serves', check: 'model echo', remedy: /"models" of a backend/ },
        changes: () => ({
            settings: { backends: [{ kind: 'openai', url: worker.models.url, models: { another: 'another' } }] },
        }),
    },
    {
        ...{ fault: 'a model server that does not stream', check: 'model echo', remedy: /"stream": true/ },
        prepare: () => worker.models.status(500),
    },
    {
        ...{ fault: 'a model server that counts no tokens', check: 'model echo', remedy: /update the model server/ },
        prepare: () => worker.models.events(chunk({ content: 'one' }, 'stop')),
    },
    {
        ...{ fault: 'a GPU tool that fails', check: 'gpu', remedy: /driver/ },
        prepare: () => {
            const line = "NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver.";
            fakeTool('nvidia-smi', `echo "${line}"; exit 9`);
        },
    },
    { fault: 'an attestation that has ended', check: 'attestation', remedy: /make the attestation again/, ...ended() },
    {
        ...{ fault: 'an endpoint in the listing that leads nowhere', check: 'reachable', remedy: /firewall/ },
        changes: { listing: { endpoint: 'http://127.0.0.1:1' } },
    },
];

/** Puts an executable into the PATH of this process; jest restores the environment at the end of the file. */
function fakeTool(name: string, script: string): void {
    const folder = join(worker.folder, 'bin');
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, name), `#!/bin/sh\n${script}\n`, { mode: 0o755 });
    process.env.PATH = `${folder}:${process.env.PATH}`;
}

function ended(): Pick<Fault, 'prepare' | 'changes'> {
    const keys = { node: Buffer.alloc(32), receiptKey: Buffer.alloc(32), encryptionKey: Buffer.alloc(32) };
    const proof = issueTestCa(signingKey(Buffer.alloc(32, 5)), keys, { measurement: Buffer.alloc(48), expiry: 1 });
    return {
        prepare: () => writeFileSync(join(worker.folder, 'proof.json'), JSON.stringify(toWire(proof))),
        changes: { settings: { attestation: 'proof.json' } },
    };
}

describe('Doctor names', () => {
    const { PATH } = process.env;
    afterEach(() => void (process.env.PATH = PATH));

    it.each(FAULTS)('$fault, with its remedy', async ({ check, remedy, changes = {}, prepare }) => {
        await prepare?.();

        const { passed, findings } = await worker.examine(typeof changes === 'function' ? changes() : changes);

        expect(passed).toBe(false);
        const failed = findings.filter(({ state }) => state === 'failed');
        expect(failed.map((finding) => finding.check)).toContain(check);
        const finding = failed.find((each) => each.check === check)!;
        expect(finding.remedy).toMatch(remedy);
        expect(finding.message).not.toContain(finding.remedy); // once
    });

    it('a port that another program has', async () => {
        const other = createServer((_request, response) => void response.end('{}')).listen(worker.port, '127.0.0.1');
        try {
            const failed = await worker.failures();

            expect(failed[0]).toMatchObject({
                check: 'port',
                blocks: true,
                remedy: expect.stringContaining('another port'),
            });
        } finally {
            other.close();
        }
    });

    it('a program at the listed endpoint that is not this worker', async () => {
        const other = createServer((_request, response) => void response.end('{"receiptKey":"00"}')).listen(0);
        const { port } = other.address() as { port: number };
        try {
            const failed = await worker.failures({ listing: { endpoint: `http://127.0.0.1:${port}` } });

            expect(failed).toMatchObject([{ check: 'reachable', message: expect.stringContaining('another program') }]);
        } finally {
            other.closeAllConnections();
            other.close();
        }
    });

    it('a worker with this key that runs at the listed endpoint with another configuration', async () => {
        const receiptKey = signingKey(readKeys(worker.keyFile).receiptKey).publicKey.toString('hex');
        const original = createServer((_request, response) => void response.end(JSON.stringify({ receiptKey })));
        await once(original.listen(0, '127.0.0.1'), 'listening');
        const { port } = original.address() as { port: number };
        try {
            const failed = await worker.failures({ listing: { endpoint: `http://127.0.0.1:${port}` } });

            expect(failed).toMatchObject([{ check: 'reachable', remedy: expect.stringContaining('never run two') }]);
        } finally {
            original.closeAllConnections();
            original.close();
        }
    });

    it.each([
        { minutes: 29, state: 'ok' },
        { minutes: 31, state: 'warning' },
    ])('a key without a mark whose node is $minutes minutes old: $state', async ({ minutes, state }) => {
        const at = worker.chain.now() - minutes * 60;
        worker.chain.history = async function* () {
            yield { at } as never;
        };

        const { findings } = await worker.examine();

        expect(findings.find(({ check }) => check === 'new-key')).toMatchObject({ state });
        expect(findings.find(({ check }) => check === 'mark')!.message).toContain('were not moved together');
    });

    it.each([
        { network: -239, url: 'https://toncenter.com/api/v2/jsonRPC', listed: 'https://worker.example.org' },
        { network: -3, url: 'http://127.0.0.1:8080', listed: 'http://127.0.0.1:9000' }, // all clients are here
    ])('no weakness of $listed on the chain at $url', ({ network, url, listed }) => {
        expect(weaknessOf(listed, { network, endpoint: url })).toBeUndefined();
    });

    it.each([
        { network: -3, url: 'https://testnet.toncenter.com/api/v2/jsonRPC', listed: 'http://127.0.0.1:9000' },
        { network: -3, url: 'https://testnet.toncenter.com/api/v2/jsonRPC', listed: 'https://10.0.0.5' },
        { network: -239, url: 'http://127.0.0.1:8080', listed: 'https://10.0.0.5' }, // a node of the chain of one's own
        { network: -239, url: 'http://127.0.0.1:8080', listed: 'http://worker.example.org' }, // without TLS
    ])('the weakness of $listed on the chain at $url', ({ network, url, listed }) => {
        expect(weaknessOf(listed, { network, endpoint: url })).toMatchObject({ state: 'warning' });
    });

    it('one network for all addresses once, however many there are', async () => {
        const { findings } = await worker.examine({ settings: { network: -3 } });

        const { message } = findings.find(({ check }) => check === 'configuration')!;
        expect(message).toContain('it is -3, but all addresses are of mainnet, which is -239');
        expect(message.split('\n').filter((line) => line.includes('mainnet'))).toHaveLength(1);
    });

    it('a chain that is down once, however many checks need it', async () => {
        await worker.endpoint.stop();
        worker.chain.down = true;

        expect((await worker.failures()).map(({ check }) => check)).toEqual(['endpoints']);
    });

    it('a second process with the same key', async () => {
        const { receiptKey } = readKeys(worker.keyFile);
        const lock = lockKey(signingKey(receiptKey).publicKey, worker.keyFile);
        try {
            expect(await worker.failures()).toMatchObject([{ check: 'process', blocks: true }]);
        } finally {
            lock.release();
        }
    });

    it('GPUs as nvidia-smi prints them', async () => {
        fakeTool('nvidia-smi', 'echo "NVIDIA GeForce RTX 4090, 24564"');

        const { findings } = await worker.examine();

        expect(findings.find(({ check }) => check === 'gpu')).toMatchObject({
            ...{ state: 'ok', message: '1 × NVIDIA GeForce RTX 4090, 24 GB' },
        });
    });

    it.each([
        { what: 'a disk with enough space', changes: { machine: { freeBytes: () => 200 * 2 ** 20 } } },
        { what: 'a clock within a minute', changes: {}, seconds: 59 },
        { what: 'the stake that the nodes require', changes: { provider: { stake: 10n ** 9n } } },
        { what: 'a wallet that can claim', changes: { coins: 50_000_000n } },
        { what: 'a library whose rent ends soon', changes: { libraryDays: 29 } },
    ])('no fault in $what', async ({ changes, seconds = 0 }) => {
        worker.chain.advance(seconds);

        expect(await worker.failures(changes)).toEqual([]);
    });

    it.each([
        { coins: 1_999_999_999n, state: 'warning' },
        { coins: 2_000_000_000n, state: 'ok' },
    ])('a wallet of $coins nanoTON as the alert does, with alerts.walletBelow of 2 TON: $state', async (row) => {
        const settings = { alerts: { walletBelow: '2000000000' } };
        const { findings } = await worker.examine({ coins: row.coins, settings });
        expect(findings.find(({ check }) => check === 'wallet')?.state).toBe(row.state);
    });

    it('no secret: neither a seed nor an API key is printed', async () => {
        const settings = {
            apiKey: 'key-of-the-endpoint',
            backends: [{ kind: 'openai', url: worker.models.url, apiKey: 'sk-1' }],
        };
        worker.models.status(401, { error: { message: 'wrong key sk-1' } });

        const text = JSON.stringify(await worker.examine({ settings }));

        expect(text).not.toContain('key-of-the-endpoint');
        expect(text).not.toContain('sk-1');
        for (const seed of Object.values(readKeys(worker.keyFile))) {
            expect(text).not.toContain(seed.toString('hex'));
        }
        expect(existsSync(worker.store)).toBe(false);
    });
});
