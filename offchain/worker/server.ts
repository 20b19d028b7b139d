/** The worker's HTTP server: paths, bodies and refusals. */
import { Finish } from '@cocoon-market/wrappers';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { ServerResponse } from 'node:http';
import { z } from 'zod';
import {
    decodeQuery,
    encodeRecord,
    endHash,
    endRequest,
    jobRequest,
    type NodeInfo,
    paths,
    RecordType,
    toWire,
    voucherRequest,
} from '../link';
import { createDoor, BytesInUse, NoRoom, REQUEST_SECONDS, Turns, UNCOUNTED_BODY } from '../process/doors';
import { Proxies } from '../process/proxies';
import { bodyOf } from '../process/requestBody';
import type { QueryRecord } from '../store/worker';
import { admit } from './admission';
import type { WorkerBook } from './book';
import type { Claims } from './claims';
import type { WorkerContext } from './context';
import { addCors } from './cors';
import type { WorkerJob } from './job';
import { type AcceptedQuery, type RecordSink, RunningQuery } from './query';
import type { WorkerReadiness } from './readiness';
import { Refused } from './refusal';
import { takeVoucher } from './vouchers';
import { WaitingRoom } from './waitingRoom';

/** The floors below the server. */
export interface ServerParts {
    context: WorkerContext;
    book: WorkerBook;
    claims: Claims;
    nodeInfo: () => NodeInfo;
    readiness: () => WorkerReadiness;
    /** Aborted once no new query may begin. */
    stopping: AbortSignal;
}

const OCTETS = 'application/octet-stream';

const JOB_BYTES = 16 << 10; // maximal bytes of a request that registers a job
const MAX_STORED = 8; // stored answers that are read and sent at once
const STORED_SECONDS = 60; // for one of them to be sent
const WAITING_BYTES = 16 << 20; // of sealed requests that wait for credit; parsed they may take twenty times that
const DECIDED_BYTES = 32 << 20; // of the large sealed requests on which is decided; opened and parsed they take several times that

