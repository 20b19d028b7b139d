/**
 * Commands of the operator to a running worker, through a socket beside its store that only the user of the process may
 * open. Only one process can open the store itself.
 */
import { chmodSync, rmSync } from 'node:fs';
import { createServer, request, type Server, type ServerResponse } from 'node:http';
import { toWire } from '../link';
import type { Worker } from './main';

const MAX_PATH = 100; // bytes of a socket's path that every system accepts

function socketOf(store: string): string {
    return `${store}.sock`;
}

/** Serves `worker` to the command line. Undefined when the store's path is too long for a socket beside it. */
export async function serveAdmin(
    store: string,
    worker: Pick<Worker, 'status' | 'claimNow'>,
): Promise<Server | undefined> {
    const path = socketOf(store);
    if (Buffer.byteLength(path) > MAX_PATH) {
        return undefined;
    }
    const actions = new Map<string, () => Promise<unknown>>([
        ['GET /status', () => worker.status()],
        ['POST /claim', () => worker.claimNow()],
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

/** The answer of the running worker of this store; undefined when none runs. */
export async function askWorker(store: string, method: 'GET' | 'POST', path: '/status' | '/claim'): Promise<unknown> {
    return new Promise((resolve, reject) => {
        const outgoing = request({ socketPath: socketOf(store), method, path, agent: false }, (response) => {
            const chunks: Buffer[] = [];
            response.on('data', (chunk: Buffer) => chunks.push(chunk));
            response.on('error', reject);
            response.on('end', () => {
                const value: unknown = JSON.parse(Buffer.concat(chunks).toString('utf8'));
                if (response.statusCode === 200) {
                    resolve(value);
                } else {
                    reject(new Error(`The worker answered: ${String(value)}`));
                }
            });
        });
        outgoing.once('error', (error: NodeJS.ErrnoException) => {
            if (error.code === 'ENOENT' || error.code === 'ECONNREFUSED') {
                resolve(undefined);
            } else {
                reject(error);
            }
        });
        outgoing.end();
    });
}
