/** What worker and gateway bear of strangers: connections, bodies in flight, and JSON that costs more than it says. */
import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { Socket } from 'node:net';

const MiB = 1 << 20;

/** Levels of brackets that JSON may have; every shape of either API has fewer than ten. */
export const MAX_JSON_DEPTH = 64;

/** Throws unless the text's brackets, outside of its strings, are at most {@link MAX_JSON_DEPTH} deep. */
export function assertShallow(json: Buffer): void {
    let depth = 0;
    let inText = false;
    for (let at = 0; at < json.length; at++) {
        const byte = json[at];
        if (inText) {
            if (byte === 0x5c) {
                at++; // what follows a backslash ends no text
            } else if (byte === 0x22) {
                inText = false;
            }
        } else if (byte === 0x22) {
            inText = true;
        } else if (byte === 0x5b || byte === 0x7b) {
            if (++depth > MAX_JSON_DEPTH) {
                throw new SyntaxError(`JSON of more than ${MAX_JSON_DEPTH} levels`);
            }
        } else if (byte === 0x5d || byte === 0x7d) {
            depth--;
        }
    }
}

export interface DoorLimits {
    connections: number; // at once
    bodyBytes: number; // of all bodies that are on their way
}

export const DOOR_LIMITS: DoorLimits = { connections: 1024, bodyBytes: 64 * MiB };

export const SMALL_BODY = 4 << 10; // bytes of the largest request of a route that takes no long ones
export const REQUEST_SECONDS = 60; // for a request to arrive whole

const SMALL = 64 << 10; // bytes; a body of so many is taken without counting, connections are counted already
const SHARE = 2; // one address gets at most one part in so many

/** A body for which there is no room now. */
export class NoRoom extends Error {
    readonly statusCode = 503;

    constructor() {
        super('Too many large requests are on their way: ask again in a moment');
        this.name = 'NoRoom';
    }
}

/**
 * Holds a server to the limits: closes connections beyond them, answers bodies beyond them with {@link NoRoom} before they are
 * read, and JSON that is too deep as what is no JSON.
 */
export function guardDoors(server: FastifyInstance, limits: DoorLimits = DOOR_LIMITS): void {
    limitConnections(server, limits.connections);
    limitBodies(server, limits.bodyBytes);
    const parse = server.getDefaultJsonParser('error', 'error');
    server.removeContentTypeParser(['application/json']);
    server.addContentTypeParser('application/json', { parseAs: 'buffer' }, (request, body, done) => {
        const bytes = body as Buffer;
        try {
            assertShallow(bytes);
        } catch (error) {
            done(Object.assign(error as Error, { statusCode: 400 }), undefined);
            return;
        }
        void parse(request, bytes.toString('utf8'), done);
    });
}

function limitConnections(server: FastifyInstance, max: number): void {
    const open = new Map<string, number>();
    server.server.maxConnections = max;
    server.server.on('connection', (socket: Socket) => {
        const from = socket.remoteAddress ?? '';
        const count = (open.get(from) ?? 0) + 1;
        open.set(from, count);
        socket.once('close', () => {
            const left = (open.get(from) ?? 1) - 1;
            if (left === 0) {
                open.delete(from);
            } else {
                open.set(from, left);
            }
        });
        if (count > Math.ceil(max / SHARE)) {
            socket.destroy();
        }
    });
}

function limitBodies(server: FastifyInstance, max: number): void {
    const held = new Map<string, number>();
    let all = 0;
    server.addHook('onRequest', async (request, reply) => {
        const size = bodySize(request);
        if (size <= SMALL) {
            return;
        }
        const from = request.socket.remoteAddress ?? '';
        const own = held.get(from) ?? 0;
        if (all + size > max || (own > 0 && own + size > max / SHARE)) {
            // Nothing reads the rest, so the connection cannot serve another request.
            reply.header('connection', 'close');
            reply.raw.once('finish', () => request.socket.destroySoon());
            throw new NoRoom();
        }
        all += size;
        held.set(from, own + size);
        let released = false;
        const release = () => {
            if (!released) {
                released = true;
                all -= size;
                const left = (held.get(from) ?? size) - size;
                if (left === 0) {
                    held.delete(from);
                } else {
                    held.set(from, left);
                }
            }
        };
        request.raw.once('end', release);
        request.raw.once('close', release);
        reply.raw.once('close', release);
    });
}

/** Bytes that a request may still bring; of one that does not say, as many as its route takes. */
function bodySize(request: FastifyRequest): number {
    const { 'content-length': length, 'transfer-encoding': coding } = request.headers;
    const max = request.routeOptions.bodyLimit ?? MiB;
    if (coding !== undefined) {
        return max;
    }
    return Math.min(Number(length ?? 0) || 0, max);
}

/** Lets `most` do something at once, and as many again wait; more are told so at once. */
export class Turns {
    private free: number;
    private readonly waiting: (() => void)[] = [];

    constructor(private readonly max: number) {
        this.free = max;
    }

    /** Resolves when it is one's turn, with what ends it; undefined when too many wait. */
    async take(): Promise<(() => void) | undefined> {
        if (this.free > 0) {
            this.free--;
        } else if (this.waiting.length < this.max) {
            await new Promise<void>((resolve) => this.waiting.push(resolve));
        } else {
            return undefined;
        }
        let given = false;
        return () => {
            if (given) {
                return;
            }
            given = true;
            const next = this.waiting.shift();
            if (next === undefined) {
                this.free++;
            } else {
                next();
            }
        };
    }
}
