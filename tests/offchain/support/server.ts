/** Servers that are no chain. */
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** A server that is no chain: answers as it is told. */
export async function serverOf(answer: (request: IncomingMessage, response: ServerResponse) => unknown) {
    const server: Server = createServer((request, response) => void answer(request, response)).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    const close = () => {
        server.closeAllConnections();
        server.close();
    };
    return { url: `http://127.0.0.1:${port}/api/v2/jsonRPC`, close };
}

/** What an endpoint answers a call of JSON-RPC, for a server that passes it on. */
export async function answerOf<Result>(url: string, call: object): Promise<{ result: Result }> {
    const headers = { 'content-type': 'application/json' };
    const answer = await fetch(url, { method: 'POST', headers, body: JSON.stringify(call) });
    return (await answer.json()) as { result: Result };
}
