/** `cocoon market serve` as a user starts it, and an index that is read while it is written. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { main } from '../../offchain/cli';
import { makeMarketServer } from '../../offchain/marketPage/server';
import { PostgresServer } from '../offchain/support/postgres';
import { TestIndex } from './support';
import { World } from './support/world';

const COCOON = join(__dirname, '../../offchain/bin/cocoon.js');

let world: World;
let folder: string;
const children: ChildProcess[] = [];

beforeAll(async () => {
    world = await World.start();
    const provider = await world.provider('alice');
    await world.node(provider);
    folder = mkdtempSync(join(tmpdir(), 'cocoon-market-'));
}, 120_000);

afterAll(async () => {
    children.forEach((child) => child.kill('SIGKILL'));
    await world.close();
    rmSync(folder, { recursive: true });
});

const marketFlags = () => [
    ...['--registry', world.registry.toRawString(), '--network', String(world.net.networkId)],
    ...['--endpoint', world.net.url],
];

function cocoon(...args: string[]) {
    const child = spawn(process.execPath, [COCOON, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
    children.push(child);
    let [output, errors] = ['', ''];
    child.stdout.on('data', (data: Buffer) => (output += data.toString()));
    child.stderr.on('data', (data: Buffer) => (errors += data.toString()));
    const ended = once(child, 'close').then(([code]) => ({ code: code as number | null, output, errors }));
    return { child, ended, firstLine: () => untilLine(() => output, ended) };
}

async function untilLine(text: () => string, ended: Promise<{ errors: string }>): Promise<string> {
    let errors: string | undefined;
    void ended.then((end) => (errors = end.errors));
    while (!text().includes('\n')) {
        if (errors !== undefined) throw new Error(errors);
        await new Promise((resolve) => setTimeout(resolve, 20));
    }
    return text().split('\n')[0];
}

const serve = (...flags: string[]) => cocoon('market', 'serve', '--listen', '127.0.0.1:0', '--json', ...flags);

async function figuresAt(url: string): Promise<Record<string, unknown>> {
    for (let tries = 0; tries < 200; tries++) {
        const response = await fetch(`${url}/market.json`);
        if (response.status === 200) return (await response.json()) as Record<string, unknown>;
        await new Promise((resolve) => setTimeout(resolve, 50));
    }
    throw new Error('The page never had a market');
}

it('follows the chain, lets another page read meanwhile, lets no second one write, and ends when asked to', async () => {
    const store = join(folder, 'followed.db');
    const first = serve('--follow', '--store', store, ...marketFlags());
    const { url, follows } = JSON.parse(await first.firstLine()) as { url: string; follows: boolean };
    expect(follows).toBe(true);
    expect(await figuresAt(url)).toMatchObject({ state: 'alive', openNodes: 1, gpus: 2, paidToday: '0' });

    const second = serve('--store', store);
    const { url: secondUrl } = JSON.parse(await second.firstLine()) as { url: string };
    expect(await figuresAt(secondUrl)).toMatchObject({ state: 'alive', openNodes: 1 });

    const writer = await cocoon('index', '--once', '--store', store, ...marketFlags()).ended;
    expect(writer.code).toBe(1);
    expect(writer.errors).toContain('is written by another process already');

    for (const each of [second, first]) {
        each.child.kill('SIGTERM');
        expect(await each.ended).toMatchObject({ code: 0, errors: '' });
    }
    // The page that read did not keep the file from its next writer.
    expect((await cocoon('index', '--once', '--store', store, ...marketFlags()).ended).code).toBe(0);
}, 120_000);

it('without an index it says so, makes none, and shows the market as soon as another process has read it', async () => {
    const store = join(folder, 'later.db');
    const page = serve('--store', store);
    const { url } = JSON.parse(await page.firstLine()) as { url: string };
    const absent = await fetch(url);
    expect(absent.status).toBe(503);
    expect(await absent.text()).toContain('There is no index yet');
    expect(existsSync(store)).toBe(false);
    expect((await cocoon('index', '--once', '--store', store, ...marketFlags()).ended).code).toBe(0);
    expect(await figuresAt(url)).toMatchObject({ openNodes: 1 });
    page.child.kill('SIGTERM');
    expect((await page.ended).code).toBe(0);
}, 120_000);

it.each([
    [['--follow'], 'Missing: --registry ADDRESS'],
    [['--listen', 'nowhere'], '"nowhere" is no place to listen'],
    [['--listen', '127.0.0.1:65536'], 'is no place to listen'],
    [['--measured', 'file:///x'], 'is no URL'],
])(
    '%s is refused: %s',
    async (flags, words) => {
        const spy = jest.spyOn(console, 'error').mockImplementation(() => undefined);
        try {
            await main(['node', 'cocoon', 'market', 'serve', ...flags, '--store', join(folder, 'none.db')]);
            expect(process.exitCode).toBe(1);
            expect(spy.mock.calls.join('\n')).toContain(words);
        } finally {
            spy.mockRestore();
            process.exitCode = 0;
        }
    },
    30_000,
);

it('an index in PostgreSQL that is being written gives the same page', async () => {
    const postgres = await PostgresServer.start();
    try {
        const now = () => world.net.now();
        const pages = [];
        for (const store of [await postgres.database(), join(folder, 'same.db')]) {
            const page = makeMarketServer({ store, now, freshMs: 0 });
            expect((await page.inject('/market.json')).statusCode).toBe(503);
            const index = await TestIndex.open(world, { store, now });
            await index.pass();
            const answers = ['/', '/market.json', '/nodes.csv', '/models.json'].map((path) => page.inject(path));
            pages.push((await Promise.all(answers)).map(({ body }) => body));
            await page.close();
            await index.close();
        }
        expect(pages[0]).toEqual(pages[1]);
        expect(pages[0][1]).toContain('"state":"alive"');
    } finally {
        await postgres.remove();
    }
}, 120_000);
