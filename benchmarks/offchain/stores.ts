/**
 * What a store in PostgreSQL costs, and what more processes on it bring: one gateway and one worker on SQLite files, on
 * a database, and two of each on a database of the same server.
 */
import { spawn } from 'node:child_process';
import { mkdtempSync, chmodSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Client } from 'pg';
import { type RunningProcess, startCocoon } from '../../demo/processes';
import { freePort } from '../../demo/ports';
import { PostgresFiles } from '../../tests/offchain/support/postgres';
import { program } from '../../tooling/programs';
import type { Contestant } from './contestants';
import { load } from './load';
import { BenchMarket, type Start } from './market';
import { type BenchRow, measure, WARM_UP } from './measure';
import { type BenchReport, machine } from './report';

const CHUNKS = 50;
const CONCURRENCIES = [8, 32, 128];
const START_MS = 30_000;
const POLL_MS = 100;

/** Ratios of medians at one number of streams at once. */
export interface StoresRatios {
    concurrency: number;
    perSecond: number; // two of each over one of each, on a database
    cpu: number; // the same, CPU of a stream without the database
    cpuOverSqlite: number; // one of each on a database over one of each on files
}

export interface StoresReport extends Pick<BenchReport, 'machine' | 'rounds'> {
    rows: BenchRow[];
    ratios: StoresRatios[];
}

export async function runStores(rounds: number, scale: number, say: (text: string) => void): Promise<StoresReport> {
    const folder = mkdtempSync(join(tmpdir(), 'bench-'));
    const started: RunningProcess[] = [];
    const start: Start = async (args, entry) => {
        const process = await startCocoon(args, { entry });
        started.push(process);
        return process;
    };
    let database: Database | undefined;
    try {
        say('model server, local network and database');
        const backend = await start([`${await freePort()}`], [program('benchBackend')]);
        database = await startDatabase(folder);
        const market = await BenchMarket.open(folder, `${backend.url}/v1`, start);
        const contestants: { contestant: Contestant; count: number }[] = [];
        for (const { name, count } of [
            { name: 'sqlite', count: 1 },
            { name: 'postgres', count: 1 },
            { name: 'cluster', count: 2 },
        ] as const) {
            say(name);
            const server = name === 'sqlite' ? undefined : database;
            const store = await server?.create(`bench_${name}`);
            const worker = await market.addWorker({ name: `${name}-worker`, count, store });
            started.push(...worker.processes);
            const gateway = await market.addGateway({ name: `${name}-client`, count, store }, worker.urls);
            started.push(...gateway.processes);
            const [url, ...otherUrls] = gateway.urls;
            const roles = (role: string, all: RunningProcess[]) =>
                all.map(({ pid }, i) => [all.length === 1 ? role : `${role} ${i + 1}`, pid] as const);
            const processes = [...roles('gateway', gateway.processes), ...roles('worker', worker.processes)];
            const contestant = {
                ...{ name, url, otherUrls, processes: Object.fromEntries(processes) },
                ...(server !== undefined && { database: server.pid }),
            };
            contestants.push({ contestant, count });
        }
        for (const { contestant, count } of contestants) {
            say(`warm-up of ${contestant.name}`);
            const requests = count * Math.round(WARM_UP.requests * scale);
            await load({ ...contestant, ...WARM_UP, requests, chunks: CHUNKS, stream: true });
        }
        const part = (requests: number) => Math.max(4, Math.round(requests * scale));
        const one = {
            title: 'stores',
            ...{ stream: true, chunks: CHUNKS, concurrencies: CONCURRENCIES },
            requests: (concurrency: number) => part(20 * concurrency),
            warmUp: (concurrency: number) => part(20 * concurrency),
        };
        const all = { contestants: contestants.map(({ contestant }) => contestant) };
        const rows = await measure(all, one, { rounds, say });
        return { machine: machine(), rounds, rows, ratios: CONCURRENCIES.map((at) => ratiosAt(rows, at)) };
    } finally {
        await Promise.all(started.reverse().map((process) => process.end()));
        await database?.end();
        rmSync(folder, { recursive: true });
    }
}

function ratiosAt(rows: readonly BenchRow[], concurrency: number): StoresRatios {
    const row = (name: Contestant['name']) =>
        rows.find((one) => one.contestant === name && one.concurrency === concurrency)!;
    const [sqlite, postgres, cluster] = [row('sqlite'), row('postgres'), row('cluster')];
    return {
        concurrency,
        perSecond: cluster.perSecond.median / postgres.perSecond.median,
        cpu: cluster.cpuMs.median / postgres.cpuMs.median,
        cpuOverSqlite: postgres.cpuMs.median / sqlite.cpuMs.median,
    };
}

interface Database {
    pid: number;
    /** Makes an empty database; its address. */
    create(name: string): Promise<string>;
    end(): Promise<void>;
}

async function startDatabase(parent: string): Promise<Database> {
    chmodSync(parent, 0o711); // PostgreSQL may run as another user
    const folder = mkdtempSync(join(parent, 'pg-'));
    chmodSync(folder, 0o755);
    const files = PostgresFiles.install(folder);
    const { file, args, options } = files.command({ max_connections: '100' });
    const child = spawn(file, args, { ...options, stdio: 'ignore' });
    const query = async (text: string) => {
        const client = new Client({ connectionString: files.url() });
        await client.connect();
        await client.query(text).finally(() => client.end());
    };
    const end = async () => {
        if (child.exitCode === null) {
            const ended = new Promise((resolve) => child.once('exit', resolve));
            child.kill('SIGINT');
            await ended;
        }
    };
    for (let waited = 0; ; waited += POLL_MS) {
        try {
            await query('SELECT 1');
            break;
        } catch (error) {
            if (waited > START_MS || child.exitCode !== null) {
                await end();
                throw error;
            }
            await sleep(POLL_MS);
        }
    }
    const create = async (name: string) => {
        await query(`CREATE DATABASE ${name}`);
        return files.url(name);
    };
    return { pid: child.pid!, create, end };
}
