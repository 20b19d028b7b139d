/** Sends an answer to an app, as a stream or whole, and tells it when the node or the gateway stopped midway. */
import type { FastifyReply } from 'fastify';
import { once } from 'node:events';
import { AnswerPiece, choicesOf, type Frame, PieceError, PieceReader, waits } from '../../link';
import { reasonOf } from '../../process/errors';
import { stoppingError } from '../answers';
import type { GatewayContext } from '../context';
import { ClientGone, GatewayError } from '../errors';
import type { GatewayJob } from '../job';
import type { Question } from '../query';
import { AnswerBroken, AnswerSink, type BilledResult, Router } from '../router';
import { AnswerFormat, comment, cutError, finishOf } from './format';
import { AnswerAsText } from './asText';

/** One request on its way. */
export interface Answering {
    question: Question;
    format: () => AnswerFormat;
    router: Pick<Router, 'answer'>;
    reply: FastifyReply;
    signal: AbortSignal;
    log: GatewayContext['log'];
    silenceMs: number; // before a comment
    toGatewayError: (error: Error) => GatewayError;
}

/** Headers that say which job and query answer. */
export function headersOf(job: GatewayJob, number: number): Record<string, string> {
    return { 'x-cocoon-job': String(job.number), 'x-cocoon-query': String(number), 'x-cocoon-tier': job.stored.tier };
}

/** Sends an answer in one body. */
export async function answerWhole({ question, format, router, reply, signal }: Answering): Promise<void> {
    const text = new AnswerAsText();
    try {
        const begin: AnswerSink['begin'] = (job, number) => void reply.headers(headersOf(job, number));
        const keep = (frame: Frame) => text.add(frame);
        const result = await readAnswer(router, { question, signal, begin, keep }, () => undefined);
        const finish = finishOf(result);
        const error = finish === 'error' ? { error: cutError() } : {};
        await sendJson(reply, () => format().whole(text.whole(), { finish, result, ...error }));
    } catch (error) {
        const broken = brokenOff(error, signal);
        if (broken === undefined || text.whole({ isCut: true }).isEmpty) {
            throw error;
        }
        // It is paid, so the app gets it. Its cost is known once the node's result was fetched.
        await sendJson(reply, () => format().whole(text.whole({ isCut: true }), { finish: 'error', error: broken }));
    }
}

/** Sends the body of an answer that was paid, to an app that reads it. */
export async function sendJson(reply: FastifyReply, write: () => object): Promise<void> {
    reply.raw.socket?.setTimeout(waits.reader * 1000); // while bytes go out, it begins anew
    await reply.type('application/json; charset=utf-8').send(written(write));
}

interface Reading {
    question: Question;
    signal: AbortSignal;
    begin: AnswerSink['begin'];
    keep?: (frame: Frame) => void; // each that could be read, until one cannot
}

/**
 * Asks, and hands over the pieces of the answer in their order. A node that sends what cannot be read is found out
 * while its answer runs; the error waits for the end, because what was sent is paid until then.
 */
export async function readAnswer(
    router: Pick<Router, 'answer'>,
    { question, signal, begin, keep }: Reading,
    take: (piece: AnswerPiece) => void | Promise<void>,
): Promise<BilledResult> {
    const reader = new PieceReader();
    const choices = choicesOf(question.modelRequest);
    let failure: GatewayError | undefined;
    const checked = (pieces: AnswerPiece[]) => {
        if (pieces.some(({ choice }) => choice >= choices)) {
            throw new PieceError('The node sent a choice that was not asked for');
        }
        return pieces;
    };
    // Apart, so that no piece is held while an app reads: read, it may take twenty times the memory of its text.
    const handOver = (read: () => AnswerPiece[]) => Promise.all(read().map(async (piece) => take(piece)));
    const hand = async (read: () => AnswerPiece[]) => {
        try {
            if (failure === undefined) {
                await handOver(read);
            }
        } catch (error) {
            if (error instanceof ClientGone) {
                throw error;
            }
            failure = unreadable(error);
        }
    };
    const frame = (one: Frame) =>
        hand(() => {
            const pieces = checked(reader.push(one));
            keep?.(one);
            return pieces;
        });
    const result = await router.answer(question, { begin, frame }, signal);
    await hand(() => checked(reader.end()));
    if (finishOf(result) === 'stop' && reader.isUnfinished) {
        failure ??= unreadable(new PieceError('The node left a part of its answer unfinished'));
    }
    if (failure !== undefined) {
        throw failure;
    }
    return result;
}

