import { once } from 'node:events';
import { createServer, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { OpenAiBackend } from '../../../offchain/backend';
import type { ModelRequest } from '../../../offchain/link';
import { Turns } from '../../../offchain/process/doors';
import { until } from '../support/until';
import { collect } from './collect';

const MAX_ANSWER = 1000; // bytes
const usage = { prompt_tokens: 3, total_tokens: 3 };
const counts = { prompt: 3, cached: 0, completion: 0, reasoning: 0 };

const request: ModelRequest = { endpoint: 'embedding', maxTokens: 0, body: { model: 'tiny', input: 'one' } };

/** An answer with so many vectors of so many numbers. */
const answerOf = (vectors: number, numbers: number) =>
    JSON.stringify({
        data: Array.from({ length: vectors }, (_, index) => ({ index, embedding: Array(numbers).fill(0.5) })),
        usage,
    });

describe('Vectors of a model server', () => {
    let server: Server;
    let backend: OpenAiBackend;

    async function serve(answer: (response: ServerResponse) => void): Promise<void> {
        server = createServer((_, response) => answer(response));
        await once(server.listen(0, '127.0.0.1'), 'listening');
        const { port } = server.address() as AddressInfo;
        backend = new OpenAiBackend({ url: `http://127.0.0.1:${port}` }, MAX_ANSWER);
    }

    const serveText = (text: string) => serve((response) => response.end(text));

    afterEach(async () => {
        jest.restoreAllMocks();
        await backend.close();
        server.closeAllConnections();
        server.close();
    });

    it('are one note, packed as 32-bit numbers', async () => {
        await serveText(answerOf(2, 2));

        const embedding = Buffer.from(Float32Array.of(0.5, 0.5).buffer).toString('base64');
        const vectors = [0, 1].map((index) => ({ index, embedding }));
        expect(await collect(backend, request)).toEqual([
            { type: 'delta', note: { vectors }, tokens: 0 },
            { type: 'end', finish: 'stop', usage: counts },
        ]);
    });

    it('are left out, and the answer is cut, if they are more than an answer has room for', async () => {
        await serveText(answerOf(2, 100));

        expect(await collect(backend, request)).toEqual([{ type: 'end', finish: 'length', usage: counts }]);
    });

    it('are not even read if they are many times more than an answer has room for', async () => {
        await serveText(answerOf(100, 100));

        expect(await collect(backend, request)).toEqual([{ type: 'end', finish: 'length' }]);
    });

    it.each([
        ['none', '{"data":[]}'],
        ['a text', 'nothing'],
        ['a vector without its index', '{"data":[{"embedding":[1]}]}'],
        ['nothing in the place of a vector', '{"data":[null]}'],
        ['a vector of texts', '{"data":[{"index":0,"embedding":["1"]}]}'],
    ])('that are %s are an error', async (_name, text) => {
        await serveText(text);

        await expect(collect(backend, request)).rejects.toThrow('without vectors');
    });

    it('that are thousands of lists are not parsed', async () => {
        await serve((response) => response.end(`{"data":[${'[],'.repeat(7000)}[]]}`));
        backend = new OpenAiBackend({ url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` });
        const parse = jest.spyOn(JSON, 'parse');

        await expect(collect(backend, request)).rejects.toThrow('without vectors');
        expect(parse).not.toHaveBeenCalled();
    });

    it('are read of two answers at once, so that many do not fill the memory', async () => {
        const held: ServerResponse[] = [];
        await serve((response) => {
            if (held.length === 2) {
                response.end(answerOf(1, 1));
                return;
            }
            response.write(' ');
            held.push(response);
        });
        const turns = jest.spyOn(Turns.prototype, 'take');
        const ended: number[] = [];
        const read = (i: number) => collect(backend, request).then(() => ended.push(i));
        const reading = [read(0), read(1)];
        await until(() => turns.mock.calls.length === 2);
        reading.push(read(2));
        await until(() => turns.mock.calls.length === 3);

        held[0].end(answerOf(1, 1));
        await until(() => ended.length === 2);
        expect(ended[1]).toBe(2); // and not the first
        held[1].end(answerOf(1, 1));
        await Promise.all(reading);
    });
});
