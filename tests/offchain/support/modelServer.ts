/** A model server for tests: what it answers to a chat completion is a script; by default it lists one model. */
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setImmediate as turn } from 'node:timers/promises';
import { ECHO } from './backend';

export type Handler = (response: ServerResponse, body: string, request: IncomingMessage) => void | Promise<void>;

export class ModelServer {
    url = ''; // the base URL, with /v1
    readonly bodies: string[] = []; // of chat completions
    models = [ECHO];
    owner: string | undefined; // of its models, by which a server is recognized
    answer: Handler = (response) => void response.writeHead(500).end();
    private server!: Server;
    private port = 0; // the same whenever it starts again

    async start(): Promise<this> {
        this.server = createServer((request, response) => {
            let body = '';
            request.on('data', (bytes) => (body += bytes));
            request.on('end', () => {
                if (request.url === '/v1/models') {
                    response.end(JSON.stringify({ data: this.models.map((id) => ({ id, owned_by: this.owner })) }));
                    return;
                }
                this.bodies.push(body);
                void this.answer(response, body, request);
            });
        });
        await once(this.server.listen(this.port, '127.0.0.1'), 'listening');
        this.port = (this.server.address() as AddressInfo).port;
        this.url = `http://127.0.0.1:${this.port}/v1`;
        return this;
    }

    /** Answers with one stream of events, which arrive one by one. */
    events(...events: unknown[]): void {
        this.answer = async (response) => {
            response.writeHead(200, { 'content-type': 'text/event-stream' });
            for (const event of events) {
                response.write(`data: ${JSON.stringify(event)}\n\n`);
                await turn(); // the reader is in this process: it reads what was written before the next event is
                await turn();
            }
            response.end('data: [DONE]\n\n');
        };
    }

    /** Answers with one stream of events, which arrive together. */
    eventsAtOnce(...events: unknown[]): void {
        const texts = [...events.map((event) => JSON.stringify(event)), '[DONE]'];
        this.answer = (response) => {
            response.writeHead(200, { 'content-type': 'text/event-stream' });
            response.end(texts.map((text) => `data: ${text}\n\n`).join(''));
        };
    }

    /** Answers with a status, a body and headers. */
    status(status: number, body: unknown = '', headers: Record<string, string> = {}): void {
        this.answer = (response) =>
            void response.writeHead(status, headers).end(typeof body === 'string' ? body : JSON.stringify(body));
    }

    async stop(): Promise<void> {
        this.server.closeAllConnections();
        this.server.close();
        await once(this.server, 'close');
    }
}

/** One event of a stream with a delta. */
export const chunk = (delta: object, finish: string | null = null, rest: object = {}) => ({
    choices: [{ index: 0, delta, finish_reason: finish }],
    ...rest,
});
