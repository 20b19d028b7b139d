/**
 * Any server that speaks OpenAI's chat API over a URL: vLLM, SGLang, Ollama and others. Error messages are our own
 * words, because what such a server says about an error may repeat the prompt.
 */

import { createParser } from 'eventsource-parser';
import { Pool } from 'undici';
import type { Dispatcher } from 'undici';
import { BackendError } from './backend';
import type { Backend, BackendEvent, ChatRequest, FinishReason, Usage } from './backend';
import { toUsage } from './usage';
import type { WireUsage } from './usage';

/** Where an OpenAI-compatible server is. */
export interface OpenAiConfig {
    url: string; // the base URL that SDKs take, usually ending in /v1
    apiKey?: string;
}

/** What the server sends in one event, as far as it is read here. */
interface Chunk {
    choices?: {
        delta?: { content?: string | null; reasoning_content?: string | null; reasoning?: string | null };
        finish_reason?: string | null;
    }[];
    usage?: WireUsage | null;
    error?: { code?: unknown } | null;
}

// Marks around a message (5 in Llama 3, Qwen and harmony) with room for others.
const TOKENS_PER_MESSAGE = 16;

// Templates may open with a text of their own: a default system message, dates, harmony's channel rules (about 100).
const TOKENS_PER_REQUEST = 256;

const LARGEST_EVENT = 16 * 1024 * 1024; // characters; an event without an end would otherwise fill the memory

/** Serves whatever models the server at the URL has. */
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

    /** @throws {BackendError} if the server cannot be asked */
    async models(): Promise<string[]> {
        const { body } = await this.request({ method: 'GET', path: `${this.path}/models` });
        try {
            const list = (await body.json()) as { data: { id: string }[] };
            return list.data.map(({ id }) => id);
        } catch {
            throw new BackendError(`${this.origin}${this.path}/models did not answer with a list of models`);
        }
    }

    /**
     * UTF-8 bytes of all messages plus room for the template. Tokens of the byte-level vocabularies in use stand for at
     * least one byte each, so a text never has more tokens than bytes.
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
                signal,
            }));
        } catch (error) {
            if (signal.aborted) return;
            throw error;
        }

        let finish: FinishReason | undefined;
        let usage: Usage | undefined;
        const received: string[] = [];
        const parser = createParser({ maxBufferSize: LARGEST_EVENT, onEvent: ({ data }) => received.push(data) });
        const decoder = new TextDecoder();
        try {
            for await (const bytes of body) {
                parser.feed(decoder.decode(bytes as Buffer, { stream: true }));
                for (const data of received.splice(0)) {
                    if (signal.aborted) return;
                    if (data === '[DONE]') continue;
                    const chunk = readChunk(data);
                    const choice = chunk.choices?.[0];
                    const content = choice?.delta?.content;
                    const reasoning = choice?.delta?.reasoning_content ?? choice?.delta?.reasoning;
                    if (content || reasoning) {
                        usage = undefined; // what came before counts a part
                        yield { type: 'delta', ...(content && { content }), ...(reasoning && { reasoning }) };
                    }
                    if (choice?.finish_reason) finish = toFinish(choice.finish_reason);
                    if (chunk.usage) usage = toUsage(chunk.usage) ?? usage;
                }
            }
        } catch (error) {
            if (signal.aborted) return;
            if (error instanceof BackendError) throw error;
            throw new BackendError(`the stream from ${this.origin} broke off (${codeOf(error)})`);
        }
        if (signal.aborted) return;
        if (!finish) throw new BackendError(`the stream from ${this.origin} ended before the answer did`);
        yield { type: 'end', finish, ...(usage && { usage }) };
    }

    /** Breaks off running streams. */
    async close(): Promise<void> {
        await this.pool.destroy();
    }

    private async request(options: Dispatcher.RequestOptions): Promise<Dispatcher.ResponseData> {
        const headers = { ...this.headers, 'content-type': 'application/json' };
        let response: Dispatcher.ResponseData;
        try {
            response = await this.pool.request({ ...options, headers });
        } catch (error) {
            throw new BackendError(connectionAdvice(this.origin, codeOf(error)));
        }
        if (response.statusCode === 200) return response;
        // The text is read to its end only so that the connection can be used again.
        await response.body.dump().catch(() => undefined);
        throw new BackendError(statusAdvice(response.statusCode, this.origin + this.path), response.statusCode);
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
    if (chunk.error) {
        const { code } = chunk.error;
        const status = typeof code === 'number' && code >= 400 && code < 600 ? code : undefined;
        throw new BackendError('the server reported an error in the middle of an answer: see its own log', status);
    }
    return chunk;
}

function toFinish(reason: string): FinishReason {
    if (reason === 'abort') throw new BackendError('the server stopped the answer by itself: see its own log');
    return reason === 'length' ? 'length' : 'stop';
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

function statusAdvice(status: number, base: string): string {
    switch (status) {
        case 400:
        case 413:
        case 422:
            return `the model server refused the request (HTTP ${status}): usually it is longer than the model's context`;
        case 401:
        case 403:
            return `the model server refused the API key (HTTP ${status}): correct the backend's API key`;
        case 404:
            return `the model server knows no such path or model (HTTP 404): check the model's name and the URL ${base}`;
        case 429:
            return 'the model server has too much to do (HTTP 429): lower the number of parallel queries';
        case 503:
            return 'the model server is not ready (HTTP 503): wait until it has loaded its model';
        default:
            return `the model server failed (HTTP ${status}): see its own log`;
    }
}
