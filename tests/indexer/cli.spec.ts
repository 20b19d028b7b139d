/** `cocoon index` against a local network, as a user calls it. */
import { createHash } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { main } from '../../offchain/cli';
import { World } from './support/world';

let world: World;
let folder: string;

beforeAll(async () => {
    world = await World.start();
    const provider = await world.provider('alice');
    await world.node(provider);
    await world.demand(await world.wallet('bob'), 'a', 100);
    folder = mkdtempSync(join(tmpdir(), 'cocoon-index-'));
}, 120_000);

afterAll(async () => {
    await world.close();
    rmSync(folder, { recursive: true });
});

afterEach(() => {
    process.exitCode = 0;
});

/** What a command prints, and its exit code. */
async function run(...args: string[]): Promise<{ text: string; code: unknown }> {
    const lines: string[] = [];
    const spies = (['log', 'error'] as const).map((name) =>
        jest.spyOn(console, name).mockImplementation((...texts: unknown[]) => void lines.push(String(texts[0]))),
    );
    const usual = {
        '--registry': world.registry.toRawString(),
        '--network': String(world.net.networkId),
        '--store': join(folder, 'index.db'),
    };
    const others = Object.entries(usual).filter(([flag]) => !args.includes(flag));
    process.exitCode = 0;
    try {
        await main(['node', 'cocoon', 'index', ...args, ...others.flat()]);
        return { text: lines.join('\n'), code: process.exitCode ?? 0 };
    } finally {
        spies.forEach((spy) => spy.mockRestore());
    }
}

it('reads, exports with a hash, and matches both ways', async () => {
    const endpoint = ['--endpoint', world.net.url];
    const read = await run('--once', ...endpoint);
    expect(read).toMatchObject({ code: 0 });
    expect(read.text).toMatch(/^block \d+: \d+ transactions added, 0 undone, 4 accounts, \d+ calls$/);

    const path = join(folder, 'market.jsonl');
    const { text } = await run('--export', path, ...endpoint);
    const bytes = readFileSync(path);
    const lines = bytes.toString().trimEnd().split('\n');
    expect(text).toBe(`sha256 ${createHash('sha256').update(bytes).digest('hex')} of ${lines.length} lines`);
    expect([...lines].sort()).toEqual(lines);
    const types = lines.map((line) => (JSON.parse(line) as { type: string }).type);
    expect(types).toEqual(['demand', 'market', 'model', 'node', 'provider']);

    expect((await run('match', '--model', 'a')).text).toMatch(/^fits +500 +0:\w{64}\/0000000000 +https:\/\/node/m);
    const { key } = JSON.parse(lines[3]) as { key: string };
    expect((await run('match', '--node', key)).text).toMatch(/^fits +500 +0:\w{64} +100 a day/m);
    expect((await run('match', '--model', 'other')).text).toContain('It does not offer the model');
}, 60_000);

it('takes another market into an index that has read nothing, such as after a wrong network', async () => {
    const store = ['--store', join(folder, 'fresh.db')];
    const network = ['--network', '-3'];
    const away = await run('--once', ...store, '--endpoint', 'http://127.0.0.1:1/', ...network);
    expect(away).toMatchObject({ code: 1 });
    expect(away.text).toContain('--endpoint');
    expect((await run('match', '--model', 'a', ...store)).text).toContain('has not read the market yet');

    expect(await run('--once', ...store, '--endpoint', world.net.url)).toMatchObject({ code: 0 });
    const other = await run('--once', ...store, '--endpoint', world.net.url, ...network);
    expect(other.text).toContain('name another store, or the registry and the network of this one');
}, 60_000);

it('says what is wrong with its flags and its store', async () => {
    expect((await run('match')).text).toContain('name either --model ID or --node NODE');
    expect((await run('--at', 'today', '--export', '--endpoint', world.net.url)).text).toContain(
        '--at: "today" is not',
    );
    const other = await run('--once', '--endpoint', world.net.url, '--network', '-3');
    expect(other.code).toBe(1);
}, 60_000);
