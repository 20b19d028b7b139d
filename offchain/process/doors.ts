/** The HTTP server of a process, and its limits for strangers: connections, bodies in flight, and the depth of JSON. */
import fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify';
import type { IncomingMessage, RequestListener, Server } from 'node:http';
import type { Socket } from 'node:net';
import { assertPlainJson } from './json';
import { oneRequestServer } from './pipelining';
import { placeOfAddress, Proxies } from './proxies';
import { bodyOf } from './requestBody';

declare module 'fastify' {
    interface FastifyRequest {
        /** Of the JSON that it brought; 0 without. */
        bodyBytes: number;
        /** Values, lists and objects of that JSON; 0 without. */
        bodyValues: number;
    }
}

const MiB = 1 << 20;

export interface DoorLimits {
    connections: number; // at once
    bodyBytes: number; // of all bodies in flight
    pipelinedMs?: number; // that a request may wait for the answer before its own
}

const DOOR_LIMITS: DoorLimits = { connections: 1024, bodyBytes: 64 * MiB };
const PIPELINED_MS = 2000; // unless a limit says otherwise
const KEEP_ALIVE_MS = 72_000; // longer than proxies keep a connection that nothing uses

export const SMALL_BODY = 4 << 10; // bytes that a request may have unless its route allows more
export const REQUEST_SECONDS = 60; // for a request to arrive whole

/** Bytes of a body that is not counted, because connections are: large ones of others must not keep a short one out. */
export const UNCOUNTED_BODY = 64 << 10;
const UNCOUNTED_VALUES = 4096; // of JSON that is as short
const VALUE_BYTES = 200; // of memory, at most: an object of nine characters takes so much
const SHARE = 2; // one address gets at most 1/SHARE of each limit

/** There is no room for a request now. */
export class NoRoom extends Error {
    readonly statusCode = 503;

    constructor() {
        super('Too many requests are on their way: ask again in a moment');
        this.name = 'NoRoom';
    }
}

interface DoorOptions {
    silentSeconds?: number; // after which it closes a connection on which nothing moves
    tls?: { cert: Buffer; key: Buffer } | undefined; // the certificate (PEM) of a server that speaks HTTPS
    proxies?: readonly string[]; // addresses and networks, see `proxies`
}

/**
 * A server, not yet listening. It closes connections beyond the limits and those with three requests at once, answers
 * bodies beyond the limits with {@link NoRoom} before they are read, and refuses JSON that is too deep like a text that
 * is no JSON. Connections of listed proxies have no share; the clients behind them have one of the requests.
 */
export function createDoor(
    { silentSeconds = 0, tls, proxies }: DoorOptions = {},
    limits: DoorLimits = DOOR_LIMITS,
): FastifyInstance {
    const serverFactory = (listener: RequestListener): Server => {
        const made = oneRequestServer(listener, limits.pipelinedMs ?? PIPELINED_MS, tls);
        made.requestTimeout = REQUEST_SECONDS * 1000;
        made.keepAliveTimeout = KEEP_ALIVE_MS;
        made.setTimeout(silentSeconds * 1000);
        return made;
    };
    const options = { bodyLimit: SMALL_BODY, forceCloseConnections: true, serverFactory };
    // fastify names its address by this.
    const server = fastify({ ...options, ...(tls !== undefined && { https: tls }) } as typeof options);
    const listed = new Proxies(proxies);
    limitConnections(server, limits.connections, listed);
    limitForwarded(server, limits.connections, listed);
    limitBodies(server, limits.bodyBytes, listed);
    server.decorateRequest('bodyBytes', 0);
    server.decorateRequest('bodyValues', 0);
    const parse = server.getDefaultJsonParser('error', 'error');
    server.removeContentTypeParser(['application/json', 'text/plain']);
    server.addContentTypeParser('application/json', (request, payload, done) => {
        bodyOf(request, payload).then((bytes) => {
            request.bodyBytes = bytes.length;
            try {
                request.bodyValues = assertPlainJson(bytes);
            } catch (error) {
                done(Object.assign(error as Error, { statusCode: 400 }), undefined);
                return;
            }
            void parse(request, bytes.toString('utf8'), done);
        }, done);
    });
    server.addContentTypeParser('text/plain', async (request: FastifyRequest, payload: IncomingMessage) =>
        (await bodyOf(request, payload)).toString('utf8'),
    );
    return server;
}

/**
 * Listens, and resolves with the URL. At `localhost` this is 127.0.0.1 everywhere: the server has one address, and
 * machines differ in which of two they name first.
 */
export function listenAt(server: FastifyInstance, { host, port }: { host: string; port: number }): Promise<string> {
    return server.listen({ host: host === 'localhost' ? '127.0.0.1' : host, port });
}

/** What is in use, by address. */
class Uses {
    private readonly uses = new Map<string, number>();
    all = 0;

    of(address: string): number {
        return this.uses.get(address) ?? 0;
    }

    /** Returns what gives it back, which has an effect once. */
    take(address: string, amount: number): () => void {
        this.add(address, amount);
        let isOver = false;
        return () => {
            if (!isOver) {
                isOver = true;
                this.add(address, -amount);
            }
        };
    }

    private add(address: string, amount: number): void {
        this.all += amount;
        const sum = this.of(address) + amount;
        if (sum === 0) {
            this.uses.delete(address);
        } else {
            this.uses.set(address, sum);
        }
    }
}

