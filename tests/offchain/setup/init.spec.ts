// Longer than 350 lines because all runs of init share one market, which takes seconds to start.
import { parseTon, Provider } from '@cocoon-market/wrappers';
import { Address, Cell, loadStateInit } from '@ton/core';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Stage } from '../../../demo/stage';
import type { Transfer } from '../../../offchain/chain';
import { workerCommand } from '../../../offchain/cli/worker';
import { readFleet } from '../../../offchain/fleet';
import { readWorkerConfig } from '../../../offchain/worker/config';
import { waitUntil } from '../../../offchain/process/tasks';
import { startWorker } from '../../../offchain/worker';
import { ECHO } from '../support/backend';
import { ModelServer } from '../support/modelServer';

let stage: Stage;
let registry: string;
let wallet: string; // file
let folder: string;
let lines: string[];
let count = 0;

beforeAll(async () => {
    stage = await Stage.open();
    registry = (await stage.launch()).address.toString({ testOnly: true });
});

afterAll(() => stage.close());

beforeEach(async () => {
    const seed = randomBytes(32);
    await stage.wallet(`owner ${++count}`, seed);
    folder = join(stage.folder, `node-${count}`);
    wallet = join(stage.folder, `owner-${count}.key`);
    writeFileSync(wallet, seed.toString('hex'), { mode: 0o600 });
    lines = [];
    const hear = (...words: unknown[]) => void lines.push(words.join(' '));
    jest.spyOn(console, 'log').mockImplementation(hear);
    jest.spyOn(console, 'error').mockImplementation(hear);
});

afterEach(() => jest.restoreAllMocks());

const port = () => 30_000 + count;

/** The flags of a whole run, with some of them changed; undefined leaves one out. */
function flags(changes: Record<string, string | undefined> = {}): string[] {
    const all: Record<string, string | undefined> = {
        dir: folder,
        network: 'testnet',
        endpoint: stage.network.url,
        registry,
        wallet,
        url: `http://127.0.0.1:${port()}`,
        listen: `127.0.0.1:${port()}`,
        backend: 'embedded',
        'gpu-model': 'RTX 4090',
        vram: '24',
        prompt: '0.2',
        completion: '0.8',
        ...changes,
    };
    return Object.entries(all).flatMap(([name, value]) => (value === undefined ? [] : [`--${name}`, value]));
}

const init = (changes: Record<string, string | undefined> = {}, ...more: string[]) =>
    workerCommand().parseAsync(['init', ...flags(changes), '--yes', ...more], { from: 'user' });

