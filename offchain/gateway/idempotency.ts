/**
 * Requests with an Idempotency-Key. The first one is answered, also if its connection ends; every repetition gets the
 * same answer, from its beginning, also while the first still runs. So a request that is sent again costs once.
 *
 * Answers are in memory only, for a time and up to a number of bytes. An answer that had to go is refused by name
 * instead of being bought again. Only answers that cost something are stored: after an error that cost nothing, the
 * same request is tried again.
 *
 * Processes that share a store note there who answers a request, so that it costs once over all of them. Another
 * process has no copy of the answer and refuses the repetition.
 */
import type { FastifyReply, FastifyRequest } from 'fastify';
import { createHash } from 'node:crypto';
import type { OutgoingHttpHeaders, ServerResponse } from 'node:http';
import { steadySeconds } from '../process/clock';
import type { RequestClaims } from '../store/requestClaims';
import { badRequest, GatewayError } from './errors';

/** The request header that names a request. */
export const IDEMPOTENCY_HEADER = 'idempotency-key';

const MAX_REQUESTS = 10_000; // remembered; beyond it the oldest is forgotten
const KEY = /^[\x21-\x7e]{1,255}$/;

interface Limits {
    seconds: number; // that an answer is remembered from its beginning
    maxBytes: number; // of all answers
}

const hashOf = (text: string): Buffer => createHash('sha256').update(text).digest();

/** One answer as it goes out, and whoever reads it from its beginning. */
export class Recording {
    private readonly chunks: Buffer[] = [];
    private readonly waiting = new Set<() => void>();
    private head: { status: number; headers: OutgoingHttpHeaders } | undefined;
    private state: 'running' | 'whole' | 'deleted' | 'broken' = 'running';
    bytes = 0;

    constructor(
        readonly id: Buffer, // hash of the key and its scope
        readonly body: Buffer, // hash of the request's body
        readonly at: number, // seconds
        private readonly onGrowth: (recording: Recording, bytes: number) => void,
    ) {}

    get isRunning(): boolean {
        return this.state === 'running';
    }

    begin(status: number, headers: OutgoingHttpHeaders): void {
        this.head = { status, headers };
        this.wake();
    }

    add(chunk: Buffer): void {
        if (this.state === 'running') {
            this.chunks.push(chunk);
            this.bytes += chunk.length;
            this.onGrowth(this, chunk.length);
            this.wake();
        }
    }

    /** `whole`: the answer is complete; `broken`: it has no end. */
    end(state: 'whole' | 'broken'): void {
        if (this.state === 'running') {
            this.state = state;
        }
        this.wake();
    }

    /** Deletes the answer; that there was one is still known. */
    delete(): void {
        this.state = 'deleted';
        this.chunks.length = 0;
        this.bytes = 0;
        this.wake();
    }

    /** Sends the answer to somebody who repeats the request. */
    async replay(reply: FastifyReply): Promise<FastifyReply> {
        const { raw } = reply;
        let sent = 0;
        while (!raw.destroyed) {
            if (this.state === 'deleted' || this.state === 'broken') {
                if (raw.headersSent) {
                    raw.destroy(); // so that nobody takes a part for the whole
                    return reply;
                }
                throw this.state === 'deleted' ? deletedError() : brokenError();
            }
            if (this.head !== undefined && !raw.headersSent) {
                const { status, headers } = this.head;
                reply.hijack();
                const own = {
                    ...headers,
                    ...(reply.getHeaders() as OutgoingHttpHeaders),
                    'idempotent-replayed': 'true',
                };
                raw.writeHead(status, own);
                raw.flushHeaders();
            }
            for (; sent < this.chunks.length && !raw.destroyed; sent++) {
                if (!raw.write(this.chunks[sent]) && !raw.destroyed) {
                    await untilRoom(raw);
                }
            }
            if (this.state === 'whole' && sent === this.chunks.length) {
                raw.end();
                return reply;
            }
            if (this.isRunning && sent === this.chunks.length) {
                await untilRoom(raw, this.waiting);
            }
        }
        return raw.headersSent ? reply : reply.hijack();
    }

    private wake(): void {
        [...this.waiting].forEach((wake) => wake());
    }
}

