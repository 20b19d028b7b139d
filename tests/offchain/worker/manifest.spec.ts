import { signingKey } from '@cocoon-market/wrappers';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { writeKeys } from '../../../offchain/worker';
import { readMoneyConfig, readWorkerConfig } from '../../../offchain/worker/config';
import { account } from '../support/worker';

let folder: string;
let receiptKey: string;

beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'cocoon-manifest-'));
    const { receiptKey: seed } = writeKeys(join(folder, 'keys.json'));
    receiptKey = signingKey(seed).publicKey.toString('hex');
    manifest();
});

afterEach(() => rmSync(folder, { recursive: true }));

function manifest(text = ''): void {
    writeFileSync(
        join(folder, 'fleet.yaml'),
        text ||
            `offers:
  Qwen/Qwen3-32B: { prompt: 0.2, cached: 0.1, completion: 0.8, reasoning: 0.9 }
  my/model: { prompt: 1, cached: 1, completion: 1, reasoning: 1, unlisted: true }
hardware:
  card: { class: 0, gpus: 1, vram: 24, model: RTX }
sites:
  home:
    region: eu
    uptime: 99
    hardware: card
    offers: [Qwen/Qwen3-32B, my/model]
    nodes:
      one: { endpoint: 'http://127.0.0.1:1', receiptKey: ${receiptKey}, encryptionKey: ${'ab'.repeat(32)} }
`,
    );
}

function config(fields: object): string {
    const path = join(folder, 'worker.json');
    const files = { keyFile: 'keys.json', store: 'worker.db', manifest: 'fleet.yaml' };
    const rest = {
        network: -239,
        endpoint: 'http://127.0.0.1:1/',
        listen: { port: 0 },
        backends: [{ kind: 'embedded' }],
    };
    const [node, provider] = [account(1).toRawString(), account(2).toRawString()];
    writeFileSync(path, JSON.stringify({ node, provider, ...files, ...rest, ...fields }));
    return path;
}

const rates = { prompt: '1', cached: '1', completion: '1', reasoning: '1' };

describe('A worker with a manifest', () => {
    it('has the models and rates of the node with its receipt key', () => {
        expect(readWorkerConfig(config({})).offers).toEqual([
            {
                model: 'Qwen/Qwen3-32B',
                rates: {
                    prompt: 200_000_000n,
                    cached: 100_000_000n,
                    completion: 800_000_000n,
                    reasoning: 900_000_000n,
                },
            },
            {
                model: 'my/model',
                rates: {
                    prompt: 1_000_000_000n,
                    cached: 1_000_000_000n,
                    completion: 1_000_000_000n,
                    reasoning: 1_000_000_000n,
                },
            },
        ]);
    });

    it('keeps other settings of a model in its configuration', () => {
        const { offers } = readWorkerConfig(config({ offers: [{ model: 'my/model', context: 4096 }] }));

        expect(offers.map(({ model, context }) => [model, context])).toEqual([
            ['Qwen/Qwen3-32B', undefined],
            ['my/model', 4096],
        ]);
    });

    it.each([
        ['states a price a second time', { offers: [{ model: 'my/model', rates }] }, 'remove "rates"'],
        [
            'has settings of a model that it does not offer',
            { offers: [{ model: 'x' }] },
            'a model that it offers: Qwen/Qwen3-32B, my/model',
        ],
        [
            'has settings of a model twice',
            { offers: [{ model: 'my/model', context: 4096 }, { model: 'my/model' }] },
            'settings of my/model twice\n  → leave one offer',
        ],
        ['does not exist', { manifest: 'absent.yaml' }, 'absent.yaml cannot be read'],
        ['is not named, and nothing is offered', { manifest: undefined }, 'offers no model\n  → name the fleet'],
    ])('is refused when it %s', (_, fields, complaint) => {
        expect(() => readWorkerConfig(config(fields))).toThrow(complaint);
    });

    it('is refused when no node has its receipt key, but its money can still be claimed', () => {
        const path = config({});
        writeKeys(join(folder, 'other.json'));
        config({ keyFile: 'other.json' });

        expect(() => readWorkerConfig(path)).toThrow('has no node with the receipt key');
        expect(readMoneyConfig(path).offers).toEqual([]);
    });

    it('is refused when a model is outside the catalogue and not marked so', () => {
        const path = config({});
        expect(readWorkerConfig(path).offers).toHaveLength(2);

        manifest(
            `offers:\n  my/model: { prompt: 1, cached: 1, completion: 1, reasoning: 1 }\nhardware: {}\nsites: {}\n`,
        );
        expect(() => readWorkerConfig(path)).toThrow('a model outside it says unlisted: true');
    });
});