describe('cocoon worker init', () => {
    it('makes files, joins, registers and funds, and the worker starts with its files', async () => {
        await init({}, '--json');

        const view = JSON.parse(lines.at(-1)!) as Record<string, string>;
        expect(view.config).toBe(join(folder, 'worker.json'));
        const config = readWorkerConfig(view.config);
        const [node] = await readFleet(stage.chain, config.provider);
        expect(node).toMatchObject({ number: 0, open: true, share: 10_000_000_000n });
        expect(node.service).toEqual({ region: 'unknown', uptime: 9900, endpoint: `http://127.0.0.1:${port()}` });
        const { stake } = await stage.chain.open(Provider.fromAddress(config.provider)).getProviderState();
        expect(stake).toBe(60_000_000_000n); // the base stake and one share
        expect((statSync(view.config).mode | statSync(view.keyFile).mode) & 0o077).toBe(0);
        expect(existsSync(join(folder, 'worker.init.json'))).toBe(false);

        const worker = await startWorker(config);
        expect(worker.nodeInfo.offers[0].rates).toEqual({
            prompt: 200_000_000n,
            cached: 100_000_000n,
            completion: 800_000_000n,
            reasoning: 800_000_000n,
        });
        expect((await worker.status()).wallet.balance).toBe(300_000_000n);
        await worker.close();
    });

    it('lists all that the owner signs with its amounts before it asks, and sends nothing to a wallet with less', async () => {
        await init({}, '--print');
        const [, whole] = /Now +([\d.]+) TON leave/.exec(lines.join('\n'))!;
        const registers = /3\. register node node-1: ([\d.]+) TON/.exec(lines.join('\n'))![1];
        const owning = async (funds: bigint) => {
            const [seed, file] = [randomBytes(32), `${wallet}-${funds}`];
            await stage.wallet('exact', seed, funds);
            writeFileSync(file, seed.toString('hex'), { mode: 0o600 });
            return { wallet: file, dir: `${folder}-${funds}` };
        };

        const poor = await owning(parseTon(whole) - 1n);
        await expect(init(poor)).rejects.toThrow(`needs ${whole} TON: fund it`);
        expect(existsSync(poor.dir)).toBe(false);
        lines = [];
        await init(await owning(parseTon(whole)));
        expect(lines.join('\n')).toContain('The node is on chain');
        expect(lines.join('\n')).toMatch(new RegExp(`RegisterNode to \\S+ with ${registers} TON`));
    });

    it('says that the worker sweeps to its owner, and with --no-sweep it does not', async () => {
        await init({}, '--print');
        expect(lines.join('\n')).toMatch(/Sweeping +the worker sends by itself .* to the owner/);
        expect(readWorkerConfig(join(folder, 'worker.json')).sweep).toBeDefined();

        await init({ dir: `${folder}-unswept` }, '--print', '--no-sweep');
        expect(lines.join('\n')).toMatch(/Sweeping +off/);
        expect(readWorkerConfig(join(`${folder}-unswept`, 'worker.json')).sweep).toBeUndefined();
    });

    it('looks at its folder before it asks or reads anything', async () => {
        const dir = join(wallet, 'node'); // below a file
        await expect(init({ dir, network: 'no network' })).rejects.toThrow(`${wallet} is no folder\n  → name another`);
    });

    it('run again, it changes nothing and sends nothing', async () => {
        await init();
        const before = ['worker.json', 'fleet.yaml', 'worker.key.json'].map((name) => readFileSync(join(folder, name)));
        const sent = stage.network.transactions.length;
        lines = [];

        await init({ url: undefined, prompt: undefined, completion: undefined });

        expect(stage.network.transactions).toHaveLength(sent);
        expect(
            ['worker.json', 'fleet.yaml', 'worker.key.json'].map((name) => readFileSync(join(folder, name))),
        ).toEqual(before);
        expect(lines.join('\n')).toContain('The node is on chain.');
    });

    it('prints what an owner elsewhere has to sign, waits for it, and goes on', async () => {
        const elsewhere = await stage.wallet('owner elsewhere');
        const owner = elsewhere.address.toString({ testOnly: true, bounceable: false });
        const waiting = init({ wallet: undefined, owner });
        const signed = new Set<string>();
        const sign = async () => {
            const file = join(folder, 'owner-request-1.json');
            const request = existsSync(file) ? readFileSync(file, 'utf8') : undefined;
            if (request !== undefined && !signed.has(request)) {
                signed.add(request);
                expect(statSync(file).mode & 0o077).toBe(0);
                const { network, from, messages } = JSON.parse(request) as TonConnectRequest;
                expect([network, from]).toEqual(['-3', elsewhere.address.toRawString()]);
                await elsewhere.send(messages.map(transferOf));
            }
            return existsSync(join(folder, 'worker.json')) && lines.join('').includes('The node is on chain');
        };
        await waitUntil(sign, { maxMs: 30_000 });
        await waiting;

        expect(signed.size).toBe(2); // join, and register
        expect(lines.join('\n')).toContain(join(folder, 'owner-request-1.json'));
        expect(lines.every((line) => line.length < 2100)).toBe(true); // whatever code a message carries
        expect(lines.join('\n')).toMatch(/Waiting for the signature of \S+ until \d{4}-.*Z/);
        const { provider } = readWorkerConfig(join(folder, 'worker.json'));
        expect(await readFleet(stage.chain, provider)).toHaveLength(1);
    });

    it('finds GPUs, model server and the prices of the market by itself', async () => {
        await init(); // another node, which sells the same model
        count++;
        const server = await new ModelServer().start();
        [folder, server.owner] = [`${folder}-second`, 'vllm'];
        const restore = withTools({ 'nvidia-smi': 'NVIDIA L40S, 46068\nNVIDIA L40S, 46068' });
        try {
            const model = `cocoon-tiny=${ECHO}`;
            const found = { 'gpu-model': undefined, vram: undefined };
            const where = { ...found, backend: server.url, model, wallet: undefined, owner: registry };
            await init(where, '--print');
            expect(lines.join('\n')).toContain('withdrawn about 14 days after you ask for it');
            expect(lines.join('\n')).toMatch(/first time +repeated +fault\n(.*\n){3} +[\d.]+ +[\d.]+ +a wrong/);
            expect(lines.filter((line) => line.startsWith('measuring the speed'))).toHaveLength(1);
            await init(where, '--print'); // goes on, and estimates again
            expect(lines.filter((line) => line.startsWith('measuring the speed'))).toHaveLength(2);
        } finally {
            restore();
            await server.stop();
        }

        const text = lines.join('\n');
        expect(text).toContain('GPUs: 2 × NVIDIA L40S, 45 GB, class 1');
        expect(text).toContain(`Backend: vllm at ${server.url}`);
        expect(text).toMatch(/Price +cocoon-tiny: prompt 0.2, .* completion 0.8, .*the market: \d+ providers/);
    });

    it.each([
        ['a market that does not exist', { registry: `0:${'ab'.repeat(32)}` }, 'There is no market at'],
        ['an account that is no market', { registry: 'OWNER' }, 'is no registry'],
        ['an endpoint of another network', { network: 'mainnet' }, 'network'],
        ['an endpoint that does not answer', { endpoint: 'http://127.0.0.1:1/' }, 'http://127.0.0.1:1 does not answer'],
        [
            'an endpoint that is silent, with the flag to mend it',
            { endpoint: 'http://127.0.0.1:1/' },
            '→ check --endpoint',
        ],
        ['no network', { network: undefined, registry: 'RAW' }, 'Missing: --network NAME'],
        ['an address of the market on another network', { network: '-239' }, 'is an address of testnet'],
        ['a model server that is absent', { backend: 'http://127.0.0.1:1/v1' }, 'ECONNREFUSED\n  → start the server'],
        [
            'a model server by host and port that is absent',
            { backend: '127.0.0.1:1' },
            'answers at http://127.0.0.1:1/v1',
        ],
        ['a price of nothing', { prompt: '0', registry: 'EMPTY' }, '0 TON for prompt is nothing'],
        ['an absurd price', { completion: '100.000000001', registry: 'EMPTY' }, 'more than 100 TON per million tokens'],
        ['a price with a typing error', { prompt: '0,2' }, '--prompt TON: "0,2" is not an amount'],
        ['no price where nobody sells the model', { prompt: undefined, registry: 'EMPTY' }, 'Missing: --prompt TON'],
        ['a price above any other', { completion: '101' }, 'more than 100 TON'],
        ['a URL without its scheme', { url: 'gpu.example.net:8443' }, 'is not the URL of a worker'],
        ['a class that the market does not take', { 'gpu-class': '7' }, 'takes no GPUs of class 7'],
        ['no GPU tool and no GPU named', { 'gpu-model': undefined }, 'No GPU was found'],
        ['a stake that is no amount', { stake: 'much' }, '--stake: "much" is not an amount'],
        ['a stake that the wallet cannot pay', { stake: '1000' }, 'holds 100 TON and needs 1000'],
        ['a wallet file that others may read', { wallet: 'OPEN' }, 'chmod 600'],
    ])('refuses %s, and leaves no file and no message', async (_, changes, complaint) => {
        const values = { ...changes } as Record<string, string | undefined>;
        if (values.registry === 'OWNER') {
            const other = await stage.wallet('no market');
            await other.send([{ to: other.address, value: 1n }]);
            values.registry = other.address.toRawString();
        }
        if (values.registry === 'RAW') {
            values.registry = Address.parse(registry).toRawString();
        }
        if (values.registry === 'EMPTY') {
            values.registry = (await stage.launch()).address.toRawString();
        }
        if (values.wallet === 'OPEN') {
            chmodSync(wallet, 0o644);
            values.wallet = wallet;
        }
        const restore = withTools({});
        const sent = stage.network.transactions.length;

        await expect(init(values)).rejects.toThrow(complaint);

        restore();
        expect(existsSync(folder)).toBe(false);
        expect(stage.network.transactions).toHaveLength(sent);
    });

    it('takes no price of five made-up sellers with --yes, and leaves no file and no message', async () => {
        const newMarket = (await stage.launch()).address.toRawString();
        for (let seller = 0; seller < 5; seller++) {
            const [seed, file, address] = [
                randomBytes(32),
                `${wallet}-${seller}`,
                `127.0.0.1:${port() + 1000 + seller}`,
            ];
            await stage.wallet('seller', seed);
            writeFileSync(file, seed.toString('hex'), { mode: 0o600 });
            const where = { dir: `${folder}-${seller}`, registry: newMarket, wallet: file };
            await init({ ...where, url: `http://${address}`, listen: address, prompt: '0.001', completion: '0.002' });
        }
        const sent = stage.network.transactions.length;
        const unpriced = { registry: newMarket, prompt: undefined, completion: undefined };

        await expect(init(unpriced)).rejects.toThrow('add --prompt 0.001 --completion 0.002, or prices of your own');
        expect(existsSync(folder)).toBe(false);
        expect(stage.network.transactions).toHaveLength(sent);
    });

    it('takes the prices of a manifest that exists, and asks for none', async () => {
        await init();
        ['worker.json', 'worker.init.json'].forEach((name) => rmSync(join(folder, name), { force: true }));
        lines = [];
        await init({ prompt: undefined, completion: undefined });

        expect(lines.join('\n')).toMatch(/Price +cocoon-tiny: prompt 0.2, cached 0.1, completion 0.8/);
    });

    it('refuses a port that is taken', async () => {
        const other = createServer().listen(port(), '127.0.0.1');
        await once(other, 'listening');

        await expect(init()).rejects.toThrow('another program listens there');
        other.close();
    });

    it('names a GPU tool that fails, with its own words', async () => {
        const restore = withTools({}, { 'nvidia-smi': "NVIDIA-SMI has failed because it couldn't communicate" });
        await expect(init({ 'gpu-model': undefined })).rejects.toThrow('No GPU was found');
        restore();

        expect(lines.join('\n')).toContain("nvidia-smi fails: NVIDIA-SMI has failed because it couldn't communicate");
    });

    it.each([
        { flag: undefined, gpus: '4 × NVIDIA GeForce RTX 3090, 24 GB' },
        { flag: 'NVIDIA L40S', gpus: '1 × NVIDIA L40S, 45 GB' },
    ])('has a node for each kind of GPU, and the owner chooses which: with $flag it is $gpus', async (row) => {
        const many = Array.from({ length: 4 }, () => 'NVIDIA GeForce RTX 3090, 24576').join('\n');
        const restore = withTools({ 'nvidia-smi': `${many}\nNVIDIA L40S, 46068` });
        await init({ 'gpu-model': row.flag, vram: undefined }, '--print').finally(restore);

        const text = lines.join('\n');
        expect(text).toContain(`GPUs: ${row.gpus}`);
        expect(text.includes('run init once for each')).toBe(row.flag === undefined);
    });

    it('adds a further node of the same owner from a folder of its own, with the stake of both', async () => {
        await init();
        const second = `127.0.0.1:${port() + 1000}`;
        await init({ dir: `${folder}-second`, url: `http://${second}`, listen: second });

        const { provider } = readWorkerConfig(join(`${folder}-second`, 'worker.json'));
        expect((await readFleet(stage.chain, provider)).map(({ open }) => open)).toEqual([true, true]);
        const { stake } = await stage.chain.open(Provider.fromAddress(provider)).getProviderState();
        expect(stake).toBe(70_000_000_000n);
    });

    it("gives up when the owner's signature never comes, and says how to go on", async () => {
        const owner = (await stage.wallet('silent')).address.toRawString();

        await expect(init({ wallet: undefined, owner, wait: '1' })).rejects.toThrow('run this again');
        expect(existsSync(join(folder, 'worker.init.json'))).toBe(true);
    });

    it('refuses flags that contradict the files of an earlier run', async () => {
        await init();
        const sent = stage.network.transactions.length;

        await expect(init({ prompt: '0.3' })).rejects.toThrow('--prompt 0.3 is not what');
        await expect(init({ url: 'http://127.0.0.1:1' })).rejects.toThrow('--url http://127.0.0.1:1 is not what');
        await expect(init({ model: 'qwen3:70b' })).rejects.toThrow('--model qwen3:70b is not what');
        await expect(init({ network: 'mainnet' })).rejects.toThrow('--network mainnet is not what');
        const elsewhere = `0:${'1'.repeat(64)}`;
        await expect(init({ registry: elsewhere })).rejects.toThrow(`--registry ${elsewhere} is not what`);
        const other = 'http://127.0.0.1:1/';
        await expect(init({ endpoint: other })).rejects.toThrow(`--endpoint ${other} is not what`);
        expect(stage.network.transactions).toHaveLength(sent);
    });
});

