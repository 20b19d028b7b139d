/** Requests that nobody should send: drawn from a seed, each sent over loopback, each to be answered in time. */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { type Dispatcher, request } from 'undici';
import { numbers } from '../../support/numbers';

/** How many requests, and milliseconds for each; `npm run test:doors` asks for more, in less time. */
export const COUNT = Number(process.env.DOOR_REQUESTS ?? 300);
export const WITHIN = Number(process.env.DOOR_MS ?? 10_000);

/** Bytes that something still refers to: what waits for the collector says how busy the machine is. */
export function memoryInUse(): number {
    setFlagsFromString('--expose-gc');
    (runInNewContext('gc') as () => void)();
    const { heapUsed, external } = process.memoryUsage();
    return heapUsed + external;
}

const METHODS: Dispatcher.HttpMethod[] = ['GET', 'POST', 'PUT', 'DELETE', 'HEAD', 'OPTIONS', 'PATCH'];
const TYPES = [
    'application/json',
    'application/octet-stream',
    'text/plain',
    'application/json; charset=x',
    'x',
    undefined,
];
const VALUES = [
    'null',
    '{}',
    '[]',
    '""',
    '-1',
    '1e999',
    '{"a":',
    '{"__proto__":{"x":1}}',
    '[[[[',
    '\ud800',
    '{"model":"x","messages":[]}',
];

/** What was not answered in time, or with a status above 503; the growth of memory in bytes is left to the caller. */
export async function fuzz(url: string, paths: string[], seed: number): Promise<string[]> {
    const below = numbers(seed);
    const wrong: string[] = [];
    const drawn = () => {
        const method = METHODS[below(METHODS.length)];
        const path = below(8) === 0 ? `/${'x'.repeat(below(300))}%${below(100)}` : paths[below(paths.length)];
        const type = TYPES[below(TYPES.length)];
        const body =
            below(3) === 0
                ? Buffer.from(Array.from({ length: below(2000) }, () => below(256)))
                : Buffer.from(below(6) === 0 ? '['.repeat(below(1 << 20)) : VALUES[below(VALUES.length)]);
        const headers = { connection: below(4) === 0 ? 'close' : 'keep-alive', ...(type && { 'content-type': type }) };
        return { method, path, headers, ...(method !== 'GET' && method !== 'HEAD' && { body }) };
    };
    for (let sent = 0; sent < COUNT; sent += 8) {
        await Promise.all(
            Array.from({ length: Math.min(8, COUNT - sent) }, async (_, i) => {
                const { path, ...options } = drawn();
                try {
                    const answer = await request(url + path, { ...options, signal: AbortSignal.timeout(WITHIN) });
                    await answer.body.dump();
                    if (answer.statusCode === 500) {
                        wrong.push(`${sent + i} ${options.method} ${path.slice(0, 60)}: 500`);
                    }
                } catch (error) {
                    const { name, code } = error as { name: string; code?: string };
                    // The server may close while a body that it refused is still on its way.
                    if (!['EPIPE', 'ECONNRESET', 'UND_ERR_SOCKET'].includes(code ?? '')) {
                        wrong.push(`${sent + i} ${options.method} ${path.slice(0, 60)}: ${code ?? name}`);
                    }
                }
            }),
        );
    }
    return wrong;
}