export class Idempotency {
    private readonly recordings = new Map<string, Recording>(); // by `idOf`, the oldest first
    private readonly filled = new Set<Recording>(); // those that have bytes, in the order in which they got the first
    private bytes = 0; // of all

    constructor(
        private readonly limits: Limits,
        private readonly seconds: () => number = steadySeconds,
        private readonly maxRequests = MAX_REQUESTS,
        private readonly claims?: Pick<RequestClaims, 'claim' | 'release' | 'complete'>,
    ) {}

    /** How many requests are remembered. */
    get count(): number {
        return this.recordings.size;
    }

    /**
     * The recording of a request, and whether this is the first request of its key. `scope`: who asks what; the same
     * key in another scope is another request. Throws 400 for a malformed key, 422 if its body is another one.
     */
    take(key: string, scope: string, body: unknown): { recording: Recording; isFirst: boolean } {
        if (!KEY.test(key)) {
            throw badRequest('Idempotency-Key takes 1 to 255 visible ASCII characters', IDEMPOTENCY_HEADER);
        }
        this.forgetOld();
        const id = hashOf(`${scope}\n${key}`);
        const hash = hashOf(JSON.stringify(body ?? null));
        const existing = this.recordings.get(idOf({ id }));
        if (existing !== undefined) {
            if (!existing.body.equals(hash)) {
                throw reusedError();
            }
            return { recording: existing, isFirst: false };
        }
        const recording = new Recording(id, hash, this.seconds(), (grown, bytes) => this.makeRoom(grown, bytes));
        this.recordings.set(idOf(recording), recording);
        return { recording, isFirst: true };
    }

    /**
     * Resolves when this process is the one that answers. Otherwise it throws 409, or 422 if the body is another one,
     * and the recording is forgotten.
     */
    async claim(recording: Recording): Promise<void> {
        const { id, body } = recording;
        const claimed = await this.claims?.claim(id, body, this.limits.seconds).catch((error: unknown) => {
            this.drop(recording);
            throw error;
        });
        if (claimed !== undefined) {
            this.drop(recording);
            throw claimed.body.equals(body) ? elsewhereError(claimed.isRunning) : reusedError();
        }
    }

    /** The recording is over. Without a cost it is forgotten, so that the request may be tried again. */
    end(recording: Recording, { isPaid }: { isPaid: boolean }): void {
        recording.end('whole');
        // A database that cannot be reached ends the process, and then nobody has the answer.
        const noted = isPaid ? this.claims?.complete(recording.id) : this.claims?.release(recording.id);
        noted?.catch(() => undefined);
        if (!isPaid) {
            this.forget(recording);
        }
    }

    private drop(recording: Recording): void {
        recording.end('broken');
        this.forget(recording);
    }

    // The oldest are looked at alone, so that a request costs the same however many are remembered.
    private forgetOld(): void {
        const oldest = this.seconds() - this.limits.seconds;
        for (const recording of this.recordings.values()) {
            if (recording.at > oldest && this.recordings.size < this.maxRequests) {
                return;
            }
            if (!recording.isRunning) {
                this.forget(recording);
            }
        }
    }

    private forget(recording: Recording): void {
        if (this.recordings.get(idOf(recording)) === recording) {
            this.recordings.delete(idOf(recording));
            this.bytes -= recording.bytes;
            this.filled.delete(recording);
        }
    }

    // The oldest answers go first, the growing one last.
    private makeRoom(grown: Recording, bytes: number): void {
        this.bytes += bytes;
        this.filled.add(grown);
        for (const one of this.filled) {
            if (this.bytes <= this.limits.maxBytes) {
                return;
            }
            if (!one.isRunning && one !== grown) {
                this.empty(one);
            }
        }
        if (this.bytes > this.limits.maxBytes) {
            this.empty(grown);
        }
    }

    private empty(recording: Recording): void {
        this.bytes -= recording.bytes;
        this.filled.delete(recording);
        recording.delete();
    }
}

const idOf = ({ id }: Pick<Recording, 'id'>): string => id.toString('hex');

