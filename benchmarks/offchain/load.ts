/** Requests to an endpoint of OpenAI's API, as many at once as wanted, and the times that they took. */
import { Pool } from 'undici';
import { MODEL } from './backend';

export interface LoadOptions {
    url: string; // ends with /v1
    otherUrls?: string[]; // which take their turns with it
    headers?: Record<string, string>;
    concurrency: number;
    requests: number;
    chunks: number; // of each answer
    stream: boolean;
}

export interface LoadTimes {
    seconds: number; // for all requests
    firstTokenMs: number[]; // by request, unordered: until the first bytes with text
}

const FIRST_TEXT = Buffer.from('word');
const LAST = '[DONE]';
const CONTENT = /"content":"([^"]*)"/g;

/** Makes the requests. Throws at the first answer that is not whole. */
export async function load(options: LoadOptions): Promise<LoadTimes> {
    const { url, otherUrls = [], headers, concurrency, requests, chunks, stream } = options;
    const { pathname } = new URL(url);
    const pools = [url, ...otherUrls].map((one) => new Pool(new URL(one).origin, { connections: concurrency }));
    const body = JSON.stringify({
        model: MODEL,
        messages: [{ role: 'user', content: 'Count to fifty, please.' }],
        max_tokens: chunks,
        stream,
    });
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
        const words = text.split('word').length - 1;
        if (
            response.statusCode !== 200 ||
            first === undefined ||
            words !== chunks ||
            answer.includes(LAST) !== stream
        ) {
            const start = answer.slice(0, 300);
            throw new Error(`${url} answered HTTP ${response.statusCode} with ${words} words of ${chunks}: ${start}`);
        }
        firstTokenMs.push(first);
    };
    let remaining = requests;
    const start = performance.now();
    try {
        await Promise.all(
            Array.from({ length: concurrency }, async (_, app) => {
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
