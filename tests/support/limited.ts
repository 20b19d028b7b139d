/**
 * A door of its own to a network's API, which takes so many calls a second, as a public API counts them for each
 * caller.
 */
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { request } from 'undici';

export interface Limited {
    readonly url: string;
    /** Calls that were served, and those that were answered with 429. */
    readonly served: number;
    readonly refused: number;
    close(): void;
}

/** Passes calls on to the API at `url`. */
export async function limited(url: string, callsPerSecond: number): Promise<Limited> {
    const counts = { served: 0, refused: 0 };
    let lately: number[] = []; // when calls of the last second were served, milliseconds
    const answer = async (call: IncomingMessage, reply: ServerResponse) => {
        const body = (await call.toArray()) as Buffer[];
        const now = performance.now();
        lately = lately.filter((at) => now - at < 1000);
        if (lately.length >= callsPerSecond) {
            counts.refused++;
            reply.writeHead(429, { 'content-type': 'application/json' });
            return reply.end(JSON.stringify({ ok: false, error: 'Ratelimit exceed', code: 429 }));
        }
        lately.push(now);
        counts.served++;
        const headers = { 'content-type': 'application/json' };
        const passed = await request(url, { method: 'POST', headers, body: Buffer.concat(body) });
        reply.writeHead(passed.statusCode, headers);
        return reply.end(await passed.body.text());
    };
    const server = createServer((call, reply) => {
        answer(call, reply).catch(() => reply.destroy());
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    return {
        url: `http://127.0.0.1:${port}${new URL(url).pathname}`,
        get served() {
            return counts.served;
        },
        get refused() {
            return counts.refused;
        },
        close() {
            server.closeAllConnections();
            server.close();
        },
    };
}
