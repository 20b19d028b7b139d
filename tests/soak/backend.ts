/**
 * The model server of a soak: it speaks OpenAI's API as vLLM does, answers words at a fixed speed, and fails now and
 * then.
 */
import { createServer, type ServerResponse } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { randomOf } from './plan';

/** The model that it serves; no catalogue has it. */
export const MODEL = 'soak-words';

const WORD_MS = 15;
const REFUSED = 0.02; // of requests: HTTP 503
const BROKEN = 0.02; // of answers: the connection ends in the midst

interface ChatRequest {
    messages: { content: string }[];
    max_tokens: number;
}

const eventOf = (delta: object, finish: string | null, usage: object) =>
    `data: ${JSON.stringify({
        ...{ id: 'soak', object: 'chat.completion.chunk', model: MODEL },
        choices: [{ index: 0, delta, finish_reason: finish }],
        usage,
    })}\n\n`;

/** Serves on a port of this machine. */
export function serve(port: number, seed: number): void {
    const random = randomOf(seed);
    const answer = async (response: ServerResponse, { messages, max_tokens: max }: ChatRequest) => {
        if (random() < REFUSED) {
            response.writeHead(503, { 'content-type': 'application/json' }).end('{"error":{"message":"busy"}}');
            return;
        }
        const prompt = messages.reduce((sum, { content }) => sum + content.split(' ').length, 0);
        const breakAt = random() < BROKEN ? Math.floor(random() * max) : Infinity;
        const usage = (completion: number) => ({
            prompt_tokens: prompt,
            completion_tokens: completion,
            total_tokens: prompt + completion,
        });
        response.writeHead(200, { 'content-type': 'text/event-stream' });
        for (let word = 1; word <= max && !response.destroyed; word++) {
            await sleep(WORD_MS);
            if (word > breakAt) {
                response.destroy();
                return;
            }
            response.write(eventOf({ content: `word${word} ` }, null, usage(word)));
        }
        response.write(eventOf({}, 'length', usage(max)));
        response.end('data: [DONE]\n\n');
    };
    createServer((request, response) => {
        if (request.url === '/v1/models') {
            response.end(JSON.stringify({ object: 'list', data: [{ id: MODEL, object: 'model', owned_by: 'vllm' }] }));
            return;
        }
        let body = '';
        request.on('data', (bytes) => (body += bytes));
        request.on('end', () => void answer(response, JSON.parse(body) as ChatRequest));
    }).listen(port, '127.0.0.1');
}
