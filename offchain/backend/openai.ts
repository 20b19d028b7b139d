/**
 * A backend behind a URL with OpenAI's API: vLLM, SGLang, Ollama and others. Errors have texts of their own,
 * because the server's text may repeat the prompt.
 */

import { createParser } from 'eventsource-parser';
import { type Dispatcher, Pool } from 'undici';
import { Reason } from '@cocoon-market/wrappers';
import { choicesOf, endpointPaths, type Feature, type ModelRequest, waits } from '../link';
import { type Backend, type BackendDelta, BackendError, type BackendEvent } from './backend';
import { ChunkReader, join, type WireChunk } from './chunks';
import { Turns } from '../process/doors';
import { retryAfterOf } from '../process/retryAfter';
import { errorBody, eventJson, readJson } from './bodies';
import { reasonOf } from './reasons';
import {
    countingFields,
    GrowingCounts,
    MAX_LIST,
    modelList,
    promptOf,
    type ServerKind,
    serverOf,
    withTimings,
    type WireTimings,
} from './servers';
import { toUsage, type WireUsage } from './usage';
import { readVectors } from './vectors';

/** The address of an OpenAI-compatible server. */
export interface OpenAiConfig {
    url: string; // the base URL for SDKs, which usually ends in /v1
    apiKey?: string;
    server?: ServerKind; // default: by its list of models
}

/** The fields of one event of the server that are used here. */
interface Chunk extends WireChunk {
    usage?: WireUsage | null;
    timings?: WireTimings | null;
    error?: unknown;
}

const MAX_EVENT = 16 * 1024 * 1024; // characters; without a limit, an event without an end would fill the memory
const CLOSE_MS = 1000; // for a server to close a stream after it has said that the answer is over
const MAX_ANSWER = 4 * 1024 * 1024; // bytes, unless it is given
const READ_AT_ONCE = 2; // answers with vectors of one server

/** Serves the models of the server at the URL. */
export class OpenAiBackend implements Backend {
    readonly name = 'openai';
    // What the servers in use do for any model. Images, audio, files and embeddings depend on the model.
    readonly features: readonly Feature[] = [
        'completions',
        'tools',
        'json',
        'choices',
        'logprobs',
        'sampling',
        'reasoning',
    ];
    private readonly origin: string;
    private readonly path: string;
    private readonly headers: Record<string, string>;
    private readonly pool: Pool;
    private server: ServerKind;
    private readonly isServerSet: boolean;
    private readonly turns = new Turns(READ_AT_ONCE, Infinity);

    /** `maxAnswer`: bytes of vectors, packed, that an answer has room for. */
    constructor(
        config: OpenAiConfig,
        private readonly maxAnswer = MAX_ANSWER,
    ) {
        const url = new URL(config.url);
        this.origin = url.origin;
        this.path = url.pathname === '/' ? '/v1' : url.pathname.replace(/\/+$/, '');
        this.headers = config.apiKey ? { authorization: `Bearer ${config.apiKey}` } : {};
        this.pool = new Pool(this.origin);
        this.isServerSet = config.server !== undefined;
        this.server = config.server ?? 'other';
    }

    /**
     * Also recognizes the server, which is asked from then on to count as it streams.
     *
     * @throws {BackendError} if the server does not answer with its models
     */
    async models(): Promise<string[]> {
        const signal = AbortSignal.timeout(waits.models * 1000); // for the whole list
        const { body } = await this.request({ method: 'GET', path: `${this.path}/models`, signal });
        const list = modelList.safeParse(await readJson(body, MAX_LIST));
        if (!list.success) {
            const problem = signal.aborted ? `in ${waits.models} seconds` : 'with a list of models';
            throw new BackendError(`${this.origin}${this.path}/models did not answer ${problem}`, undefined, {
                reason: signal.aborted ? Reason.BackendSlow : Reason.BackendDown,
            });
        }
        const { data } = list.data;
        this.server = this.isServerSet ? this.server : serverOf(data);
        return data.map(({ id }) => id);
    }

    get countsAtEnd(): boolean {
        return this.server === 'ollama' || this.server === 'other';
    }

    promptBound(_request: ModelRequest, bound: number): number {
        return bound;
    }

