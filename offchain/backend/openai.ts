/**
 * A backend behind a URL with OpenAI's chat API: vLLM, SGLang, Ollama and others. Errors have texts of their own,
 * because the server's text may repeat the prompt.
 */

import { createParser } from 'eventsource-parser';
import { type Dispatcher, Pool } from 'undici';
import { Reason } from '@cocoon-market/wrappers';
import {
    type Backend,
    BackendError,
    type BackendEvent,
    type ChatRequest,
    type FinishReason,
    type Usage,
} from './backend';
import { waits } from '../link';
import { retryAfterOf } from '../process/retryAfter';
import { reasonOf } from './reasons';
import { toUsage, type WireUsage } from './usage';

/** The address of an OpenAI-compatible server. */
export interface OpenAiConfig {
    url: string; // the base URL for SDKs, which usually ends in /v1
    apiKey?: string;
}

/** The fields of one event of the server that are used here. */
interface Chunk {
    choices?: {
        delta?: Record<string, unknown> | null;
        finish_reason?: string | null;
    }[];
    usage?: WireUsage | null;
    error?: unknown;
}

// Marks around a message: 5 in Llama 3, Qwen and harmony, and room for other templates.
const TOKENS_PER_MESSAGE = 16;

// Text at the start of a template: a default system message, dates, harmony's channel rules (about 100).
const TOKENS_PER_REQUEST = 256;

const MAX_EVENT = 16 * 1024 * 1024; // characters; without a limit, an event without an end would fill the memory

/** Serves the models of the server at the URL. */
export class OpenAiBackend implements Backend {
    readonly name = 'openai';
    private readonly origin: string;
    private readonly path: string;
    private readonly headers: Record<string, string>;
    private readonly pool: Pool;

    constructor(config: OpenAiConfig) {
        const url = new URL(config.url);
        this.origin = url.origin;
        this.path = url.pathname === '/' ? '/v1' : url.pathname.replace(/\/+$/, '');
        this.headers = config.apiKey ? { authorization: `Bearer ${config.apiKey}` } : {};
        this.pool = new Pool(this.origin);
    }

    /** @throws {BackendError} if the server does not answer with its models */
    async models(): Promise<string[]> {
        const { body } = await this.request({
            method: 'GET',
            path: `${this.path}/models`,
            headersTimeout: waits.models * 1000,
            bodyTimeout: waits.models * 1000,
        });
        try {
            const list = (await body.json()) as { data: { id: string }[] };
            return list.data.map(({ id }) => id);
        } catch {
            throw new BackendError(`${this.origin}${this.path}/models did not answer with a list of models`);
        }
    }

    /**
     * UTF-8 bytes of all messages plus room for the template. In byte-level vocabularies every token stands for at
     * least one byte, so a text never has more tokens than bytes.
     */
    promptBound(request: ChatRequest): number {
        const bytes = request.messages.reduce((sum, { content }) => sum + Buffer.byteLength(content), 0);
        return bytes + TOKENS_PER_MESSAGE * request.messages.length + TOKENS_PER_REQUEST;
    }

