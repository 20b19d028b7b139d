import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import {
    chmodSync,
    copyFileSync,
    mkdirSync,
    mkdtempSync,
    readFileSync,
    rmSync,
    statSync,
    writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readKeys, writeKeys } from '../../../offchain/worker';
import { program } from '../../../tooling/programs';
import { account, RATES } from '../support/worker';

const command = (...args: string[]) => [program('cocoon'), 'worker', ...args];

let folder: string;
let config: string;

beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'cocoon-cli-'));
    config = join(folder, 'worker.json');
    writeKeys(join(folder, 'keys.json'));
    const offers = [{ model: 'cocoon-tiny', rates: RATES }];
    const [node, provider] = [account(1).toRawString(), account(2).toRawString()];
    const files = { keyFile: 'keys.json', store: 'worker.db' };
    const rest = {
        network: -239,
        endpoint: 'http://127.0.0.1:1/',
        listen: { port: 0 },
        backends: [{ kind: 'embedded' }],
    };
    writeFileSync(config, JSON.stringify({ node, provider, offers, ...files, ...rest }));
});

afterEach(() => rmSync(folder, { recursive: true }));

const run = (...args: string[]) => spawnSync(process.execPath, command(...args), { encoding: 'utf8' });

jest.setTimeout(300_000); // each test starts processes, however busy the machine

describe('cocoon worker', () => {
    it('keygen makes a file that only its owner reads, and prints no seed', () => {
        const out = join(folder, 'new.json');
        const { stdout, stderr, status } = run('keygen', '--out', out, '--json');

        expect(status).toBe(0);
        expect(statSync(out).mode & 0o777).toBe(0o600);
        expect(Object.keys(JSON.parse(stdout) as object)).toEqual(['receiptKey', 'encryptionKey', 'wallet']);
        for (const seed of Object.values(JSON.parse(readFileSync(out, 'utf8')) as object)) {
            expect(stdout + stderr).not.toContain(seed);
        }
        expect(run('keygen', '--out', out).status).toBe(1);
    });

    it('refuses a key file that others may read', () => {
        chmodSync(join(folder, 'keys.json'), 0o640);
        expect(() => readKeys(join(folder, 'keys.json'))).toThrow('chmod 600');
    });

    it('names every wrong field of a config', () => {
        writeFileSync(config, JSON.stringify({ node: 'x' }));
        const { stderr, status } = run('status', '--config', config);
        expect(status).toBe(1);
        expect(stderr).toContain('is not an address');
        expect(stderr).toContain('keyFile');
    });

    it('run keeps a second worker of the same key out whatever its store, and lets a restart in after a kill', async () => {
        const settings = JSON.parse(readFileSync(config, 'utf8')) as object;
        const other = join(folder, 'other.json');
        writeFileSync(other, JSON.stringify({ ...settings, store: 'other.db' }));
        mkdirSync(join(folder, 'copy'));
        copyFileSync(join(folder, 'keys.json'), join(folder, 'copy', 'keys.json'));
        const copied = join(folder, 'copy', 'worker.json');
        writeFileSync(copied, JSON.stringify(settings));
        const first = spawn(process.execPath, command('run', '--config', config));
        await once(first.stdout, 'data');

        for (const refused of [other, ...(process.platform === 'linux' ? [copied] : [])]) {
            const { status, stderr } = run('run', '--config', refused);
            expect(status).toBe(1);
            expect(stderr).toContain('Another process signs with this receipt key, and only one may');
        }
        const restore = run('restore', '--config', config, '--out', join(folder, 'new.json'));
        expect(restore.status).toBe(1);
        expect(restore.stderr).toContain('Another process signs');

        first.kill('SIGKILL');
        await once(first, 'exit');
        const again = spawn(process.execPath, command('run', '--config', config));
        const [line] = (await once(again.stdout, 'data')) as [Buffer];
        expect(line.toString()).toMatch(/^http:/);
        again.kill('SIGKILL');
        await once(again, 'exit');

        const { status, stdout } = run('restore', '--config', config, '--out', join(folder, 'new.json'));
        expect(status).toBe(0);
        expect(stdout).toContain('put the new receipt key on chain');
        const { stderr } = run('run', '--config', config);
        expect(stderr).toContain('The receipt key was retired');
    });

    it('run prints its URL, keeps a second process out, answers status, and ends at SIGTERM', async () => {
        const worker = spawn(process.execPath, command('run', '--config', config));
        const [line] = (await once(worker.stdout, 'data')) as [Buffer];
        expect(line.toString()).toMatch(/^http:\/\/127\.0\.0\.1:\d+\n$/);

        const second = run('run', '--config', config);
        expect(second.status).toBe(1);
        expect(second.stderr).toContain('runs already\n  → stop it first');
        const asked = performance.now();
        const status = run('status', '--config', config, '--json');
        expect(JSON.parse(status.stdout)).toMatchObject({ state: 'serving', running: 0, earned: '0' });
        expect(performance.now() - asked).toBeLessThan(30_000); // although no chain answers

        worker.kill('SIGTERM');
        const [code] = (await once(worker, 'exit')) as [number | null];
        expect(code).toBe(0);
        expect(JSON.parse(run('status', '--config', config, '--json').stdout)).toMatchObject({ state: 'stopped' });
    });
});