const reusedError = () =>
    new GatewayError(
        422,
        'idempotency_key_reused',
        'This Idempotency-Key was used with another body: send a new key with a new request',
        { param: IDEMPOTENCY_HEADER },
    );

function elsewhereError(isRunning: boolean): GatewayError {
    const param = IDEMPOTENCY_HEADER;
    if (isRunning) {
        const message = 'Another process of this gateway is answering this request: ask again to reach that one';
        return new GatewayError(409, 'idempotency_running_elsewhere', message, { param, retryAfter: 1 });
    }
    const message =
        'Another process of this gateway answered this request, or ended before it did, and this one does not have ' +
        'the answer: send a new Idempotency-Key to ask again';
    return new GatewayError(409, 'idempotency_answered_elsewhere', message, { param });
}

const deletedError = () =>
    new GatewayError(
        409,
        'idempotency_answer_deleted',
        'This request was answered and paid, and its answer is not stored any more: send a new Idempotency-Key to ask again',
        { param: IDEMPOTENCY_HEADER },
    );

const brokenError = () =>
    new GatewayError(
        409,
        'idempotency_answer_broken',
        'The first request of this Idempotency-Key broke off: ask again',
        {
            param: IDEMPOTENCY_HEADER,
        },
    );

/** Resolves when there is room for more, or when one that `waiting` gets is called, or the connection has ended. */
function untilRoom(raw: ServerResponse, waiting = new Set<() => void>()): Promise<void> {
    return new Promise((resolve) => {
        const wake = () => {
            raw.off('close', wake).off('drain', wake);
            waiting.delete(wake);
            resolve();
        };
        raw.once('close', wake).once('drain', wake);
        waiting.add(wake);
    });
}

/** Copies what is written to a response into a recording. After the connection has ended only the recording gets it. */
export function recordOn(raw: ServerResponse, recording: Recording, onEnd: () => void): void {
    const { writeHead, write, end } = raw;
    const take = (chunk: unknown, encoding?: unknown) => {
        if (typeof chunk === 'string') {
            recording.add(Buffer.from(chunk, typeof encoding === 'string' ? (encoding as BufferEncoding) : 'utf8'));
        } else if (chunk instanceof Uint8Array) {
            recording.add(Buffer.from(chunk));
        }
    };
    raw.writeHead = function (this: ServerResponse, status: number, headers: OutgoingHttpHeaders) {
        recording.begin(status, headers);
        return writeHead.call(this, status, headers as never);
    } as typeof raw.writeHead;
    raw.write = function (this: ServerResponse, ...args: Parameters<typeof write>) {
        take(args[0], args[1]);
        return this.destroyed || write.apply(this, args); // nobody waits for a connection that has ended
    } as typeof raw.write;
    raw.end = function (this: ServerResponse, ...args: Parameters<typeof end>) {
        take(args[0], args[1]);
        onEnd();
        return this.destroyed ? this : end.apply(this, args);
    } as typeof raw.end;
}

type Handler = (request: FastifyRequest, reply: FastifyReply) => Promise<FastifyReply>;

/** Answers a request with an Idempotency-Key by its first answer. Others go to `handler` as they are. */
export function idempotent(idempotency: Idempotency, handler: Handler): Handler {
    return async (request, reply) => {
        const key = request.headers[IDEMPOTENCY_HEADER];
        if (key === undefined) {
            return handler(request, reply);
        }
        // Not the name: another key may get it later.
        const scope = `${request.apiKey?.hash.toString('hex') ?? ''}\n${request.routeOptions.url ?? ''}`;
        const { recording, isFirst } = idempotency.take(String(key), scope, request.body);
        if (!isFirst) {
            request.facts.isReplayed = true;
            request.body = undefined; // many may wait for one answer, and only the first of them is counted
            return recording.replay(reply);
        }
        await idempotency.claim(recording);
        request.facts.isRecorded = true;
        recordOn(reply.raw, recording, () => idempotency.end(recording, { isPaid: request.facts.job !== undefined }));
        const answered = await handler(request, reply);
        if (recording.isRunning) {
            recording.end('broken');
            idempotency.end(recording, { isPaid: request.facts.job !== undefined });
        }
        return answered;
    };
}
