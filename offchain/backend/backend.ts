/**
 * A backend runs the model: it streams chat completions with their token counts. Implementations are `embedded` (a
 * small transformer in this repository) and `openai` (any OpenAI-compatible URL).
 */

import { Reason, type TokenCounts } from '@cocoon-market/wrappers';
import { reasonOf } from './reasons';

export interface ChatMessage {
    role: 'system' | 'user' | 'assistant' | 'tool';
    content: string;
}

/** One chat completion. The fields mean the same as in OpenAI's API. */
export interface ChatRequest {
    model: string; // catalogue id
    messages: ChatMessage[];
    maxTokens: number; // tokens, completion and reasoning together
    temperature?: number; // 0 repeats exactly
    topP?: number;
    seed?: number;
    stop?: string[];
}

/**
 * The counts that a backend reports for a whole answer; a count that it leaves out is undefined. Without `reasoning`,
 * `completion` may include the reasoning.
 */
export type Usage = Partial<TokenCounts>;

/** Why an answer ended, in OpenAI's terms. */
export type FinishReason = 'stop' | 'length' | 'content_filter';

/**
 * The events of a completion, in order: at most one `prompt`, any number of `delta`, one `end`. A backend that learns
 * the prompt's count only at the end (a URL backend) sends no `prompt`.
 */
export type BackendEvent =
    | { type: 'prompt'; prompt: number; cached: number }
    // `tokens` is undefined when the backend does not count them.
    | { type: 'delta'; content?: string; reasoning?: string; tokens?: number }
    | { type: 'end'; finish: FinishReason; usage?: Usage };

/** An error of a backend; `status`: of the HTTP response, if one came. It never carries text of prompt or answer. */
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

    /** The maximal number of prompt tokens of the request, known before it runs. */
    promptBound(request: ChatRequest): number;

    /**
     * Runs one completion. Without an `end` event it ends only by throwing {@link BackendError} or, after `signal`
     * aborts, by returning.
     */
    stream(request: ChatRequest, signal: AbortSignal): AsyncIterable<BackendEvent>;

    close(): Promise<void>;
}
