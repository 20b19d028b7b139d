/**
 * What is known of each request: an id, who asks, which job answers, what it costs. It is logged when the request is
 * over. Prompts and answers are no part of it.
 */
import type { Result } from '@cocoon-market/wrappers';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { randomBytes } from 'node:crypto';
import type { Logger } from 'pino';
import type { ApiKeys } from './apiKeys';
import type { Router } from './router';

declare module 'fastify' {
    interface FastifyRequest {
        facts: RequestFacts;
    }
}

/** What is known of one request; fields appear as they become known. */
export interface RequestFacts {
    readonly id: string;
    readonly startedAt: number; // milliseconds of a steady clock
    model?: string;
    job?: number;
    query?: number;
    worker?: string; // URL
    result?: Result;
    code?: string; // of the error
    firstTokenMs?: number;
    isStream?: boolean;
    isReplayed?: boolean; // the answer of an earlier request with the same Idempotency-Key
    isRecorded?: boolean; // its answer goes on when the connection ends
    answering?: Promise<unknown>; // until its answer is over, also after the connection
}

/** Whoever wants to know of each request that is over. */
export type RequestObserver = (request: FastifyRequest, reply: FastifyReply) => void;

/** Gives each request an id and its facts, and tells the observers when its answer is over. */
export function addRequestFacts(server: FastifyInstance, observers: RequestObserver[]): void {
    server.decorateRequest('facts', undefined as never);
    server.addHook('onRequest', async (request, reply) => {
        const id = `req_${randomBytes(12).toString('hex')}`;
        request.facts = { id, startedAt: performance.now() };
        reply.header('x-request-id', id);
        reply.raw.once('close', () => {
            const observe = () => observers.forEach((one) => one(request, reply));
            Promise.resolve(request.facts.answering).then(observe, observe);
        });
    });
}

/** Notes the error that answers a request. One that was refused at the door has no facts yet. */
export function noteError({ facts }: { facts?: RequestFacts }, code: string): void {
    if (facts !== undefined) {
        facts.code = code;
    }
}

/**
 * Logs each request to the API when it is over. One that lacks a key which it needs is in the metrics only, unless
 * everything is logged: strangers would fill a disk with them.
 */
export function requestLogger(log: Logger, apiKeys: Pick<ApiKeys, 'areRequired'>): RequestObserver {
    return (request, reply) => {
        const route = request.routeOptions.url ?? 'unknown';
        const lacksKey = apiKeys.areRequired && request.apiKey === undefined;
        const level = route.startsWith('/v1/') && !lacksKey ? 'info' : 'debug';
        log[level](fieldsOf(request, reply, route), 'request');
    };
}

function fieldsOf({ facts, apiKey, method }: FastifyRequest, { raw }: FastifyReply, route: string) {
    const { id, model, job, query, worker, result, code, firstTokenMs, isReplayed } = facts;
    return {
        ...{
            requestId: id,
            method,
            path: route,
            status: raw.statusCode,
            ms: Math.round(performance.now() - facts.startedAt),
        },
        ...(apiKey && { keyName: apiKey.name }),
        ...{ model, job, query, worker, code },
        ...(firstTokenMs !== undefined && { firstTokenMs: Math.round(firstTokenMs) }),
        ...(result && {
            ...{ promptTokens: result.prompt, cachedTokens: result.cached },
            ...{ completionTokens: result.completion, reasoningTokens: result.reasoning },
            nanoton: result.price.toString(),
        }),
        ...(isReplayed === true && { replayed: true }),
        ...(!raw.writableFinished && { cut: true }),
    };
}

/** A router that writes into a request's facts which job answers, when it begins, and what it costs. */
export function observed(router: Pick<Router, 'answer'>, facts: RequestFacts): Pick<Router, 'answer'> {
    return {
        answer: async (question, sink, signal) => {
            const begin: typeof sink.begin = (job, number) => {
                Object.assign(facts, { job: job.number, query: number, worker: job.stored.worker });
                facts.firstTokenMs = performance.now() - facts.startedAt;
                sink.begin(job, number);
            };
            const result = await router.answer(question, { begin, frame: (frame) => sink.frame(frame) }, signal);
            facts.result = result;
            return result;
        },
    };
}