    /**
     * Runs one completion. `end` carries no `usage` if the server sent none, and no delta carries `tokens`, because
     * a chunk may hold several.
     *
     * @throws {BackendError} with the server's status, if there was one
     */
    async *stream(request: ChatRequest, signal: AbortSignal): AsyncGenerator<BackendEvent> {
        if (signal.aborted) return;
        let body: Dispatcher.ResponseData['body'];
        try {
            ({ body } = await this.request({
                method: 'POST',
                path: `${this.path}/chat/completions`,
                body: JSON.stringify(toWire(request)),
                headersTimeout: waits.backend * 1000,
                bodyTimeout: waits.backend * 1000,
                signal,
            }));
        } catch (error) {
            if (signal.aborted) return;
            throw error;
        }

        let finish: FinishReason | undefined;
        let usage: Usage | undefined;
        const received: string[] = [];
        const parser = createParser({ maxBufferSize: MAX_EVENT, onEvent: ({ data }) => received.push(data) });
        const decoder = new TextDecoder();
        try {
            for await (const bytes of body) {
                parser.feed(decoder.decode(bytes as Buffer, { stream: true }));
                for (const data of received.splice(0)) {
                    if (signal.aborted) return;
                    if (data === '[DONE]') continue;
                    const chunk = readChunk(data);
                    const choice = chunk.choices?.[0];
                    const { content, reasoning } = textsOf(choice?.delta ?? {});
                    if (content || reasoning) {
                        usage = undefined; // an earlier report counts a part only
                        yield { type: 'delta', ...(content && { content }), ...(reasoning && { reasoning }) };
                    }
                    if (choice?.finish_reason) finish = toFinish(choice.finish_reason);
                    if (chunk.usage) usage = toUsage(chunk.usage) ?? usage;
                }
            }
        } catch (error) {
            if (signal.aborted) return;
            if (error instanceof BackendError) throw error;
            throw new BackendError(`the stream from ${this.origin} broke off (${codeOf(error)})`, undefined, {
                reason: reasonOfCode(codeOf(error)),
            });
        }
        if (signal.aborted) return;
        if (!finish) throw new BackendError(`the stream from ${this.origin} ended before the answer did`);
        yield { type: 'end', finish, ...(usage && { usage }) };
    }

    /** Ends running streams with an error. */
    async close(): Promise<void> {
        await this.pool.destroy();
    }

    private async request(options: Dispatcher.RequestOptions): Promise<Dispatcher.ResponseData> {
        const headers = { ...this.headers, 'content-type': 'application/json' };
        let response: Dispatcher.ResponseData;
        try {
            response = await this.pool.request({ ...options, headers });
        } catch (error) {
            const code = codeOf(error);
            throw new BackendError(connectionAdvice(this.origin, code), undefined, { reason: reasonOfCode(code) });
        }
        const { statusCode: status, body } = response;
        if (status === 200) return response;
        const reason = reasonOf(status, await errorBody(body));
        const retryAfter = retryAfterOf(response.headers['retry-after']);
        throw new BackendError(adviceOf(reason, status, this.origin + this.path), status, {
            reason,
            ...(retryAfter !== undefined && { retryAfter }),
        });
    }
}

function toWire(request: ChatRequest): object {
    return {
        model: request.model,
        messages: request.messages,
        max_tokens: request.maxTokens,
        temperature: request.temperature,
        top_p: request.topP,
        seed: request.seed,
        stop: request.stop,
        stream: true,
        stream_options: { include_usage: true },
    };
}

function readChunk(data: string): Chunk {
    let chunk: Chunk;
    try {
        chunk = JSON.parse(data) as Chunk;
    } catch {
        throw new BackendError(
            'the server sent an event that is not JSON: check that the URL is an OpenAI-compatible API',
        );
    }
    if (chunk?.error || (chunk as { object?: unknown } | null)?.object === 'error') {
        const { code } = (typeof chunk.error === 'object' ? chunk.error : chunk) as { code?: unknown };
        const status = typeof code === 'number' && code >= 400 && code < 600 ? code : undefined;
        throw new BackendError('the server reported an error in the middle of an answer: see its own log', status, {
            reason: reasonOf(status, chunk),
        });
    }
    if (typeof chunk !== 'object' || chunk === null) {
        throw new BackendError(
            'the server sent an event that is no object: check that the URL is an OpenAI-compatible API',
        );
    }
    return chunk;
}

// Parts of a delta that are not text. No request asks for them, and they cannot be delivered.
const UNDELIVERED = ['tool_calls', 'function_call', 'refusal', 'audio'];