/** The server, not yet listening. */
export function createServer(parts: ServerParts): FastifyInstance {
    const { context, book, claims, nodeInfo, readiness, stopping } = parts;
    const { answerSeconds, limits, listen } = context.config;
    const server = createDoor({ silentSeconds: answerSeconds + REQUEST_SECONDS, proxies: listen.proxies });
    server.removeContentTypeParser(['text/plain']);
    addCors(server);
    const turns = new Turns(MAX_STORED);
    const decided = new BytesInUse(DECIDED_BYTES);
    const waiting = new WaitingRoom(WAITING_BYTES);
    const proxies = new Proxies(listen.proxies);
    const sendStored = async (
        request: FastifyRequest,
        reply: FastifyReply,
        query: QueryRecord,
    ): Promise<FastifyReply> => {
        const endTurn = await turns.take(proxies.placeOf(request));
        if (endTurn === undefined) {
            throw new Refused('running', 'Too many stored answers are read now: ask again in a moment', {
                status: 503,
            });
        }
        const late = setTimeout(() => reply.raw.destroy(), STORED_SECONDS * 1000).unref();
        onceClosed(reply.raw, () => {
            clearTimeout(late);
            endTurn();
        });
        return reply.type(OCTETS).send(await storedRecords(context, query));
    };
    server.addContentTypeParser(OCTETS, bodyOf);
    server.setErrorHandler((error, _request, reply) => refuse(context, error, reply));
    server.setNotFoundHandler((_request, reply) =>
        refuse(context, new Refused('bad_request', 'No such path', { status: 404 }), reply),
    );

    server.get('/healthz', async () => ({ status: 'ok' }));

    server.get('/readyz', async (_request, reply) => {
        const view = readiness();
        return reply.code(view.ready ? 200 : 503).send(view);
    });

    server.get(paths.node, async () => toWire(nodeInfo()));

    server.post(paths.jobs, { bodyLimit: JOB_BYTES }, async (request) => {
        requireOpen(stopping);
        const from = proxies.placeOf(request);
        return book.register(jobRequest.parse(request.body), from, async (job) => toWire(job.describe()));
    });

    server.get(paths.job(':job'), async ({ params }) => book.use(jobOf(params), async (job) => toWire(job.describe())));

    server.post(paths.endJob(':job'), async ({ params, body }) => {
        const { signature } = endRequest.parse(body);
        return book.use(jobOf(params), async (job) => {
            if (!(await job.verifier.verifyAside(endHash(job.id), signature))) {
                throw new Refused('bad_signature', 'The voucher key did not sign the end of this job');
            }
            if (job.state === 'open') {
                await job.setState('ending');
                claims.wake();
            }
            return { claims: claims.costs.willClaimAtEnd(job) };
        });
    });

    server.post(paths.voucher, async ({ body }) => {
        const { job: id, voucher } = voucherRequest.parse(body);
        return book.use(id, async (job) => toWire({ voucher: await takeVoucher(context, job, voucher) }));
    });

    server.get('/v1/jobs/:job/queries/:number', async (request, reply) => {
        const { params } = request;
        const id = jobOf(params);
        return book.use(id, async () => {
            const query = await context.store.queries.get({ job: id, number: numberOf(params) });
            if (query === undefined) {
                throw new Refused('bad_request', 'No query of this number is stored', { status: 404 });
            }
            if (query.end === undefined) {
                throw new Refused('running', 'This query is being answered');
            }
            return sendStored(request, reply, query);
        });
    });

    const octetsOnly = async ({ headers }: { headers: { 'content-type'?: string } }) => {
        if (headers['content-type']?.split(';')[0].trim().toLowerCase() !== OCTETS) {
            throw new Refused('bad_request', `The body of a query is ${OCTETS}`);
        }
    };
    server.post(paths.query, { bodyLimit: limits.maxRequest, onRequest: octetsOnly }, async (request, reply) => {
        const { body } = request;
        requireOpen(stopping);
        context.intake.requireOpen();
        if (!Buffer.isBuffer(body)) {
            throw new Refused('bad_request', `The body of a query is ${OCTETS}`);
        }
        const { head, sealed } = decoded(body);
        await book.use(head.job, async (job) => {
            const sink = new ResponseSink(reply.raw);
            const begin = (query: AcceptedQuery) => new RunningQuery(context, job, query, sink);
            const isCounted = sealed.length > UNCOUNTED_BODY;
            const release = isCounted ? decided.take(job.sharer, sealed.length) : undefined;
            const admission = await admit(context, job, head, sealed, begin).finally(release);
            switch (admission.kind) {
                case 'stored':
                    return sendStored(request, reply, admission.query);
                case 'declined':
                    return reply.type(OCTETS).send(encodeRecord(RecordType.Decline, admission.receipt));
                case 'new':
                    return run(parts, { job, sink, reply, waiting, size: sealed.length, ...admission });
            }
        });
        return reply;
    });

    return server;
}

interface NewRun {
    job: WorkerJob;
    sink: ResponseSink;
    reply: FastifyReply;
    waiting: WaitingRoom;
    size: number; // bytes of the sealed request
    running: RunningQuery;
    accept: () => Promise<Buffer>;
    discard: () => void;
}

async function run(
    { context, stopping }: ServerParts,
    { job, sink, reply, waiting, size, running, accept, discard }: NewRun,
): Promise<void> {
    const { number } = running;
    let receipt: Buffer;
    try {
        requireOpen(stopping);
        sink.onClose(() => running.leave());
        running.requireStart();
        running.takePlace(waiting, size);
        const accepting = accept();
        running.prepare();
        receipt = await accepting;
    } catch (error) {
        running.discard();
        discard();
        throw error;
    }
    reply.hijack();
    reply.raw.writeHead(200, { 'content-type': OCTETS });
    try {
        sink.onClose(() => void running.cut(Finish.CutByClient).catch(() => undefined)); // run() below reports it
        // Small, so a client that reads nothing delays nothing.
        reply.raw.write(encodeRecord(RecordType.Accept, receipt));
        await running.run();
    } catch (error) {
        context.log.error({ ...job.logName, number, err: error }, 'query not ended');
        reply.raw.destroy();
    }
}

