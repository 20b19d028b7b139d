/** The HTTP server of a process, and its limits for strangers: connections, bodies in flight, and the depth of JSON. */
import fastify, { type FastifyInstance, type FastifyRequest } from 'fastify';
import type { Socket } from 'node:net';
import { assertPlainJson } from './json';

const MiB = 1 << 20;

export interface DoorLimits {
    connections: number; // at once
    bodyBytes: number; // of all bodies in flight
}

const DOOR_LIMITS: DoorLimits = { connections: 1024, bodyBytes: 64 * MiB };

export const SMALL_BODY = 4 << 10; // bytes that a request may have unless its route allows more
export const REQUEST_SECONDS = 60; // for a request to arrive whole

const UNCOUNTED_BODY = 64 << 10; // bytes; a body up to this size is not counted, because connections are
const SHARE = 2; // one address gets at most 1/SHARE of each limit

/** There is no room for a body now. */
export class NoRoom extends Error {
    readonly statusCode = 503;

    constructor() {
        super('Too many large requests are on their way: ask again in a moment');
        this.name = 'NoRoom';
    }
}

/**
 * A server, not yet listening. It closes connections beyond the limits, answers bodies beyond them with {@link NoRoom}
 * before they are read, and refuses JSON that is too deep like a text that is no JSON. `silentSeconds`: after which it
 * closes a connection on which nothing moves. `tls`: the certificate (PEM) of a server that speaks HTTPS.
 */
export function createDoor(
    { silentSeconds = 0, tls }: { silentSeconds?: number; tls?: { cert: Buffer; key: Buffer } | undefined } = {},
    limits: DoorLimits = DOOR_LIMITS,
): FastifyInstance {
    const options = {
        bodyLimit: SMALL_BODY,
        forceCloseConnections: true,
        requestTimeout: REQUEST_SECONDS * 1000,
        connectionTimeout: silentSeconds * 1000,
    };
    const server = tls === undefined ? fastify(options) : asPlain(fastify({ ...options, https: tls }));
    limitConnections(server, limits.connections);
    limitBodies(server, limits.bodyBytes);
    const parse = server.getDefaultJsonParser('error', 'error');
    server.removeContentTypeParser(['application/json']);
    server.addContentTypeParser('application/json', { parseAs: 'buffer' }, (request, body, done) => {
        const bytes = body as Buffer;
        try {
            assertPlainJson(bytes);
        } catch (error) {
            done(Object.assign(error as Error, { statusCode: 400 }), undefined);
            return;
        }
        void parse(request, bytes.toString('utf8'), done);
    });
    return server;
}

// Routes and hooks do not differ.
const asPlain = (server: unknown) => server as FastifyInstance;

function limitConnections(server: FastifyInstance, max: number): void {
    const open = new Map<string, number>();
    server.server.maxConnections = max;
    server.server.on('connection', (socket: Socket) => {
        const from = socket.remoteAddress ?? '';
        const count = (open.get(from) ?? 0) + 1;
        open.set(from, count);
        socket.once('close', () => {
            const remaining = (open.get(from) ?? 1) - 1;
            if (remaining === 0) {
                open.delete(from);
            } else {
                open.set(from, remaining);
            }
        });
        if (count > Math.ceil(max / SHARE)) {
            socket.destroy();
        }
    });
}

function limitBodies(server: FastifyInstance, max: number): void {
    const inFlight = new Map<string, number>(); // bytes by address
    let all = 0;
    server.addHook('onRequest', async (request, reply) => {
        const size = bodySize(request);
        if (size <= UNCOUNTED_BODY) {
            return;
        }
        const from = request.socket.remoteAddress ?? '';
        const own = inFlight.get(from) ?? 0;
        if (all + size > max || (own > 0 && own + size > max / SHARE)) {
            // Nothing reads the rest, so the connection cannot serve another request.
            reply.header('connection', 'close');
            reply.raw.once('finish', () => request.socket.destroySoon());
            throw new NoRoom();
        }
        all += size;
        inFlight.set(from, own + size);
        let released = false;
        const release = () => {
            if (!released) {
                released = true;
                all -= size;
                const remaining = (inFlight.get(from) ?? size) - size;
                if (remaining === 0) {
                    inFlight.delete(from);
                } else {
                    inFlight.set(from, remaining);
                }
            }
        };
        request.raw.once('end', release);
        request.raw.once('close', release);
        reply.raw.once('close', release);
    });
}

/** Bytes that a request may still bring: as many as its route takes if it does not say how many. */
function bodySize(request: FastifyRequest): number {
    const { 'content-length': length, 'transfer-encoding': coding } = request.headers;
    const max = request.routeOptions.bodyLimit ?? MiB;
    return coding === undefined ? Math.min(Number(length ?? 0) || 0, max) : max;
}

/** Lets `max` callers do something at once, and as many again wait; further ones are told at once. */
export class Turns {
    private free: number;
    private readonly waiting: (() => void)[] = [];

    constructor(private readonly max: number) {
        this.free = max;
    }

    /** Resolves when the caller's turn has come, with the function that ends it; undefined if too many wait. */
    async take(): Promise<(() => void) | undefined> {
        if (this.free > 0) {
            this.free--;
        } else if (this.waiting.length < this.max) {
            await new Promise<void>((resolve) => this.waiting.push(resolve));
        } else {
            return undefined;
        }
        let ended = false;
        return () => {
            if (ended) {
                return;
            }
            ended = true;
            const next = this.waiting.shift();
            if (next === undefined) {
                this.free++;
            } else {
                next();
            }
        };
    }
}
