/**
 * Commands of the operator to a running worker, through a socket that only the user of the process may open. Only one
 * process can open the store itself.
 */
import { createHash } from 'node:crypto';
import { chmodSync, rmSync } from 'node:fs';
import { createServer, type Server, type ServerResponse } from 'node:http';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { Agent, request } from 'undici';
import { toWire } from '../link';
import { earningsGroups } from '../store/earnings';
import { isPostgres } from '../process/storeAddress';
import { privateFolder } from '../store/privateFolder';
import type { WorkerConfig } from './config';
import type { Worker } from './main';

const MAX_PATH = 100; // bytes of a socket's path that every system accepts

/** What tells a process: its store, and its URL in a cluster. */
type AdminAddress = Pick<WorkerConfig, 'store' | 'cluster'>;

/** Beside the file, or in the folder of the user for a database. Undefined where no socket can be. */
function socketOf({ store, cluster }: AdminAddress): string | undefined {
    const process = cluster === undefined ? store : `${store} ${cluster.url}`;
    const name = createHash('sha256').update(process).digest('hex').slice(0, 16);
    const folder = isPostgres(store) ? privateFolder(homedir()) : undefined;
    const path = isPostgres(store) ? folder && join(folder, `${name}.sock`) : `${store}.sock`;
    return path === undefined || Buffer.byteLength(path) > MAX_PATH ? undefined : path;
}

/**
 * Serves `worker` to the command line; `reload` reads its configuration again. Undefined when there
 * is no place for the socket: the store's path is too long, or no folder of this user can be written.
 */
export async function serveAdmin(
    address: AdminAddress,
    worker: Pick<Worker, 'status' | 'claimNow' | 'earnings' | 'sweepNow' | 'sweepPlan' | 'setIntake' | 'intake'>,
    reload: () => Promise<unknown>,
): Promise<Server | undefined> {
    const path = socketOf(address);
    if (path === undefined) {
        return undefined;
    }
    const actions = new Map<string, () => Promise<unknown>>([
        ['GET /health', async () => ({ ok: true })],
        ['GET /status', () => worker.status()],
        ['POST /claim', () => worker.claimNow()],
        ['POST /reload', reload],
        ['GET /intake', () => worker.intake()],
        ['POST /pause', () => worker.setIntake('paused')],
        ['POST /resume', () => worker.setIntake('open')],
        ['POST /drain', () => worker.setIntake('draining')],
        ['GET /sweep', () => worker.sweepPlan()],
        ['POST /sweep', () => worker.sweepNow()],
        ['GET /sweep/all', () => worker.sweepPlan({ all: true })],
        ['POST /sweep/all', () => worker.sweepNow({ all: true })],
        ...earningsGroups.map((by) => [`GET /earnings/${by}`, () => worker.earnings(by)] as const),
    ]);
    const server = createServer((incoming, response) => {
        void answer(response, actions.get(`${incoming.method ?? ''} ${incoming.url ?? ''}`));
    });
    rmSync(path, { force: true }); // of a killed process: the store's lock shows that none runs
    await new Promise<void>((resolve, reject) => server.once('error', reject).listen(path, resolve));
    chmodSync(path, 0o600);
    return server;
}

async function answer(response: ServerResponse, action: (() => Promise<unknown>) | undefined): Promise<void> {
    try {
        response.statusCode = action === undefined ? 404 : 200;
        response.end(JSON.stringify(toWire(await action?.()) ?? null));
    } catch (error) {
        response.statusCode = 500;
        response.end(JSON.stringify((error as Error).message));
    }
}

/** The answer of the running worker of this address; undefined when none runs. */
export async function askWorker(address: AdminAddress, method: 'GET' | 'POST', path: `/${string}`): Promise<unknown> {
    const socketPath = socketOf(address);
    if (socketPath === undefined) {
        return undefined;
    }
    const dispatcher = new Agent({ connect: { socketPath }, headersTimeout: 0, bodyTimeout: 0 });
    try {
        const { statusCode, body } = await request(`http://worker${path}`, { method, dispatcher });
        const value: unknown = await body.json();
        if (statusCode === 200) {
            return value;
        }
        throw new Error(`The worker answered: ${String(value)}`);
    } catch (error) {
        const { code } = error as NodeJS.ErrnoException;
        if (code === 'ENOENT' || code === 'ECONNREFUSED') {
            return undefined;
        }
        throw error;
    } finally {
        await dispatcher.close();
    }
}
