/** Which model servers run on this machine, and which models of the catalogue they serve under which names. */
import { request } from 'undici';
import { z } from 'zod';
import catalogue from '../../params/catalogue.json';
import { EMBEDDED_MODEL } from '../backend';
import { MAX_LIST, modelList, type ServerKind, serverOf } from '../backend/servers';
import { wholeAnswer } from '../process/bytes';
import { Remedied } from '../process/errors';

/** A model server that answered. */
export interface ModelServer {
    url: string; // base URL for SDKs
    server: ServerKind;
    models: string[]; // names at the server
}

/** A model as the market names it and as its server does. */
export interface ServedModel {
    id: string;
    name: string; // at the server
    unlisted: boolean; // true if the catalogue does not have it
    note?: string; // what the owner should check
}

const PROBE_MS = 3000;

/** Where the usual servers listen unless told otherwise: vLLM, SGLang, Ollama, llama.cpp, LM Studio. */
const USUAL_URLS: readonly string[] = [8000, 30_000, 11_434, 8080, 1234].map((port) => `http://127.0.0.1:${port}/v1`);

/**
 * The server at a base URL with its models.
 * @throws {Remedied} if it is none, or does not answer
 */
export async function readModelServer(url: string, apiKey?: string): Promise<ModelServer> {
    const base = baseOf(url);
    const headers = apiKey === undefined ? {} : { authorization: `Bearer ${apiKey}` };
    let status: number;
    let text: string;
    try {
        const signal = AbortSignal.timeout(PROBE_MS);
        const { statusCode, body } = await request(`${base}/models`, { headers, signal });
        status = statusCode;
        text = await textOf(body);
    } catch (error) {
        const { code, name, message } = error as NodeJS.ErrnoException;
        const reason = name === 'TimeoutError' ? `no answer within ${PROBE_MS / 1000} s` : (code ?? message);
        const remedy = 'start the server, or name another URL with --backend';
        throw new Remedied(`No model server answers at ${base}: ${reason}`, { cause: error, remedy });
    }
    if (status === 401 || status === 403) {
        throw new Remedied(`The model server at ${base} wants an API key: name its file with --backend-key`);
    }
    const parsed = modelList.safeParse(jsonOf(text));
    if (status !== 200 || !parsed.success) {
        throw new Remedied(`${base}/models answers with status ${status} and no list of models: check the URL`);
    }
    const { data } = parsed.data;
    return { url: base, server: serverOf(data), models: data.map(({ id }) => id) };
}

/** The servers that answer where the usual ones listen, in their order. */
export async function findModelServers(): Promise<ModelServer[]> {
    const answers = await Promise.all(USUAL_URLS.map((url) => readModelServer(url).catch(() => undefined)));
    return answers.filter((server) => server !== undefined && server.models.length > 0) as ModelServer[];
}

function baseOf(text: string): string {
    const full = /^[\w.-]+:\d+(\/|$)/.test(text) ? `http://${text}` : text; // HOST:PORT is enough
    if (!URL.canParse(full) || !/^https?:$/.test(new URL(full).protocol)) {
        throw new Remedied(`"${text}" is not a URL: write http://127.0.0.1:8000/v1`);
    }
    const url = new URL(full);
    return `${url.origin}${url.pathname === '/' ? '/v1' : url.pathname.replace(/\/+$/, '')}`;
}

async function textOf(body: AsyncIterable<Buffer>): Promise<string> {
    const bytes = await wholeAnswer(body, MAX_LIST);
    if (bytes === undefined) {
        throw new Error('its list of models is too long');
    }
    return bytes.toString('utf8');
}

function jsonOf(text: string): unknown {
    try {
        return JSON.parse(text);
    } catch {
        return undefined;
    }
}

// Names whose words are not those of the model's id.
const ALIASES: Partial<Record<string, string>> = {
    'deepseek-r1-32b': 'deepseek-ai/DeepSeek-R1-Distill-Qwen-32B',
    'deepseek-r1-671b': 'deepseek-ai/DeepSeek-R1-0528',
    'deepseek-v3.1-671b': 'deepseek-ai/DeepSeek-V3.1',
    'qwen3-coder-30b': 'Qwen/Qwen3-Coder-30B-A3B-Instruct',
};

const QUANTIZED =
    /[-_:.](q\d(_[a-z0-9]+)*|iq\d[a-z0-9_]*|fp8|int[48]|awq|gptq|gguf|w\da\d+|nvfp4|mxfp4|bnb|4bit|8bit)\b/gi;

/** The model of the catalogue that a server means by a name; a model of its own if the catalogue has none. */
export function servedModel(name: string, server: ServerKind): ServedModel {
    const plain = plainOf(name);
    const isQuantized = server === 'ollama' || plain !== plainOf(name, { keepQuantization: true });
    const listed =
        catalogue.models.find(({ id }) => id === name) ??
        catalogue.models.find(({ id }) => id === ALIASES[plain] || plainOf(id) === plain);
    if (listed === undefined) {
        return { id: name, name, unlisted: true, note: 'not in the catalogue: clients must ask for it by this name' };
    }
    const note =
        'perhaps quantized: an answer that differs from that of the published weights can be a fault (B1). ' +
        'Check what the server loads';
    return { id: listed.id, name, unlisted: false, ...(isQuantized && { note }) };
}

/** A name without folder, ending and quantization, in small letters. */
function plainOf(name: string, { keepQuantization = false } = {}): string {
    const base = name
        .split('/')
        .at(-1)!
        .replace(/:latest$/, '');
    const short = keepQuantization ? base : base.replace(/\.gguf$/i, '').replace(QUANTIZED, '');
    return short.toLowerCase().replace(/[:_\s]+/g, '-');
}

/** The model in this release, which needs no server. */
export const EMBEDDED: ServedModel = { id: EMBEDDED_MODEL, name: EMBEDDED_MODEL, unlisted: false };

const MEASURE_MS = 30_000;
const MEASURED_TOKENS = 64;

/**
 * Tokens a second of one request, as the server counts them; undefined if it does not answer in time or counts
 * nothing. A server that answers several requests at once writes several times as much.
 */
export async function measureSpeed(
    { url }: Pick<ModelServer, 'url'>,
    { name, apiKey }: { name: string; apiKey: string | undefined },
): Promise<number | undefined> {
    const body = JSON.stringify({
        model: name,
        messages: [{ role: 'user', content: 'Count from one to one hundred in words.' }],
        max_tokens: MEASURED_TOKENS,
        temperature: 0,
    });
    const headers = {
        'content-type': 'application/json',
        ...(apiKey !== undefined && { authorization: `Bearer ${apiKey}` }),
    };
    const from = performance.now();
    try {
        const signal = AbortSignal.timeout(MEASURE_MS);
        const response = await request(`${url}/chat/completions`, { method: 'POST', headers, body, signal });
        const answer = usage.parse(jsonOf(await textOf(response.body)));
        return (answer.usage.completion_tokens * 1000) / (performance.now() - from);
    } catch {
        return undefined;
    }
}

const usage = z.object({ usage: z.object({ completion_tokens: z.number().positive() }) });
