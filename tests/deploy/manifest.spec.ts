import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { modelKey } from '@cocoon-market/wrappers';
import { sortArguments } from '../../scripting/argv';
import { formatDuration, parseDuration } from '../../scripting/flags';
import { readManifest } from '../../offchain/fleet';
import { readCatalogue } from '../../scripting/profile';

const folder = mkdtempSync(join(tmpdir(), 'cocoon-manifest-'));
const example = readFileSync('params/fleet.example.yaml', 'utf8');
const { models } = readCatalogue('params/catalogue.json');

afterAll(() => rmSync(folder, { recursive: true }));

/** What is said of the example after a change; with its file's name left out. */
function refusalOf(change: (text: string) => string): string {
    const file = join(folder, 'fleet.yaml');
    const text = change(example);
    expect(text).not.toBe(example);
    writeFileSync(file, text);
    try {
        readManifest(file, models);
    } catch (error) {
        return (error as Error).message.replaceAll(file, 'fleet.yaml');
    }
    throw new Error('nothing was refused');
}

const lineOf = (text: string) => example.split('\n').findIndex((line) => line.includes(text)) + 1;

describe('A manifest', () => {
    it('names sites, hardware, offers and nodes', () => {
        const { nodes, sites } = readManifest('params/fleet.example.yaml', models);

        expect(sites).toEqual([{ name: 'fra1', nodes: 2, gpus: 16 }]);
        expect(nodes[0].name).toBe('fra1-001');
        expect(nodes[0].listing.hardware).toEqual({ gpuClass: 3, gpus: 8, vram: 80, model: 'NVIDIA H100 SXM' });
        expect(nodes[0].listing.service).toEqual({
            region: 'eu-central',
            uptime: 9950,
            endpoint: 'https://fra1-001.example.net:8443',
        });
        expect(nodes[0].listing.offers[1]).toEqual({
            model: modelKey('Qwen/Qwen3-32B'),
            prompt: 200_000_000n,
            cached: 100_000_000n,
            completion: 800_000_000n,
            reasoning: 800_000_000n,
        });
    });

    it.each([
        [
            'an unknown field',
            'uptime: 99.5',
            'uptimes: 99.5',
            'a site has no field "uptimes"\n  → it takes region, uptime,',
        ],
        ['a missing field', '    region: eu-central\n', '', '"region" is missing'],
        [
            'a model of no catalogue',
            '  Qwen/Qwen3-32B: {',
            '  Qwen/Qwen9: {',
            '"Qwen/Qwen9" is not in the catalogue\n  → there are deepseek',
        ],
        [
            'an offer that is not made',
            '[deepseek-ai/DeepSeek-R1-Distill-Qwen-32B, Qwen',
            '[deepseek, Qwen',
            'offers has no "deepseek"',
        ],
        [
            'hardware that is not there',
            'hardware: h100',
            'hardware: h200',
            'hardware has no "h200"\n  → there are h100',
        ],
        ['a price with a typing error', 'prompt: 0.2,', 'prompt: 0.2.1,', 'prompt: "0.2.1" is not an amount in TON'],
        [
            'a price of more than 64 bits',
            'prompt: 0.2,',
            'prompt: 18446744073.709551616,',
            'prompt: 18446744073.709551616 TON is more than an offer can say, which is 18446744073.709551615 TON',
        ],
        ['half a GPU', 'gpus: 8', 'gpus: 8.5', 'gpus: "8.5" is not a whole number from 1 to 65535'],
        ['no GPU', 'gpus: 8', 'gpus: 0', 'gpus: "0" is not a whole number from 1 to 65535'],
        ['too much uptime', 'uptime: 99.5', 'uptime: 100.5', 'uptime: "100.5" is not a percentage'],
        [
            'an endpoint that is no URL',
            'https://fra1-001.example.net:8443',
            'fra1-001:8443',
            '"fra1-001:8443" is not a URL',
        ],
        [
            'a key that anyone can sign with',
            '1f8af0c3fb2f1c67ffa6d7c1f6a5b9d51a1f4dd3f6ed9e8a1f8a6f38dc0a3c51',
            `01${'0'.repeat(62)}`,
            'receiptKey: This Ed25519 public key is of small order',
        ],
        ['a key with a digit too few', 'dc0a3c51', 'dc0a3c5', 'receiptKey: "1f8af0c3'],
        [
            'an endpoint twice',
            'fra1-002.example',
            'fra1-001.example',
            'endpoint https://fra1-001.example.net:8443 is that of fra1-001 too',
        ],
        ['a node twice', 'fra1-002:', 'fra1-001:', 'Map keys must be unique\n  → remove one of them'],
        ['what is not YAML', 'sites:', 'sites: [', 'the file has to be YAML'],
    ])('with %s is refused with the line and the remedy', (_, from, to, complaint) => {
        const said = refusalOf((text) => text.replace(from, to));

        expect(said).toMatch(/^fleet\.yaml:\d+: /);
        expect(said).toContain(complaint);
    });

    it('may state the highest price that an offer can say', () => {
        const file = join(folder, 'fleet.yaml');
        writeFileSync(file, example.replace('prompt: 0.2,', 'prompt: 18446744073.709551615,'));

        const [{ listing }] = readManifest(file, models).nodes;
        expect(listing.offers.map(({ prompt }) => prompt)).toContain(2n ** 64n - 1n);
    });

    it('is refused at the line of the mistake', () => {
        const said = refusalOf((text) => text.replace('uptime: 99.5', 'uptimes: 99.5'));

        expect(said).toMatch(new RegExp(`^fleet\\.yaml:${lineOf('uptime: 99.5')}: `));
    });
});

describe('Times', () => {
    it.each([
        ['90m', 5400],
        ['36h', 129_600],
        ['14d', 1_209_600],
    ])('%s are %i seconds, and back', (text, seconds) => {
        expect(parseDuration(text)).toBe(seconds);
        expect(parseDuration(formatDuration(seconds))).toBe(seconds);
    });

    it.each(['', '5', '1.5h', '-1h', '1w'])('"%s" is none', (text) => {
        expect(() => parseDuration(text)).toThrow('is not a time');
    });
});

describe("A script's own flags", () => {
    it.each([
        ['run x --testnet --yes', 'run x --testnet -- --yes'],
        ['run x --stake 3 --mnemonic', 'run x --mnemonic -- --stake 3'],
        ['run x --custom URL --custom-type testnet a', 'run x --custom URL --custom-type testnet -- a'],
        ['run x --custom=URL --yes', 'run x --custom=URL -- --yes'],
        ['run x --testnet -- --mainnet', 'run x --testnet -- --mainnet'],
        ['run x --testnet', 'run x --testnet'],
        ['build --all', 'build --all'],
        ['run --help', 'run --help'],
    ])('of "%s" stand behind those of Blueprint', (given, sorted) => {
        expect(sortArguments(given.split(' ')).join(' ')).toBe(sorted);
    });
});
