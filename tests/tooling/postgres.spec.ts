/** `npm run postgres`: a database for trying out stores. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { Client } from 'pg';
import { freePort } from '../../demo/ports';
import { optionsOf } from '../../tooling/postgres';

const ROOT = join(__dirname, '../..');

describe('npm run postgres', () => {
    it('refuses a port that is none, and a folder without a name', () => {
        expect(() => optionsOf(['--port', '0'])).toThrow('--port is a number from 1 to 65535, not "0"');
        expect(() => optionsOf(['--port', '5432x'])).toThrow('--port is a number from 1 to 65535, not "5432x"');
        expect(() => optionsOf(['--state', ''])).toThrow('--state is a folder, not ""');
    });

    it('prints the address of a database once it answers there, and keeps it in a folder that it is given', async () => {
        const folder = mkdtempSync(join(tmpdir(), 'cocoon-pg-'));
        const port = await freePort();
        const expected = `postgres://cocoon@127.0.0.1:${port}/postgres`;
        try {
            expect(await asked(await start(port, folder), 'SELECT 1 AS one')).toEqual([0, expected, [{ one: 1 }]]);
            expect(existsSync(join(folder, 'data/PG_VERSION'))).toBe(true);
        } finally {
            rmSync(folder, { recursive: true });
        }
    });
});

async function start(port: number, folder: string): Promise<{ child: ChildProcess; url: string }> {
    const args = ['-r', './tooling/typescript.js', 'tooling/postgres.ts', '--port', `${port}`, '--state', folder];
    const child = spawn(process.execPath, args, { cwd: ROOT, stdio: ['ignore', 'pipe', 'ignore'] });
    const [url] = (await once(createInterface(child.stdout), 'line')) as [string];
    return { child, url };
}

/** Asks the server and stops it: its exit code, its address, and the rows. */
async function asked({ child, url }: { child: ChildProcess; url: string }, text: string): Promise<unknown[]> {
    const client = new Client({ connectionString: url });
    client.on('error', () => undefined);
    await client.connect();
    const { rows } = await client.query<object>(text);
    await client.end();
    const ended = once(child, 'exit') as Promise<[number]>;
    child.kill('SIGINT');
    return [(await ended)[0], url, rows];
}
