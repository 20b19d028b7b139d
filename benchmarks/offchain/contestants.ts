/** What is compared: our gateway and worker, two plain proxies, and Portkey's gateway where it is installed. */
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { request } from 'undici';
import { type RunningProcess, startCocoon } from '../../demo/processes';
import { freePort } from '../../demo/ports';
import { program } from '../../tooling/programs';
import { BenchMarket, type BenchGateway, type Start } from './market';
import { Relay } from './relay';

/** One that is measured. */
export interface Contestant {
    name: 'ours' | 'plain' | 'portkey' | 'sqlite' | 'postgres' | 'cluster';
    url: string; // ends with /v1
    otherUrls?: string[]; // of further gateways, which take their turns
    headers?: Record<string, string>;
    processes: Record<string, number>; // process ids by role
    database?: number; // process id of its server, whose CPU is told separately
}

export interface Contest {
    contestants: Contestant[];
    /** Counts of the stores' commits so far, by role; each waits for the disk once. */
    commits(): Promise<Record<string, number>>;
    /** Starts one more gateway, which reaches the worker through a relay, and returns what passed while `run` ran. */
    wireBytes(run: (gateway: Contestant) => Promise<unknown>): Promise<number>;
    close(): Promise<void>;
}

/** Where `npm ci --prefix benchmarks/portkey` puts it. */
const PORTKEY = join(__dirname, '../portkey');
const PORTKEY_START = join(PORTKEY, 'node_modules/@portkey-ai/gateway/build/start-server.js');

/** Starts everything. `say` is told each step before it begins. */
export async function openContest(folder: string, say: (step: string) => void): Promise<Contest> {
    const started: RunningProcess[] = [];
    const start = async (args: string[], entry: string[]) => {
        const process = await startCocoon(args, { entry });
        started.push(process);
        return process;
    };
    const closers: (() => unknown)[] = [];
    try {
        say('model server and plain proxies');
        const backend = await start([`${await freePort()}`], [program('benchBackend')]);
        const inner = await start([`${await freePort()}`, `${backend.url}/v1`], [program('benchProxy')]);
        const outer = await start([`${await freePort()}`, `${inner.url}/v1`], [program('benchProxy')]);
        say('local network, market, worker and gateway');
        const ours = await openOurs(folder, `${backend.url}/v1`, start);
        closers.push(ours.close);
        const contestants: Contestant[] = [
            ours.contestant,
            { name: 'plain', url: `${outer.url}/v1`, processes: { outer: outer.pid, inner: inner.pid } },
        ];
        if (existsSync(PORTKEY_START)) {
            say("Portkey's gateway");
            const portkey = await startPortkey(`${backend.url}/v1`);
            closers.push(portkey.close);
            contestants.push(portkey.contestant);
        }
        return { contestants, commits: ours.commits, wireBytes: ours.wireBytes, close };
    } catch (error) {
        await close();
        throw error;
    }

    async function close(): Promise<void> {
        await Promise.all(closers.map((each) => each()));
        await Promise.all(started.reverse().map((process) => process.end()));
    }
}

async function openOurs(folder: string, backendUrl: string, start: Start) {
    const market = await BenchMarket.open(folder, backendUrl, start);
    const worker = await market.addWorker({ name: 'worker' });
    const gateway = await market.addGateway({ name: 'app developer' }, worker.urls);
    const contestantOf = ({ urls: [url], processes: [{ pid }] }: BenchGateway): Contestant => ({
        ...{ name: 'ours', url, processes: { gateway: pid, worker: worker.processes[0].pid } },
    });
    return {
        contestant: contestantOf(gateway),
        commits: async () => ({ gateway: await gateway.commits(), worker: await worker.commits() }),
        wireBytes: async (run: (gateway: Contestant) => Promise<unknown>) => {
            const relayPort = await freePort();
            const relay = await Relay.open(relayPort, worker.seller.port);
            const other = await market.addGateway({ name: 'other developer' }, [`http://127.0.0.1:${relayPort}`]);
            await run({ ...contestantOf(other), processes: {} }); // opens its job
            const bytesBefore = relay.bytes;
            await run(contestantOf(other));
            const bytes = relay.bytes - bytesBefore;
            await other.processes[0].end();
            relay.close();
            return bytes;
        },
        close: async () => {
            await gateway.processes[0].end();
            await worker.processes[0].end();
        },
    };
}

async function startPortkey(backendUrl: string) {
    const port = await freePort();
    const args = ['-r', join(PORTKEY, 'preload.cjs'), PORTKEY_START, `--port=${port}`, '--headless'];
    const child = spawn(process.execPath, args, { stdio: 'ignore' });
    const url = `http://127.0.0.1:${port}`;
    for (let poll = 0; ; poll++) {
        const answers = await request(url)
            .then(({ body }) => body.dump())
            .catch(() => 'no');
        if (answers !== 'no') {
            break;
        }
        if (poll > 200 || child.exitCode !== null) {
            throw new Error('Portkey does not start');
        }
        await sleep(100);
    }
    const headers = {
        'x-portkey-provider': 'openai',
        'x-portkey-custom-host': backendUrl,
        authorization: 'Bearer none',
    };
    return {
        contestant: { name: 'portkey' as const, url: `${url}/v1`, headers, processes: { portkey: child.pid! } },
        close: () => child.kill(),
    };
}
