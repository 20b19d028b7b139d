import { Provider } from '@cocoon-market/wrappers';
import { randomBytes } from 'node:crypto';
import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Stage } from '../../../demo/stage';
import { workerCommand } from '../../../offchain/cli/worker';
import { readFleet } from '../../../offchain/fleet';
import { readWorkerConfig } from '../../../offchain/worker/config';
import { startWorker } from '../../../offchain/worker';

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
});
