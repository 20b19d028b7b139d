/** The gateway's own HTTP: what an OpenAI client sees, and the admin paths of the command line. */
import type { FastifyError, FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { createDoor, NoRoom, SMALL_BODY } from '../process/doors';
import { Frame, FrameKind } from '../link';
import { reasonOf } from '../process/errors';
import { Answers, CutReason, stoppingError } from './answers';
import { badRequest, GatewayError, tooMany, unavailable } from './errors';
import type { GatewayContext } from './context';
import type { GatewayJob } from './job';
import {
    AnswerHead,
    ChatCall,
    comment,
    completionOf,
    cutError,
    finishChunk,
    finishOf,
    parseChat,
    roleChunk,
    sse,
    textChunk,
    usageChunk,
    usageOf,
} from './openai';
import { Question } from './query';
import { AnswerBroken, ClientGone, Router, AnswerSink } from './router';
import { counterOf } from './tokens';

const BODY_BYTES = 8 << 20; // of a chat

const LOCAL_NAMES = /^(127\.0\.0\.1|localhost|::1)$/;
const LOCAL_HOST = /^(127\.0\.0\.1|localhost|\[::1\])(:\d+)?$/;

/** The server, not yet listening. */
export function makeServer(context: GatewayContext, router: Router, answers = new Answers()): FastifyInstance {
    const { config, log, now } = context;
    const server = createDoor();

    server.setErrorHandler((error: FastifyError | GatewayError, _, reply) => {
        const answer = asGatewayError(error);
        if (answer.status >= 500 && !(error instanceof GatewayError)) {
            log.error({ reason: error.name, code: error.code }, 'a request failed');
        }
        return reply.code(answer.status).headers(answer.toHeaders()).send(answer.toBody());
    });
    server.setNotFoundHandler((_, reply) => {
        const answer = new GatewayError(
            404,
            'unknown_path',
            'There is no such path: the API is /v1/chat/completions and /v1/models',
        );
        return reply.code(404).send(answer.toBody());
    });

    if (LOCAL_NAMES.test(config.listen.host)) {
        // A page whose own name was pointed at this machine (DNS rebinding) would spend the client's money.
        server.addHook('onRequest', async ({ headers }) => {
            if (!LOCAL_HOST.test(headers.host ?? '')) {
                throw new GatewayError(403, 'not_local', 'This gateway answers to 127.0.0.1 and localhost only');
            }
        });
    }
    server.get('/healthz', async () => ({ status: 'ok' }));
    server.get('/v1/models', async () => ({
        object: 'list',
        data: Object.keys(config.models).map((id) => ({ id, object: 'model', created: 0, owned_by: 'cocoon-market' })),
    }));
    server.post('/v1/chat/completions', { bodyLimit: BODY_BYTES }, async (request, reply) => {
        if (answers.count >= config.maxQueries) {
            throw tooMany(
                `This gateway answers ${config.maxQueries} queries at once (maxQueries): ask again in a moment`,
            );
        }
        const call = parseChat(request.body);
        if (config.models[call.chat.model] === undefined) {
            const names = Object.keys(config.models).join(', ');
            throw new GatewayError(404, 'model_not_found', `This gateway has no such model; it has ${names}`, {
                param: 'model',
            });
        }
        if (call.notPassedOn.length > 0) {
            reply.header('x-cocoon-not-passed-on', call.notPassedOn.join(', '));
        }
        const head = { id: `chatcmpl-${randomUUID()}`, created: now(), model: call.chat.model };
        const { abort, end } = answers.begin();
        reply.raw.once('close', () => {
            if (!reply.raw.writableFinished) {
                abort.abort('client' satisfies CutReason);
            }
        });
        const { signal } = abort;
        try {
            const silenceMs = config.commentSeconds * 1000;
            await (call.stream ? answerStream : answerWhole)({ call, head, router, reply, signal, log, silenceMs });
        } catch (error) {
            if (error instanceof ClientGone) {
                if (signal.reason === 'stopping') {
                    throw stoppingError();
                }
                return reply.hijack();
            }
            throw error;
        } finally {
            end();
        }
        return reply;
    });
    return server;
}

interface Answering {
    call: ChatCall;
    head: AnswerHead;
    router: Router;
    reply: FastifyReply;
    signal: AbortSignal;
    log: GatewayContext['log'];
    silenceMs: number; // before a comment
}

function questionOf({ chat }: ChatCall): Question {
    const counter = counterOf(chat.model);
    const stopBound = Math.max(0, ...(chat.stop ?? []).map((stop) => counter.text(stop)));
    return { chat, counter, promptBound: counter.prompt(chat.messages), stopBound };
}

function headersOf(job: GatewayJob, number: number): Record<string, string> {
    return { 'x-cocoon-job': String(job.number), 'x-cocoon-query': String(number), 'x-cocoon-tier': job.stored.tier };
}

async function answerWhole({ call, head, router, reply, signal }: Answering): Promise<void> {
    const text = { content: '', reasoning: '' };
    const sink: AnswerSink = {
        begin: (job, number) => void reply.headers(headersOf(job, number)),
        frame: async (frame) => {
            text[frame.kind === FrameKind.Reasoning ? 'reasoning' : 'content'] += frame.text;
        },
    };
    try {
        const result = await router.answer(questionOf(call), sink, signal);
        const finish = finishOf(result);
        const error = finish === 'error' ? { error: cutError() } : {};
        await reply.send(completionOf(head, text, { finish, usage: usageOf(result), ...error }));
    } catch (error) {
        const broken = brokenOff(error, signal);
        if (broken === undefined || (text.content === '' && text.reasoning === '')) {
            throw error;
        }
        // It is paid, so the app gets it. Its cost is known once the node's result was fetched.
        await reply.send(completionOf(head, text, { finish: 'error', error: broken }));
    }
}

/** The error for an answer that broke off; undefined if nobody listens any more, or nothing of it was paid. */
function brokenOff(error: unknown, signal: AbortSignal): GatewayError | undefined {
    if (error instanceof ClientGone) {
        return signal.reason === 'stopping' ? stoppingMidway() : undefined;
    }
    return error instanceof AnswerBroken ? error : undefined;
}

function stoppingMidway(): GatewayError {
    return new GatewayError(
        503,
        'stopping',
        'The gateway stopped before the answer was whole; only what arrived is paid',
        {
            billed: true,
        },
    );
}

const STREAM = { 'content-type': 'text/event-stream; charset=utf-8', 'cache-control': 'no-cache' };

/**
 * Streams an answer. Headers are sent with the first text, so that a refusal before it has its HTTP status. After a
 * time of silence they are sent anyway, so that no proxy closes the connection; a refusal is then an event, and a
 * comment says which job and query answer.
 */
async function answerStream({ call, head, router, reply, signal, log, silenceMs }: Answering): Promise<void> {
    const { raw } = reply;
    let wroteAt = performance.now();
    const write = async (text: string) => {
        wroteAt = performance.now();
        if (!raw.write(text) && !signal.aborted) {
            await Promise.race([once(raw, 'drain', { signal }), once(raw, 'close', { signal })]).catch(() => undefined);
        }
        if (signal.aborted) {
            throw new ClientGone('the client went away');
        }
    };
    const open = (headers: Record<string, string>) => {
        reply.hijack();
        raw.writeHead(200, { ...(reply.getHeaders() as Record<string, string>), ...STREAM, ...headers });
        raw.flushHeaders();
    };
    const waiting = setInterval(() => {
        if (performance.now() - wroteAt < silenceMs || raw.destroyed || raw.writableNeedDrain || signal.aborted) {
            return;
        }
        wroteAt = performance.now();
        if (!raw.headersSent) {
            open({});
        }
        raw.write(comment('waiting'));
    }, silenceMs / 4);
    const sink: AnswerSink = {
        begin: (job, number) => {
            const headers = headersOf(job, number);
            if (raw.headersSent) {
                raw.write(
                    Object.entries(headers)
                        .map(([name, value]) => `: ${name}: ${value}\n`)
                        .join('') + '\n',
                );
            } else {
                open(headers);
            }
            raw.write(sse(roleChunk(head)));
        },
        frame: async (frame: Frame) => {
            if (frame.text !== '') {
                await write(sse(textChunk(head, frame.kind, frame.text)));
            }
        },
    };
    try {
        const result = await router.answer(questionOf(call), sink, signal);
        if (finishOf(result) === 'error') {
            throw cutError();
        }
        await write(sse(finishChunk(head, result)));
        if (call.includeUsage) {
            await write(sse(usageChunk(head, result)));
        }
        raw.end(sse('[DONE]'));
    } catch (error) {
        const stopped = error instanceof ClientGone && signal.reason === 'stopping';
        if (!raw.headersSent || (error instanceof ClientGone && !stopped)) {
            throw error;
        }
        if (!(error instanceof GatewayError) && !stopped) {
            log.error({ reason: reasonOf(error) }, 'a stream failed');
        }
        raw.end(sse((stopped ? stoppingMidway() : asGatewayError(error as Error)).toBody()));
        await finished(raw);
    } finally {
        clearInterval(waiting);
    }
}

/** Resolves when the last bytes are handed over, or the connection is closed. */
async function finished(raw: FastifyReply['raw']): Promise<void> {
    if (!raw.writableFinished && !raw.destroyed) {
        await Promise.race([once(raw, 'finish'), once(raw, 'close')]).catch(() => undefined);
    }
}

// Repeats nothing of a parser's error: it may quote the request.
function asGatewayError(error: Error & { statusCode?: number; code?: string }): GatewayError {
    if (error instanceof GatewayError) {
        return error;
    }
    const { statusCode = 500, code } = error;
    if (error instanceof NoRoom) {
        return unavailable(error.message, 'too_busy');
    }
    if (statusCode === 413) {
        return new GatewayError(
            413,
            'too_large',
            `The body is too long: a chat may have ${BODY_BYTES} bytes, any other request ${SMALL_BODY}`,
        );
    }
    if (statusCode === 415) {
        return badRequest('The body must be JSON: send content-type: application/json');
    }
    if (statusCode >= 400 && statusCode < 500) {
        const empty = code === 'FST_ERR_CTP_EMPTY_JSON_BODY';
        return badRequest(
            empty ? 'The body is empty: send a JSON object' : 'The body is not valid JSON',
            undefined,
            'invalid_json',
        );
    }
    return new GatewayError(500, 'internal', 'The gateway failed; its log says more');
}

/** Refuses what does not come from this machine's own programs: another machine, or a page in a browser. */
export function requireLocal(request: FastifyRequest): void {
    const { remoteAddress = '' } = request.socket;
    const loopback = /^(127\.|::1$|::ffff:127\.)/.test(remoteAddress);
    const host = LOCAL_HOST.test(request.headers.host ?? '');
    if (!loopback || !host || request.headers.origin !== undefined) {
        throw new GatewayError(403, 'not_local', 'Admin paths are for programs on this machine');
    }
    if (request.method === 'POST' && request.headers['content-type'] !== 'application/json') {
        throw badRequest('Admin paths take JSON');
    }
}
