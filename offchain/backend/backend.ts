/**
 * What a worker needs from whatever runs the model: one streamed chat completion at a time, with token counts.
 * Implementations: `embedded` (a small transformer in this repository) and `openai` (any OpenAI-compatible URL).
 */

import { Reason, type TokenCounts } from '@cocoon-market/wrappers';
import { reasonOf } from './fault';

export interface ChatMessage {
    role: 'system' | 'user' | 'assistant' | 'tool';
    content: string;
}

/** One chat completion. Field meanings are those of OpenAI's API. */
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
 * What a backend reports of a whole answer; a count that it leaves out is undefined. Without `reasoning`, `completion` may
 * contain it.
 */
export type Usage = Partial<TokenCounts>;

/** Why an answer ended, in OpenAI's words. */
export type FinishReason = 'stop' | 'length' | 'content_filter';

/**
 * What a running completion yields, in order: at most one `prompt`, any number of `delta`, one `end`.
 * A backend that learns the prompt's count only at the end (URL backends) sends no `prompt`.
 */
export type BackendEvent =
    | { type: 'prompt'; prompt: number; cached: number }
    | { type: 'delta'; content?: string; reasoning?: string; tokens?: number } // tokens: undefined when the backend does not say
    | { type: 'end'; finish: FinishReason; usage?: Usage };

/** A backend that failed; `status` is an HTTP status when one was received. Never carries prompt or answer text. */
export class BackendError extends Error {
    readonly reason: Reason; // whose fault it is; a backend that names none and 400 has refused the request
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

    /** Catalogue ids this backend serves. */
    models(): Promise<string[]>;

    /** A number of prompt tokens that the request cannot exceed, known before it runs. */
    promptBound(request: ChatRequest): number;

    /**
     * Runs one completion. Ends early without an `end` event only by throwing {@link BackendError} or, after `signal`
     * aborts, by returning.
     */
    stream(request: ChatRequest, signal: AbortSignal): AsyncIterable<BackendEvent>;

    close(): Promise<void>;
}