const shareOf = (max: number): number => Math.ceil(max / SHARE);

function limitConnections(server: FastifyInstance, max: number, proxies: Proxies): void {
    const open = new Uses();
    server.server.maxConnections = max;
    server.server.on('connection', (socket: Socket) => {
        const address = socket.remoteAddress ?? '';
        if (proxies.has(address)) {
            return;
        }
        const from = placeOfAddress(address);
        socket.once('close', open.take(from, 1));
        if (open.of(from) > shareOf(max)) {
            socket.destroy();
        }
    });
}

/** A client behind a proxy has at once as many requests as any other has connections. */
function limitForwarded(server: FastifyInstance, max: number, proxies: Proxies): void {
    const running = new Uses();
    server.addHook('onRequest', async (request, reply) => {
        if (!proxies.has(request.socket.remoteAddress ?? '')) {
            return;
        }
        const from = proxies.placeOf(request);
        if (running.of(from) >= shareOf(max)) {
            turnAway(request, reply);
        }
        reply.raw.once('close', running.take(from, 1));
    });
}

function limitBodies(server: FastifyInstance, max: number, proxies: Proxies): void {
    const inFlight = new Uses(); // bytes
    server.addHook('onRequest', async (request, reply) => {
        const size = bodySize(request);
        if (size <= UNCOUNTED_BODY) {
            return;
        }
        const from = proxies.placeOf(request);
        const own = inFlight.of(from);
        if (inFlight.all + size > max || (own > 0 && own + size > max / SHARE)) {
            turnAway(request, reply);
        }
        const release = inFlight.take(from, size);
        request.raw.once('end', release);
        request.raw.once('close', release);
        reply.raw.once('close', release);
    });
}

/** Bytes of memory that the JSON of a request may take as long as it is kept; 0 if it is too short to be counted. */
export function memoryOf({ bodyBytes, bodyValues }: Pick<FastifyRequest, 'bodyBytes' | 'bodyValues'>): number {
    const isShort = bodyBytes <= UNCOUNTED_BODY && bodyValues <= UNCOUNTED_VALUES;
    return isShort ? 0 : bodyBytes + bodyValues * VALUE_BYTES;
}

/** Throws {@link NoRoom}. Nothing reads the rest of the request, so its connection cannot serve another one. */
function turnAway(request: FastifyRequest, reply: FastifyReply): never {
    reply.header('connection', 'close');
    reply.raw.once('finish', () => request.socket.destroySoon());
    throw new NoRoom();
}

/** Bytes that a request may still bring: as many as its route takes if it does not say how many. */
function bodySize(request: FastifyRequest): number {
    const { 'content-length': length, 'transfer-encoding': coding } = request.headers;
    const max = request.routeOptions.bodyLimit ?? MiB;
    return coding === undefined ? Math.min(Number(length ?? 0) || 0, max) : max;
}

/** Bytes that a server has in memory for requests: so many of all at once, and of one client a share of them. */
export class BytesInUse {
    private readonly inUse = new Uses();

    constructor(private readonly max: number) {}

    /**
     * Returns what gives the bytes back. One client may always have one request.
     *
     * @throws {NoRoom} if there is no room for them now
     */
    take(client: string, size: number): () => void {
        const own = this.inUse.of(client);
        if ((this.inUse.all > 0 && this.inUse.all + size > this.max) || (own > 0 && own + size > this.max / SHARE)) {
            throw new NoRoom();
        }
        return this.inUse.take(client, size);
    }
}

/**
 * Lets `max` callers do something at once, and `maxWaiting` others wait; further ones are told at once. Callers from
 * one place have a share of both, so that nobody keeps all others out.
 */
export class Turns {
    private free: number;
    private readonly running = new Uses(); // by place
    private readonly waiting: { from: string | undefined; begin: () => void }[] = [];

    /** `maxWaiting`: as many as `max` unless given. */
    constructor(
        private readonly max: number,
        private readonly maxWaiting = max,
    ) {
        this.free = max;
    }

    /**
     * Resolves when the caller's turn has come, with the function that ends it; undefined if too many wait. `from`:
     * where the caller is, such as its address; a caller of this process has no share.
     */
    async take(from?: string): Promise<(() => void) | undefined> {
        let endRunning: () => void;
        const begin = () => {
            this.free--;
            endRunning = this.running.take(from ?? '', 1);
        };
        if (this.mayRun(from)) {
            begin();
        } else if (this.mayWait(from)) {
            await new Promise<void>((resolve) => {
                this.waiting.push({ from, begin: () => resolve(begin()) });
            });
        } else {
            return undefined;
        }
        let ended = false;
        return () => {
            if (!ended) {
                ended = true;
                this.free++;
                endRunning();
                this.beginNext();
            }
        };
    }

    private mayRun(from: string | undefined): boolean {
        return this.free > 0 && (from === undefined || this.running.of(from) < shareOf(this.max));
    }

    private mayWait(from: string | undefined): boolean {
        const own = this.waiting.filter((one) => one.from === from).length;
        const isShared = from !== undefined && own >= shareOf(this.maxWaiting);
        return this.waiting.length < this.maxWaiting && !isShared;
    }

    private beginNext(): void {
        const next = this.waiting.findIndex(({ from }) => this.mayRun(from));
        if (next >= 0) {
            this.waiting.splice(next, 1)[0].begin();
        }
    }
}
