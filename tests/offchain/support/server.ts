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
