/** The short form of `npm run test:pack`: the packages without types, npm's registry and a browser. */
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import {
    existsSync,
    mkdirSync,
    mkdtempSync,
    readdirSync,
    readFileSync,
    rmSync,
    symlinkSync,
    writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { pathToFileURL } from 'node:url';
import { AnswerSealer } from '../../offchain/link/sealing';

const ROOT = join(__dirname, '../..');
const sealer = new AnswerSealer(Buffer.alloc(32, 10), 1, Buffer.alloc(16, 11));
const GIVEN = {
    nodeKey: '09'.repeat(32),
    answer: sealer.seal(Buffer.from('hi'), { final: true }).toString('hex'),
};

jest.setTimeout(120_000);

/** Runs lines of an ES module that may use the tools of this checkout. */
function run(lines: string[], cwd: string): string {
    const file = join(cwd, 'task.mjs');
    writeFileSync(file, lines.join('\n'));
    return execFileSync(process.execPath, [file], { cwd, encoding: 'utf8' });
}

const importOf = (path: string) => JSON.stringify(pathToFileURL(join(ROOT, path)).href);

interface Manifest {
    dependencies?: Record<string, string>;
    peerDependencies: Record<string, string>;
}

const manifestOf = (name: string) => JSON.parse(readFileSync(join(ROOT, name, 'package.json'), 'utf8')) as Manifest;
const needsOf = ({ dependencies, peerDependencies }: Manifest) => Object.keys({ ...dependencies, ...peerDependencies });

/** Makes the files of a package. */
function make(name: string, dist: string, cwd: string): void {
    const lines = [
        `import { makePackage } from ${importOf('tooling/package.mjs')};`,
        `await makePackage('${name}', ${JSON.stringify(dist)}, { types: false });`,
    ];
    run(lines, cwd);
}

/** Puts a package into an empty folder, as npm does, with what its package.json names; returns the package's folder. */
function install(name: string, folder: string): string {
    const installed = join(folder, 'node_modules/@cocoon-market', name);
    mkdirSync(installed, { recursive: true });
    for (const other of needsOf(manifestOf(name))) {
        const link = join(folder, 'node_modules', other);
        mkdirSync(dirname(link), { recursive: true });
        const places = [join(ROOT, name, 'node_modules', other), join(ROOT, 'node_modules', other)];
        symlinkSync(
            places.find((place) => existsSync(place))!,
            link,
        );
    }
    writeFileSync(join(installed, 'package.json'), readFileSync(join(ROOT, name, 'package.json')));
    writeFileSync(join(folder, 'package.json'), '{}');
    make(name, join(installed, 'dist'), folder);
    return installed;
}

/** What the files of an installed package name that only a checkout has. */
function strangersIn(installed: string, folder: string): unknown {
    const found = run(
        [
            `import { strangers } from ${importOf('tooling/packed.mjs')};`,
            `console.log(JSON.stringify(strangers(${JSON.stringify(installed)})));`,
        ],
        folder,
    );
    return JSON.parse(found);
}

describe('The packed wrappers', () => {
    const folder = mkdtempSync(join(tmpdir(), 'cocoon-pack-'));
    let installed: string;

    beforeAll(() => {
        installed = install('wrappers', folder);
    });
    afterAll(() => rmSync(folder, { recursive: true, force: true }));

    const probe = (kind: 'require' | 'import') =>
        JSON.parse(
            run(
                [
                    `import { runProbe } from ${importOf('tests/pack/steps.mjs')};`,
                    `console.log(JSON.stringify(runProbe(${JSON.stringify(folder)}, '${kind}', ${JSON.stringify(GIVEN)}, {`,
                    `    withClient: false,`,
                    `})));`,
                ],
                folder,
            ),
        ) as { same: Record<string, unknown> };

    it('do the same by require and by import, outside of this checkout', () => {
        const [required, imported] = [probe('require').same, probe('import').same];

        expect(imported).toEqual(required);
        expect(required).toMatchObject({ receipt: true, altered: false, equal: true, oneClass: true });
        expect(required.refusal).toContain('Voucher.count must be a whole number from 0 to 4294967295, got nothing');
    });

    it('name no file of this checkout, nothing of tests, and for browsers no module of Node.js', () => {
        expect(strangersIn(installed, folder)).toEqual([]);
    });

    it('hold the wire format for clients in other languages', () => {
        const read = (file: string) =>
            readFileSync(require.resolve(`@cocoon-market/wrappers/schema/${file}`, { paths: [folder] }), 'utf8');
        const abi = JSON.parse(read('abi/Channel.json')) as { name: string };

        expect(read('schema.tlb')).toBe(readFileSync(join(ROOT, 'docs/schema.tlb'), 'utf8'));
        expect(read('vectors/payloads.json')).toBe(readFileSync(join(ROOT, 'tests/vectors/payloads.json'), 'utf8'));
        expect(abi.name).toBe('Channel');
    });

    it('are the same bytes when they are made again', () => {
        const again = join(folder, 'again');
        make('wrappers', again, folder);

        expect(execFileSync('diff', ['-r', join(installed, 'dist'), again], { encoding: 'utf8' })).toBe('');
    });
});

describe('The packed client', () => {
    const folder = mkdtempSync(join(tmpdir(), 'cocoon-pack-'));
    afterAll(() => rmSync(folder, { recursive: true, force: true }));

    it('names no file of this checkout, nothing of tests, and for browsers no module of Node.js', () => {
        const installed = install('client', folder);

        expect(existsSync(join(installed, 'dist/web/index.mjs'))).toBe(true);
        expect(strangersIn(installed, folder)).toEqual([]);
    });
});

describe('The packed local network', () => {
    const folder = mkdtempSync(join(tmpdir(), 'cocoon-pack-'));
    let installed: string;
    let command: string;

    beforeAll(() => {
        installed = install('localnet', folder);
        command = join(installed, 'dist/node/main.js');
    });
    afterAll(() => rmSync(folder, { recursive: true, force: true }));

    const start = (...args: string[]) =>
        spawnSync(process.execPath, [command, ...args], { cwd: folder, encoding: 'utf8' });

    it('imports exactly the packages that it depends on', () => {
        const dist = join(installed, 'dist');
        const files = readdirSync(dist, { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('.js'));
        const required = files.flatMap((file) =>
            Array.from(
                readFileSync(join(dist, file), 'utf8').matchAll(/require\("(?!node:)((?:@[^/"]+\/)?[^./"][^/"]*)/g),
                ([, name]) => name,
            ),
        );

        expect([...new Set(required)].sort()).toEqual(needsOf(manifestOf('localnet')).sort());
    });

    it('names no file of this checkout', () => {
        expect(strangersIn(installed, folder)).toEqual([]);
    });

    it.each([
        ['mjs', `import { startLocalnet } from '@cocoon-market/localnet'; import { Address, Cell } from '@ton/core';`],
        [
            'cjs',
            `const { startLocalnet } = require('@cocoon-market/localnet'); const { Address, Cell } = require('@ton/core');`,
        ],
    ])('runs in the process of a program (%s), and replaces nothing of @ton/core there', (kind, imports) => {
        const file = join(folder, `program.${kind}`);
        const lines = [
            imports,
            `startLocalnet().then(async (localnet) => {`,
            `    const account = new Address(0, Buffer.alloc(32, 1));`,
            `    await localnet.faucet(account, 5n);`,
            `    const { balance } = await localnet.blockchain.getContract(account);`,
            `    console.log(JSON.stringify([String(balance), 'original' in Cell.prototype.toBoc]));`,
            `    await localnet.close();`,
            `});`,
        ];
        writeFileSync(file, lines.join('\n'));

        expect(JSON.parse(execFileSync(process.execPath, [file], { encoding: 'utf8' }))).toEqual(['5', false]);
    });

    it('has a command that serves, gives coins, and ends on SIGTERM with exit code 0', async () => {
        const network = spawn(process.execPath, [command, '--port', '0'], { cwd: folder });
        try {
            const [line] = (await once(createInterface(network.stdout), 'line')) as [string];
            const url = /http:\S+/.exec(line)![0];
            const account = `0:${'5a'.repeat(32)}`;
            const given = start('faucet', account, '2.5', '--port', new URL(url).port);
            const answer = await fetch(url.replace('jsonRPC', `getAddressBalance?address=${account}`));
            const ended = once(network, 'exit');
            network.kill('SIGTERM');

            expect(given.stdout).toBe(`gave 2.5 TON to ${account}\n`);
            expect(await answer.json()).toMatchObject({ ok: true, result: '2500000000' });
            expect(await ended).toEqual([0, null]);
        } finally {
            network.kill('SIGKILL');
        }
    });

    it('has a command that names itself in its help and its complaints', () => {
        expect(start('--help')).toMatchObject({
            status: 0,
            stdout: expect.stringMatching(/^Usage: cocoon-localnet \[/),
        });
        expect(start('advance', '5', '--port', '1')).toMatchObject({
            status: 1,
            stderr: 'no network runs at port 1: start "cocoon-localnet", or give --port\n',
        });
    });
});
