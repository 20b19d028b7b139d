/** Requests to an endpoint of OpenAI's API, as many at once as wanted, and the times that they took. */
import { setTimeout as sleep } from 'node:timers/promises';
import { Pool } from 'undici';
import { MODEL, promptOf, textOf } from './backend';

interface LoadOptions {
    url: string; // ends with /v1
    otherUrls?: string[]; // which take their turns with it
    headers?: Record<string, string>;
    concurrency: number;
    requests: number;
    chunks: number; // of each answer
    stream: boolean;
    paceMs?: number; // between two chunks; as fast as it can unless given
}

interface LoadTimes {
    seconds: number; // for all requests
    firstTokenMs: number[]; // by request, unordered: until the first bytes with text
}

const FIRST_TEXT = Buffer.from('word');
const LAST = '[DONE]';
const CONTENT = /"content":"([^"]*)"/g;

/** Makes the requests. Throws at the first answer whose text is not, to the letter, that of the model server. */
export async function load(options: LoadOptions): Promise<LoadTimes> {
    const { url, otherUrls = [], headers, concurrency, requests, chunks, stream, paceMs = 0 } = options;
    const { pathname } = new URL(url);
    const pools = [url, ...otherUrls].map((one) => new Pool(new URL(one).origin, { connections: concurrency }));
    const body = JSON.stringify({
        model: MODEL,
        messages: [{ role: 'user', content: promptOf(paceMs) }],
        max_tokens: chunks,
        stream,
    });
    const expected = textOf(chunks);
    const firstTokenMs: number[] = [];
    const ask = async (pool: Pool) => {
        const start = performance.now();
        const response = await pool.request({
            method: 'POST',
            path: `${pathname}/chat/completions`,
            headers: { 'content-type': 'application/json', ...headers },
            body,
        });
        let first: number | undefined;
        const parts: Buffer[] = [];
        for await (const bytes of response.body) {
            if (first === undefined && (bytes as Buffer).includes(FIRST_TEXT)) {
                first = performance.now() - start;
            }
            parts.push(bytes as Buffer);
        }
        const answer = Buffer.concat(parts).toString('utf8');
        const text = [...answer.matchAll(CONTENT)].map(([, content]) => content).join('');
        const isWhole = text === expected && answer.includes(LAST) === stream;
        if (response.statusCode !== 200 || first === undefined || !isWhole) {
            const start = answer.slice(0, 300);
            throw new Error(`${url} answered HTTP ${response.statusCode}, and not the ${chunks} words: ${start}`);
        }
        firstTokenMs.push(first);
    };
    let remaining = requests;
    const start = performance.now();
    try {
        await Promise.all(
            Array.from({ length: concurrency }, async (_, app) => {
                await sleep((app * paceMs) / concurrency); // so that chunks of different answers come at different times
                while (remaining-- > 0) {
                    await ask(pools[app % pools.length]);
                }
            }),
        );
        return { seconds: (performance.now() - start) / 1000, firstTokenMs };
    } finally {
        await Promise.all(pools.map((pool) => pool.destroy()));
    }
}