interface TonConnectRequest {
    network: string;
    from: string;
    messages: { address: string; amount: string; payload?: string; stateInit?: string }[];
}

/** A message as a wallet sends it for TonConnect. */
function transferOf({ address, amount, payload, stateInit }: TonConnectRequest['messages'][number]): Transfer {
    const { isBounceable, address: to } = Address.parseFriendly(address);
    const init = stateInit === undefined ? undefined : loadStateInit(Cell.fromBase64(stateInit).beginParse());
    return {
        ...{ to, value: BigInt(amount), bounce: isBounceable },
        ...(payload !== undefined && { body: Cell.fromBase64(payload) }),
        ...(init && { init: { code: init.code!, data: init.data! } }),
    };
}

/** Puts tools that print these texts into a PATH of their own; `failing` ones exit with 9, as without a driver. */
function withTools(printing: Record<string, string>, failing: Record<string, string> = {}): () => void {
    const { PATH } = process.env;
    const tools = mkdtempSync(join(tmpdir(), 'cocoon-tools-'));
    const write = (name: string, text: string, code: number) => {
        writeFileSync(join(tools, `${name}.txt`), text);
        writeFileSync(join(tools, name), `#!/bin/sh\n/bin/cat ${join(tools, name)}.txt\nexit ${code}\n`, {
            mode: 0o755,
        });
    };
    Object.entries(printing).forEach(([name, text]) => write(name, text, 0));
    Object.entries(failing).forEach(([name, text]) => write(name, text, 9));
    process.env.PATH = tools;
    return () => {
        process.env.PATH = PATH;
        rmSync(tools, { recursive: true });
    };
}