/** The error of an answer that was paid and cannot be read. An SDK must not ask again by itself, and pay again. */
function unreadable(error: unknown): GatewayError {
    const message = error instanceof PieceError ? error.message : 'The node sent an answer that cannot be read';
    return new GatewayError(502, 'bad_node', message, { billed: true });
}

/** The body of an answer; what a format cannot write was paid all the same. */
function written(write: () => object): string {
    try {
        return JSON.stringify(write());
    } catch (error) {
        throw error instanceof GatewayError ? error : unreadable(error);
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
export async function answerStream(answering: Answering): Promise<void> {
    const { question, router, reply, signal, log, silenceMs, toGatewayError } = answering;
    const { raw } = reply;
    const format = answering.format();
    let wroteAt = performance.now();
    const write = async (text: string) => {
        wroteAt = performance.now();
        if (text !== '' && !raw.write(text) && !signal.aborted) {
            await untilRead(raw, signal);
        }
        if (signal.aborted) {
            throw new ClientGone('the client went away');
        }
    };
    const open = (headers: Record<string, string>) => {
        reply.hijack();
        raw.writeHead(200, { ...(reply.getHeaders() as Record<string, string>), ...STREAM, ...headers });
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
    const begin: AnswerSink['begin'] = (job, number) => {
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
        raw.write(format.begin());
    };
    try {
        const result = await readAnswer(router, { question, signal, begin }, (piece) => write(format.piece(piece)));
        const finish = finishOf(result);
        if (finish === 'error') {
            throw cutError();
        }
        await write(format.end(finish, result));
        raw.end();
    } catch (error) {
        const stopped = error instanceof ClientGone && signal.reason === 'stopping';
        if (!raw.headersSent || (error instanceof ClientGone && !stopped)) {
            throw error;
        }
        if (!(error instanceof GatewayError) && !stopped) {
            log.error({ reason: reasonOf(error) }, 'a stream failed');
        }
        clearInterval(waiting); // nothing may follow, however long the app reads
        raw.end(format.error(stopped ? stoppingMidway() : toGatewayError(error as Error)));
        await finished(raw);
    } finally {
        clearInterval(waiting);
    }
}

/**
 * Resolves when there is room for more, or nobody listens any more. An app that reads nothing for too long is cut: it
 * would hold a place of the job, and of the gateway's queries, as long as it likes.
 */
function untilRead(raw: FastifyReply['raw'], signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
        const late = setTimeout(() => raw.destroy(), waits.reader * 1000);
        const end = () => {
            clearTimeout(late);
            raw.off('drain', end).off('close', end);
            signal.removeEventListener('abort', end);
            resolve();
        };
        raw.once('drain', end).once('close', end);
        signal.addEventListener('abort', end);
    });
}

/** Resolves when the last bytes are handed over, or the connection is closed. */
async function finished(raw: FastifyReply['raw']): Promise<void> {
    if (!raw.writableFinished && !raw.destroyed) {
        raw.socket?.setTimeout(waits.reader * 1000);
        await Promise.race([once(raw, 'finish'), once(raw, 'close')]).catch(() => undefined);
    }
}

/** Runs an answer to its end, and ends the reply for a client that has gone. */
export async function untilGone(
    reply: FastifyReply,
    signal: AbortSignal,
    answer: () => Promise<void>,
): Promise<FastifyReply> {
    try {
        await answer();
    } catch (error) {
        if (!(error instanceof ClientGone)) {
            throw error;
        }
        if (signal.reason === 'stopping') {
            throw stoppingError();
        }
        return reply.hijack();
    }
    return reply;
}
