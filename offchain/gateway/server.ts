/** The gateway's own HTTP: what an OpenAI client sees, and the admin paths of the command line. */
import type { FastifyError, FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { randomUUID } from 'node:crypto';
import type { z } from 'zod';
import { ChainError } from '../chain/errors';
import { choicesOf, embeddingBody } from '../link';
import { BytesInUse, createDoor, memoryOf, NoRoom, SMALL_BODY } from '../process/doors';
import { JsonError } from '../process/json';
import { isLoopback, isLoopbackHeader } from '../process/publicAddress';
import { Answers, CutReason } from './answers';
import { answerStream, answerWhole, headersOf, readAnswer, sendJson, untilGone } from './api/answering';
import { ChatFormat } from './api/chat';
import { CompletionFormat } from './api/completions';
import { Embeddings } from './api/embeddings';
import { AnswerFormat, cutError, finishOf } from './api/format';
import { modelNamed } from './api/modelName';
import { ApiCall, readCall, ReadOptions } from './api/request';
import { messagesError, MessagesFormat } from './api/messages';
import { readMessages } from './api/messagesRequest';
import { ResponsesFormat } from './api/responses';
import { readResponses } from './api/responsesRequest';
import type { GatewayConfig } from './config';
import type { GatewayContext } from './context';
import { addCors } from './cors';
import { addKeyCheck, payerFor } from './doorkeeper';
import { badRequest, chainDown, GatewayError, tooMany, unavailable } from './errors';
import { Idempotency, idempotent } from './idempotency';
import type { GatewayJob } from './job';
import { questionOf } from './query';
import { addRequestFacts, noteError, observed, requestLogger, type RequestObserver } from './requestLog';
import { Router } from './router';
import { readCertificate } from './tls';

const MESSAGES = '/v1/messages'; // the one path in the shape of Anthropic's API
const BODY_BYTES = 8 << 20; // of a request for a model
const LONG_BYTES = 512 << 20; // of memory, of long requests that wait or are answered; of one of several keys half of it
const NOT_LOCAL =
    'This gateway answers to 127.0.0.1 and localhost only: a proxy before it sets the header Host to one of them, or ' +
    'listen.host is another address';
const KEY_SHARE = 2; // one of several keys gets at most 1/KEY_SHARE of all queries at once
const MAX_NAME = 100; // characters of a key in an error

/** The server, not yet listening. `longBytes`: of memory, of long requests that wait or are answered. */
export function makeServer(
    context: GatewayContext,
    router: Router,
    answers = new Answers(),
    longBytes = LONG_BYTES,
): FastifyInstance {
    const { config, log, people } = context;
    const { proxies, tls } = config.listen;
    const server = createDoor({ proxies, tls: tls && readCertificate(tls) });
    const count: RequestObserver = ({ facts, routeOptions }, { raw }) =>
        context.metrics.addRequest(facts, routeOptions.url ?? 'unknown', raw.statusCode);
    addRequestFacts(server, [requestLogger(log, people.apiKeys), context.activity.observe, count]);

    server.setErrorHandler((error: FastifyError | GatewayError, request, reply) => {
        const answer = asGatewayError(error);
        noteError(request, answer.code);
        // Strangers bring about a lack of room as often as they like.
        if (answer.status >= 500 && !(error instanceof GatewayError || error instanceof NoRoom)) {
            const reason = error instanceof ChainError ? error.message : error.name; // others may quote the request
            log.error({ reason, code: error.code }, 'a request failed');
        }
        return reply
            .code(answer.status)
            .headers(answer.toHeaders())
            .send(request.url.split('?')[0] === MESSAGES ? messagesError(answer) : answer.toBody());
    });
    server.setNotFoundHandler((_, reply) => {
        const answer = new GatewayError(
            404,
            'unknown_path',
            'There is no such path: the API is POST /v1/chat/completions, /v1/responses, /v1/messages, /v1/completions ' +
                "and /v1/embeddings, and GET /v1/models. The base URL of an SDK ends in /v1, that of Anthropic's before it",
        );
        return reply.code(404).send(answer.toBody());
    });

    if (isLoopback(config.listen.host)) {
        // A page whose own name was pointed at this machine (DNS rebinding) would spend the client's money.
        server.addHook('onRequest', async ({ headers }) => {
            if (!isLoopbackHeader(headers.host)) {
                throw new GatewayError(403, 'not_local', NOT_LOCAL);
            }
        });
    }
    server.addHook('onRequest', async ({ headers }) => {
        if ((headers['content-encoding'] ?? 'identity') !== 'identity') {
            throw Object.assign(new Error('compressed'), { statusCode: 415 });
        }
    });
    addCors(server, config, people);
    addKeyCheck(server, people);
    server.get('/healthz', async () => ({ status: 'ok' }));
    const parts = { context, router, answers, bodies: new BytesInUse(longBytes) };
    const idempotency = new Idempotency(config.idempotency, undefined, undefined, context.store.claims);
    for (const [path, read] of Object.entries(readers)) {
        server.post(path, { bodyLimit: BODY_BYTES }, idempotent(idempotency, answerAt(read, parts)));
    }
    server.post('/v1/embeddings', { bodyLimit: BODY_BYTES }, idempotent(idempotency, embedAt(parts)));
    return server;
}

interface EndpointParts {
    context: GatewayContext;
    router: Router;
    answers: Answers;
    bodies: BytesInUse; // memory of long ones, of requests that wait or are answered
}

/** A request that was read, and the writer of its answer. */
interface ReadRequest {
    call: ApiCall;
    format: (created: number) => AnswerFormat;
}

const readers: Record<string, (body: unknown, options: ReadOptions) => ReadRequest> = {
    '/v1/chat/completions': (body, options) => {
        const call = readCall('chat', body, options);
        return { call, format: (created) => new ChatFormat(headOf('chatcmpl-', call, created), shownOf(call)) };
    },
    '/v1/completions': (body, options) => {
        const call = readCall('completion', body, options);
        return { call, format: (created) => new CompletionFormat(headOf('cmpl-', call, created), shownOf(call)) };
    },
    '/v1/responses': (body, options) => {
        const call = readResponses(body, options);
        return { call, format: (created) => new ResponsesFormat(headOf('resp_', call, created), call.body) };
    },
    [MESSAGES]: (body, options) => {
        const call = readMessages(body, options);
        return { call, format: (created) => new MessagesFormat(headOf('msg_', call, created)) };
    },
};

const headOf = (prefix: string, { modelRequest }: ApiCall, created: number) => ({
    id: `${prefix}${randomUUID().replaceAll('-', '')}`,
    created,
    model: modelRequest.body.model,
});

const shownOf = ({ includeUsage, modelRequest }: ApiCall) => ({ includeUsage, choices: choicesOf(modelRequest) });

/** Answers requests for a model's text, each in the shape that `read` gives. */
function answerAt(read: (typeof readers)[string], parts: EndpointParts) {
    const { context, router } = parts;
    const { config, log, now, people } = context;
    return async (request: FastifyRequest, reply: FastifyReply) => {
        requireRoom(parts, request);
        const { call, format } = read(request.body, config);
        nameModel(call, config);
        noteModel(request, call);
        const payer = payerFor(request, call.modelRequest.body.model, people);
        showNotPassedOn(reply, call);
        const silenceMs = config.commentSeconds * 1000;
        const question = { ...questionOf(call.modelRequest, call), preferences: call.preferences, payer };
        const created = now();
        return runAnswer(parts, reply, (signal) =>
            (call.stream ? answerStream : answerWhole)({
                ...{
                    question,
                    format: () => format(created), // made when it writes: it holds nothing while an app reads
                    router: observed(router, request.facts),
                    reply,
                    signal,
                    log,
                    silenceMs,
                },
                toGatewayError: (error) => {
                    const answer = asGatewayError(error);
                    noteError(request, answer.code);
                    return answer;
                },
            }),
        );
    };
}

function embedAt(parts: EndpointParts) {
    const { context, router } = parts;
    const { config, people } = context;
    return async (request: FastifyRequest, reply: FastifyReply) => {
        requireRoom(parts, request);
        const call = readCall('embedding', request.body, config);
        const body = call.modelRequest.body as z.output<typeof embeddingBody>;
        nameModel(call, config);
        noteModel(request, call);
        const payer = payerFor(request, body.model, people);
        showNotPassedOn(reply, call);
        const inputs = typeof body.input === 'string' ? 1 : body.input.length;
        const embeddings = new Embeddings(inputs, body.encoding_format ?? 'float');
        return runAnswer(parts, reply, async (signal) => {
            const begin = (job: GatewayJob, number: number) => void reply.headers(headersOf(job, number));
            const reading = {
                question: { ...questionOf(call.modelRequest, call), preferences: call.preferences, payer },
                signal,
                begin,
            };
            const result = await readAnswer(observed(router, request.facts), reading, (piece) => embeddings.add(piece));
            const finish = finishOf(result);
            if (finish !== 'stop') {
                throw finish === 'error' ? cutError() : tooManyVectors();
            }
            await sendJson(reply, () => embeddings.body(body.model, result));
        });
    };
}

function tooManyVectors(): GatewayError {
    const message = 'The vectors are longer than an answer may be (job.maxAnswer): send fewer inputs at once';
    return new GatewayError(413, 'too_large', message, { param: 'input', billed: true });
}

/** Runs one answer that is counted, and cut when its client goes away. */
async function runAnswer(
    { context, answers, bodies }: EndpointParts,
    reply: FastifyReply,
    answer: (signal: AbortSignal) => Promise<void>,
): Promise<FastifyReply> {
    const { facts, apiKey } = reply.request;
    const memory = memoryOf(reply.request);
    // Whoever has the only key has all of it.
    const client = apiKey !== undefined && context.people.apiKeys.usable > 1 ? apiKey.name : facts.id;
    const { abort, end } = answers.begin(apiKey?.name);
    let letGo = () => undefined as void;
    reply.raw.once('close', () => {
        if (!reply.raw.writableFinished && facts.isRecorded !== true) {
            abort.abort('client' satisfies CutReason);
        }
    });
    try {
        letGo = memory > 0 ? bodies.take(client, memory) : letGo;
        const answering = untilGone(reply, abort.signal, () => answer(abort.signal));
        facts.answering = answering;
        return await answering;
    } finally {
        end();
        letGo();
    }
}

function noteModel({ facts }: FastifyRequest, { stream, modelRequest }: ApiCall): void {
    facts.model = modelRequest.body.model;
    facts.isStream = stream;
}

/** Throws 429 if too many queries run, or too many of one key while others have one, too. */
function requireRoom({ context, answers }: EndpointParts, { apiKey }: FastifyRequest): void {
    const { config, people } = context;
    const { maxQueries } = config;
    if (answers.count >= maxQueries) {
        throw tooMany(`This gateway answers ${maxQueries} queries at once (maxQueries): ask again in a moment`);
    }
    const share = Math.ceil(maxQueries / KEY_SHARE);
    if (apiKey !== undefined && people.apiKeys.usable > 1 && answers.countOf(apiKey.name) >= share) {
        throw tooMany(
            `This key has ${share} queries running, which is all that one of several keys may: ask again in a moment`,
        );
    }
}

/** Gives the model of a request its full name. */
function nameModel({ modelRequest: { body } }: ApiCall, { models }: GatewayConfig): void {
    body.model = modelNamed(body.model, Object.keys(models));
}

function showNotPassedOn(reply: FastifyReply, { notPassedOn }: ApiCall): void {
    if (notPassedOn.length > 0) {
        reply.header('x-cocoon-not-passed-on', notPassedOn.join(', '));
    }
}

// Repeats nothing of a parser's error: it may quote the request.
function asGatewayError(error: Error & { statusCode?: number; code?: string }): GatewayError {
    if (error instanceof GatewayError) {
        return error;
    }
    if (error instanceof ChainError) {
        return chainDown();
    }
    const { statusCode = 500, code } = error;
    if (error instanceof NoRoom) {
        return unavailable(error.message, 'too_busy');
    }
    if (statusCode === 413) {
        return new GatewayError(
            413,
            'too_large',
            `The body is too long: a request for a model may have ${BODY_BYTES} bytes, any other request ${SMALL_BODY}`,
        );
    }
    if (statusCode === 415) {
        return badRequest('The body must be JSON, not compressed: send content-type: application/json');
    }
    if (error instanceof JsonError && error.key !== undefined) {
        const key = error.key.slice(0, MAX_NAME);
        return badRequest(`"${key}" stands twice in one object: leave one out`, key, 'invalid_json');
    }
    if (statusCode >= 400 && statusCode < 500) {
        const reasons: Partial<Record<string, string>> = {
            FST_ERR_CTP_EMPTY_JSON_BODY: 'is empty: send a JSON object',
        };
        const reason =
            error instanceof JsonError ? `is ${error.message}` : (reasons[code ?? ''] ?? 'is not valid JSON');
        return badRequest(`The body ${reason}`, undefined, 'invalid_json');
    }
    return new GatewayError(500, 'internal', 'The gateway failed; its log says more');
}

/** Refuses what does not come from this machine's own programs: another machine, or a page in a browser. */
export function requireLocal(request: FastifyRequest): void {
    if (!isLocal(request)) {
        throw new GatewayError(403, 'not_local', 'Admin paths are for programs on this machine');
    }
    if (request.method === 'POST' && request.headers['content-type'] !== 'application/json') {
        throw badRequest('Admin paths take JSON');
    }
}

/** True for a request that this machine's own programs make, or a page of this gateway itself. */
export function isLocal({ socket: { remoteAddress = '' }, headers: { host, origin } }: FastifyRequest): boolean {
    const isLoopbackAddress = /^(127\.|::1$|::ffff:127\.)/.test(remoteAddress);
    return isLoopbackAddress && isLoopbackHeader(host) && origin === undefined;
}