/** Calls back when the response is closed; at once if it is. */
function onceClosed(response: ServerResponse, callback: () => void): void {
    if (response.destroyed || response.req.socket.destroyed) {
        callback(); // the event has happened already
    } else {
        response.once('close', callback);
    }
}

/** An HTTP response as a sink. */
class ResponseSink implements RecordSink {
    private isClosed = false;
    private callback: () => void = () => undefined;
    private readonly closed: Promise<void>;

    constructor(private readonly response: ServerResponse) {
        this.closed = new Promise((resolve) =>
            onceClosed(response, () => {
                this.isClosed = true;
                resolve();
                this.callback();
            }),
        );
    }

    /** Calls `callback` when the client closes the connection before the end; at once if it has. */
    onClose(callback: () => void): void {
        this.callback = callback;
        if (this.isClosed) {
            callback();
        }
    }

    write(bytes: Buffer): Promise<void> | undefined {
        if (this.isClosed || this.response.write(bytes)) {
            return undefined;
        }
        const drained = new Promise<void>((resolve) => this.response.once('drain', resolve));
        return Promise.race([drained, this.closed]);
    }

    end(): void {
        this.callback = () => undefined;
        this.response.end();
    }
}

const ANSWER_RECORD = 1 << 16; // bytes

/** Rule 14: accept, answer and end of a query as they were sent, or would have been. */
async function storedRecords({ store }: WorkerContext, query: QueryRecord): Promise<Buffer> {
    const { accept, end } = query;
    const records: Buffer[] = accept === undefined ? [] : [encodeRecord(RecordType.Accept, accept)];
    const answer = await store.queries.answer(query);
    for (let at = 0; at < answer.length; at += ANSWER_RECORD) {
        records.push(encodeRecord(RecordType.Answer, answer.subarray(at, at + ANSWER_RECORD)));
    }
    const types = { result: RecordType.Result, decline: RecordType.Decline, fail: RecordType.Fail };
    return Buffer.concat([...records, encodeRecord(types[end!.kind], end!.receipt)]);
}

function requireOpen(stopping: AbortSignal): void {
    if (stopping.aborted) {
        throw new Refused('shutting_down', 'This worker is going down');
    }
}

const jobParameters = z.object({ job: z.string().regex(/^[0-9a-f]{64}$/, 'expected 32 bytes of hex') });

function jobOf(parameters: unknown): Buffer {
    return Buffer.from(jobParameters.parse(parameters).job, 'hex');
}

function numberOf(parameters: unknown): number {
    return z.object({ number: z.coerce.number().int().min(1).max(0xffffffff) }).parse(parameters).number;
}

function decoded(body: Buffer): ReturnType<typeof decodeQuery> {
    try {
        return decodeQuery(body);
    } catch (error) {
        const message = error instanceof z.ZodError ? z.prettifyError(error) : 'The body is not a query';
        throw new Refused('bad_request', message);
    }
}

function refuse({ log, metrics }: WorkerContext, error: unknown, reply: FastifyReply): FastifyReply {
    const refused = refusalOf(error);
    // Strangers bring about what is expected as often as they like, and would fill a disk with it.
    if (refused.code === 'internal' && !(error instanceof Refused || error instanceof NoRoom)) {
        log.error({ err: error }, 'request failed');
    }
    const { code, message, status, url } = refused;
    metrics.addUnsigned(code);
    return reply.code(status).send({ error: { code, message, url } });
}

function refusalOf(error: unknown): Refused {
    if (error instanceof Refused) {
        return error;
    }
    if (error instanceof z.ZodError) {
        return new Refused('bad_request', z.prettifyError(error));
    }
    const status = (error as { statusCode?: unknown }).statusCode;
    if (status === 413) {
        return new Refused('too_large', 'The request is larger than this worker allows');
    }
    if (error instanceof NoRoom) {
        return new Refused('internal', error.message, { status: 503 });
    }
    return typeof status === 'number' && status >= 400 && status < 500
        ? new Refused('bad_request', (error as Error).message, { status })
        : new Refused('internal', 'The worker failed');
}
