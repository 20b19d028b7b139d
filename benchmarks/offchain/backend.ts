/**
 * The model server of the benchmark. It answers at once, one chunk in each turn of its event loop, so that a reader
 * gets chunks one by one. A prompt may ask for a pace, as of a server that computes them.
 */
import { createServer, type ServerResponse } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';

/** The model that it serves; no catalogue has it. */
export const MODEL = 'bench-model';

interface ChatRequest {
    max_tokens?: number;
    stream?: boolean;
}

/** The words of an answer, one a chunk. */
const wordOf = (number: number) => ` word${number % 10}`;

/** The whole text of an answer. */
export const textOf = (words: number): string => Array.from({ length: words }, (_, i) => wordOf(i + 1)).join('');

/** The prompt of a query whose answer comes as fast as it can, or one word each so many milliseconds. */
export const promptOf = (paceMs = 0): string =>
    paceMs === 0 ? 'Count, please.' : `Count, please, one word each ${paceMs} ms.`;

const PACE = /one word each (\d+) ms/;

const usageOf = (words: number) => ({ prompt_tokens: 8, completion_tokens: words, total_tokens: 8 + words });

const chunkOf = (delta: object, finish: string | null, words: number) =>
    `data: ${JSON.stringify({
        ...{ id: 'bench', object: 'chat.completion.chunk', created: 1, model: MODEL },
        choices: [{ index: 0, delta, finish_reason: finish }],
        usage: usageOf(words),
    })}\n\n`;

async function stream(response: ServerResponse, words: number, paceMs: number): Promise<void> {
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    for (let word = 1; word <= words && !response.destroyed; word++) {
        response.write(chunkOf({ content: wordOf(word) }, null, word));
        await (paceMs === 0 ? nextTurn() : sleep(paceMs));
    }
    if (!response.destroyed) {
        response.write(chunkOf({}, 'length', words));
        response.end('data: [DONE]\n\n');
    }
}

const nextTurn = () => new Promise<void>((resolve) => setImmediate(resolve));

function whole(response: ServerResponse, words: number): void {
    response.writeHead(200, { 'content-type': 'application/json' }).end(
        JSON.stringify({
            ...{ id: 'bench', object: 'chat.completion', created: 1, model: MODEL },
            choices: [{ index: 0, message: { role: 'assistant', content: textOf(words) }, finish_reason: 'length' }],
            usage: usageOf(words),
        }),
    );
}

/** Serves on a port of this machine, and says so on standard output. */
export function serve(port: number): void {
    const server = createServer((request, response) => {
        if (request.method === 'GET') {
            response.end(JSON.stringify({ object: 'list', data: [{ id: MODEL, object: 'model', owned_by: 'vllm' }] }));
            return;
        }
        const parts: Buffer[] = [];
        request.on('data', (bytes: Buffer) => parts.push(bytes));
        request.on('end', () => {
            const body = String(Buffer.concat(parts));
            const { max_tokens: words = 50, stream: streams } = JSON.parse(body) as ChatRequest;
            if (streams === true) {
                const [, paceMs = '0'] = PACE.exec(body) ?? [];
                void stream(response, words, Number(paceMs));
            } else {
                whole(response, words);
            }
        });
    });
    server.keepAliveTimeout = 60_000;
    server.listen(port, '127.0.0.1', () => console.log(`http://127.0.0.1:${port}`));
}