    /**
     * Runs one completion. `end` carries no `usage` if the server sent none. A delta carries `tokens` if the server
     * counts as it streams; without that nobody knows, because a chunk may hold several. Such a server also counts
     * tokens without text, which are `work`.
     *
     * @throws {BackendError} with the server's status, if there was one
     */
    async *stream(request: ModelRequest, signal: AbortSignal): AsyncGenerator<BackendEvent> {
        if (signal.aborted) return;
        if (request.endpoint === 'embedding') {
            yield* this.embed(request, signal);
            return;
        }
        const { server } = this;
        let body: Dispatcher.ResponseData['body'];
        try {
            ({ body } = await this.request({
                method: 'POST',
                path: `${this.path}/${endpointPaths[request.endpoint]}`,
                body: JSON.stringify({ ...toWire(request), ...countingFields(server) }),
                headersTimeout: waits.backend * 1000,
                bodyTimeout: waits.backend * 1000,
                signal,
            }));
        } catch (error) {
            if (signal.aborted) return;
            throw error;
        }

        const chunks = new ChunkReader(request);
        const counts = new GrowingCounts(server);
        let promptSent = false;
        let report: WireUsage | undefined; // the newest since the last text, read at the end only
        const received: string[] = [];
        const parser = createParser({ maxBufferSize: MAX_EVENT, onEvent: ({ data }) => received.push(data) });
        const decoder = new TextDecoder();
        let joined: BackendDelta | undefined; // of the deltas that arrived together
        let closing: NodeJS.Timeout | undefined; // since the server has said that the answer is over
        try {
            for await (const bytes of body) {
                parser.feed(decoder.decode(bytes as Buffer, { stream: true }));
                for (const data of received.splice(0)) {
                    if (signal.aborted) return;
                    if (data === '[DONE]') closing ??= setTimeout(() => body.destroy(), CLOSE_MS);
                    if (closing !== undefined) continue;
                    const chunk = readChunk(data);
                    const timings = server === 'llamacpp' ? chunk.timings : undefined;
                    const prompt = timings && !promptSent ? promptOf(timings) : undefined;
                    if (prompt !== undefined) {
                        promptSent = true;
                        yield { type: 'prompt', ...prompt };
                    }
                    const deltas = chunks.read(chunk);
                    counts.note(chunk); // only now, because a choice that was not asked for is refused
                    for (const delta of deltas) {
                        const { content, reasoning, fields, note } = delta;
                        const isNoteOnly = content === undefined && reasoning === undefined && fields === undefined;
                        if (!isNoteOnly) report = undefined; // an earlier report counts a part only
                        const tokens = isNoteOnly ? 0 : (counts.since(chunk) ?? tokensOfNote(note));
                        if (tokens !== undefined) delta.tokens = tokens;
                        if (joined === undefined) {
                            joined = delta;
                        } else if (!join(joined, delta)) {
                            yield { type: 'delta', ...joined };
                            joined = delta;
                        }
                    }
                    const next = timings ? withTimings(chunk.usage, timings) : chunk.usage;
                    if (next && counts.isWhole(chunk) && (report === undefined || toUsage(next) !== undefined)) {
                        report = next;
                    }
                }
                if (joined !== undefined) yield { type: 'delta', ...joined };
                joined = undefined;
                const tokens = counts.pending;
                if (tokens > 0) yield { type: 'work', tokens };
            }
        } catch (error) {
            if (signal.aborted) return;
            if (joined !== undefined) yield { type: 'delta', ...joined };
            if (error instanceof BackendError) throw error;
            if (closing === undefined) {
                throw new BackendError(`the stream from ${this.origin} broke off (${codeOf(error)})`, undefined, {
                    reason: reasonOfCode(codeOf(error)),
                });
            }
        } finally {
            clearTimeout(closing);
        }
        if (signal.aborted) return;
        const { finish } = chunks;
        if (!finish) throw new BackendError(`the stream from ${this.origin} ended before the answer did`);
        const usage = report && toUsage(report);
        yield { type: 'end', finish, ...(usage && { usage }) };
    }

    /**
     * Asks for embeddings. The vectors are one note: each with its index, packed as 32-bit numbers in base64. More than
     * an answer has room for are not read: hundreds of short inputs bring tens of megabytes.
     */
    private async *embed(request: ModelRequest, signal: AbortSignal): AsyncGenerator<BackendEvent> {
        const { body } = await this.request({
            method: 'POST',
            path: `${this.path}/${endpointPaths.embedding}`,
            body: JSON.stringify(request.body),
            headersTimeout: waits.backend * 1000,
            bodyTimeout: waits.backend * 1000,
            signal,
        });
        const endTurn = await this.turns.take();
        const { vectors, usage } = await readVectors(body, this.maxAnswer).finally(endTurn);
        if (signal.aborted) return;
        if (vectors !== undefined) yield { type: 'delta', note: { vectors }, tokens: 0 };
        const counts = usage && toUsage(usage);
        const nothing = { completion: 0, reasoning: 0 };
        const finish = vectors === undefined ? 'length' : 'stop';
        yield { type: 'end', finish, ...(counts && { usage: { ...counts, ...nothing } }) };
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

function toWire(request: ModelRequest): object {
    return {
        ...request.body,
        max_tokens: Math.max(1, Math.floor(request.maxTokens / choicesOf(request))),
        stream: true,
    };
}

/** Tokens of a delta by what the server says about each of them; undefined if it says nothing. */
function tokensOfNote(note: Record<string, unknown> = {}): number | undefined {
    const { token_ids: ids, logprobs } = note;
    const listed = Array.isArray(ids) ? ids : (logprobs as { content?: unknown } | undefined)?.content;
    return Array.isArray(listed) ? listed.length : undefined;
}

function readChunk(data: string): Chunk {
    let chunk: Chunk;
    try {
        chunk = eventJson(data) as Chunk;
    } catch {
        throw new BackendError(
            'the server sent an event that is not JSON: check that the URL is an OpenAI-compatible API',
        );
    }
    if (chunk?.error || (chunk as { object?: unknown } | null)?.object === 'error') {
        const { code } = (typeof chunk.error === 'object' ? chunk.error : chunk) as { code?: unknown };
        const status = typeof code === 'number' && code >= 400 && code < 600 ? code : undefined;
        throw new BackendError(
            'the server reported an error in the middle of an answer: see its own log',
            status ?? 200,
            {
                reason: reasonOf(status, chunk),
            },
        );
    }
    if (typeof chunk !== 'object' || chunk === null) {
        throw new BackendError(
            'the server sent an event that is no object: check that the URL is an OpenAI-compatible API',
        );
    }
    return chunk;
}

function codeOf(error: unknown): string {
    const { code, name } = error as { code?: unknown; name?: unknown };
    return name === 'TimeoutError' ? 'UND_ERR_HEADERS_TIMEOUT' : String(code ?? name); // of a signal with a time limit
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
