/** HTTP servers that take one request of a connection at a time. */
import { createServer, type RequestListener, type Server } from 'node:http';
import { createServer as createSecureServer } from 'node:https';
import type { Socket } from 'node:net';
import type { SecureContextOptions } from 'node:tls';
import { CompactRequest } from './requestBody';

/**
 * Makes a server that hands requests to `listener`. One that comes before the last one of its connection is answered
 * (pipelining) waits for it, and a connection that brings another one meanwhile is closed. The limits count
 * connections, and Node.js does not tell a response that waits for another when their connection ends: what it holds
 * would be held for ever. Clients and proxies in use send one request at a time. The next one of theirs may be read
 * before Node.js has noted the end of a response over TLS, so it waits `ms` milliseconds at most: what came of its body
 * fills memory meanwhile.
 *
 * This comes before every route, and before what Node.js answers by itself: two thousand requests in one packet take
 * four megabytes until their answers are read, also if no route is for them.
 */
export function oneRequestServer(listener: RequestListener, ms: number, tls?: SecureContextOptions): Server {
    const waiting = new WeakSet<Socket>();
    const inTurn =
        (answer: RequestListener): RequestListener =>
        (request, response) => {
            const { socket } = request;
            if (response.socket !== null) {
                answer(request, response);
            } else if (waiting.has(socket)) {
                closeNow(socket);
            } else if (!socket.destroyed) {
                waiting.add(socket);
                const late = setTimeout(() => socket.destroy(), ms).unref();
                const stop = () => {
                    clearTimeout(late);
                    socket.off('close', stop);
                    waiting.delete(socket);
                };
                socket.once('close', stop);
                response.once('socket', () => {
                    stop();
                    answer(request, response);
                });
            }
        };
    const options = {
        IncomingMessage: CompactRequest,
        requireHostHeader: false, // Node.js would answer requests without one before their turn
    };
    const server = tls === undefined ? createServer(options) : createSecureServer({ ...options, ...tls });
    server.on('request', inTurn(requiringHost(listener)));
    server.on('checkExpectation', inTurn(refusingWith(417)));
    return server;
}

function requiringHost(listener: RequestListener): RequestListener {
    return (request, response) => {
        const lacksHost = request.httpVersion === '1.1' && request.headers.host === undefined;
        (lacksHost ? refusingWith(400) : listener)(request, response);
    };
}

const refusingWith =
    (status: number): RequestListener =>
    (_, response) =>
        void response.writeHead(status, { connection: 'close' }).end();

/** A connection as Node.js has it, with its parser. */
type ParsedSocket = Socket & { parser?: { onIncoming: () => number } | null };

const NO_MORE_MESSAGES = 2; // as the parser understands it

/** Closes a connection. Node.js would still make requests of the rest of the packet, which may be thousands. */
function closeNow(socket: ParsedSocket): void {
    if (socket.parser != null) {
        socket.parser.onIncoming = () => NO_MORE_MESSAGES;
    }
    socket.destroy();
}