/** The texts of a delta. Throws when it holds anything else, which would be lost. */
function textsOf(delta: Record<string, unknown>): { content?: string; reasoning?: string } {
    const { content, reasoning_content: thought, reasoning = thought } = delta;
    const other = UNDELIVERED.find((name) => !isNothing(delta[name]));
    const texts = [content, thought, reasoning];
    if (other !== undefined || texts.some((text) => !isNothing(text) && typeof text !== 'string')) {
        throw new BackendError(
            `the server sent what is not text (${other ?? 'content'}): turn its tools and parsers off`,
        );
    }
    // Some servers send reasoning under both names.
    return { content: (content as string) || undefined, reasoning: ((thought || reasoning) as string) || undefined };
}

function isNothing(value: unknown): boolean {
    return value === undefined || value === null || value === '' || (Array.isArray(value) && value.length === 0);
}

const FINISHES: Partial<Record<string, FinishReason>> = {
    stop: 'stop',
    eos_token: 'stop', // TGI
    stop_sequence: 'stop', // TGI
    length: 'length',
    content_filter: 'content_filter',
};

// An answer that ended for another reason is not complete.
function toFinish(reason: unknown): FinishReason {
    const finish = typeof reason === 'string' && Object.hasOwn(FINISHES, reason) ? FINISHES[reason] : undefined;
    if (finish === undefined) {
        throw new BackendError('the server stopped the answer by itself: see its own log');
    }
    return finish;
}

function codeOf(error: unknown): string {
    const { code, name } = error as { code?: unknown; name?: unknown };
    return String(code ?? name);
}

function connectionAdvice(origin: string, code: string): string {
    switch (code) {
        case 'ECONNREFUSED':
            return `nothing listens at ${origin}: start the model server or correct the backend's URL`;
        case 'ENOTFOUND':
        case 'EAI_AGAIN':
            return `the host of ${origin} has no address: correct the backend's URL`;
        case 'UND_ERR_CONNECT_TIMEOUT':
            return `${origin} cannot be reached: check the network and the firewall`;
        case 'UND_ERR_HEADERS_TIMEOUT':
            return `${origin} accepted the request and never answered: see the model server's log`;
        default:
            return `the connection to ${origin} failed (${code})`;
    }
}

function reasonOfCode(code: string): Reason {
    const slow = ['UND_ERR_HEADERS_TIMEOUT', 'UND_ERR_BODY_TIMEOUT', 'UND_ERR_CONNECT_TIMEOUT', 'ETIMEDOUT'];
    return slow.includes(code) ? Reason.BackendSlow : Reason.BackendDown;
}

const ERROR_BYTES = 64 * 1024;
const ERROR_MS = 5_000;

/** The body of an error as JSON; undefined when it is not JSON, too long, or does not come in time. */
async function errorBody(body: Dispatcher.ResponseData['body']): Promise<unknown> {
    const late = setTimeout(() => body.destroy(), ERROR_MS);
    try {
        const pieces: Buffer[] = [];
        let length = 0;
        for await (const piece of body) {
            pieces.push(piece as Buffer);
            length += (piece as Buffer).length;
            if (length > ERROR_BYTES) return undefined;
        }
        return JSON.parse(Buffer.concat(pieces).toString('utf8')) as unknown;
    } catch {
        return undefined;
    } finally {
        clearTimeout(late);
    }
}

function adviceOf(reason: Reason, status: number, base: string): string {
    switch (reason) {
        case Reason.ContextExceeded:
            return `the model server refused the request (HTTP ${status}): it is longer than the model's context`;
        case Reason.BackendRefused:
            return `the model server refused the request (HTTP ${status}) as wrong: see its own log`;
        case Reason.BackendDenied:
            return `the model server refused the API key (HTTP ${status}): correct the backend's API key, or its account`;
        case Reason.BackendModel:
            return `the model server knows no such path or model (HTTP ${status}): check the model's name and the URL ${base}`;
        case Reason.BackendBusy:
            return `the model server has too much to do (HTTP ${status}): lower the number of parallel queries`;
        case Reason.BackendSlow:
            return `the model server did not answer in time (HTTP ${status}): see its own log`;
        default:
            return status === 503
                ? 'the model server is not ready (HTTP 503): wait until it has loaded its model'
                : `the model server failed (HTTP ${status}): see its own log`;
    }
}
