/**
 * The model server of the benchmark. It answers at once, one chunk in each turn of its event loop, so that a reader
 * gets chunks one by one, as from a server that computes them.
 */
import { createServer, type ServerResponse } from 'node:http';

/** The model that it serves; no catalogue has it. */
export const MODEL = 'bench-model';

interface ChatRequest {
    max_tokens?: number;
    stream?: boolean;
}

const usageOf = (words: number) => ({ prompt_tokens: 8, completion_tokens: words, total_tokens: 8 + words });

const chunkOf = (delta: object, finish: string | null, words: number) =>
    `data: ${JSON.stringify({
        ...{ id: 'bench', object: 'chat.completion.chunk', created: 1, model: MODEL },
        choices: [{ index: 0, delta, finish_reason: finish }],
        usage: usageOf(words),
    })}\n\n`;

function stream(response: ServerResponse, words: number): void {
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    let word = 0;
    const next = () => {
        if (response.destroyed) {
            return;
        }
        if (word < words) {
            word++;
            response.write(chunkOf({ content: ` word${word % 10}` }, null, word));
            setImmediate(next);
            return;
        }
        response.write(chunkOf({}, 'length', words));
        response.end('data: [DONE]\n\n');
    };
    next();
}

function whole(response: ServerResponse, words: number): void {
    const content = Array.from({ length: words }, (_, i) => ` word${(i + 1) % 10}`).join('');
    response.writeHead(200, { 'content-type': 'application/json' }).end(
        JSON.stringify({
            ...{ id: 'bench', object: 'chat.completion', created: 1, model: MODEL },
            choices: [{ index: 0, message: { role: 'assistant', content }, finish_reason: 'length' }],
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
            const { max_tokens: words = 50, stream: streams } = JSON.parse(String(Buffer.concat(parts))) as ChatRequest;
            (streams === true ? stream : whole)(response, words);
        });
    });
    server.keepAliveTimeout = 60_000;
    server.listen(port, '127.0.0.1', () => console.log(`http://127.0.0.1:${port}`));
}
