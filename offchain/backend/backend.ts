/**
 * A backend runs the model: it streams answers with their token counts. Implementations are `embedded` (a
 * small transformer in this repository) and `openai` (any OpenAI-compatible URL).
 */

import { Reason, type TokenCounts } from '@cocoon-market/wrappers';
import type { Feature, ModelRequest } from '../link';
import { reasonOf } from './reasons';

/**
 * The counts that a backend reports for a whole answer; a count that it leaves out is undefined. Without `reasoning`,
 * `completion` may include the reasoning.
 */
export type Usage = Partial<TokenCounts>;

/** Why an answer ended, as a receipt says it. A server's own word, such as `tool_calls`, travels in a note. */
export type FinishReason = 'stop' | 'length' | 'content_filter';

/** What a model server adds to one choice of an answer. */
export interface BackendDelta {
    choice?: number; // default 0
    content?: string;
    reasoning?: string;
    fields?: Record<string, unknown>; // other fields of the message, such as tool calls
    note?: Record<string, unknown>; // beside the message, such as logprobs; not billed
    tokens?: number; // of all of it; undefined when the server does not count them
}

/**
 * The events of a completion, in order: at most one `prompt`, any number of `delta` and `work`, one `end`. A backend
 * that learns the prompt's count only at the end (a URL backend) sends no `prompt`. `work`: how many tokens of the
 * answer are made by now and are in no delta; a later delta may still bring them.
 */
export type BackendEvent =
    | { type: 'prompt'; prompt: number; cached: number }
    | ({ type: 'delta' } & BackendDelta)
    | { type: 'work'; tokens: number }
    | { type: 'end'; finish: FinishReason; usage?: Usage };

/**
 * An error of a backend, without text of prompt or answer. `status`: of the HTTP response, or 200 if the server named
 * an error in the middle of an answer; undefined if there was no response, or it broke off.
 */
export class BackendError extends Error {
    readonly reason: Reason; // default: refused for status 400, else by the status
    readonly retryAfter: number | undefined; // seconds

    constructor(
        message: string,
        readonly status?: number,
        { reason, retryAfter }: { reason?: Reason; retryAfter?: number } = {},
    ) {
        super(message);
        this.name = 'BackendError';
        this.reason = reason ?? (status === 400 ? Reason.BackendRefused : reasonOf(status ?? 500, undefined));
        this.retryAfter = retryAfter;
    }
}

export interface Backend {
    readonly name: string;

    /** Catalogue ids that this backend serves. */
    models(): Promise<string[]>;

    /** What it can do besides plain chat, unless an offer says something else. */
    readonly features: readonly Feature[];

    /** True if it counts the tokens of an answer at the end only. */
    readonly countsAtEnd?: boolean;

    /**
     * The maximal number of prompt tokens of the request, known before it runs. `bound`: what the tokenizer of the
     * model's offer makes of it.
     */
    promptBound(request: ModelRequest, bound: number): number;

    /**
     * Runs one request. Without an `end` event it ends only by throwing {@link BackendError} or, after `signal`
     * aborts, by returning.
     */
    stream(request: ModelRequest, signal: AbortSignal): AsyncIterable<BackendEvent>;

    close(): Promise<void>;
}
