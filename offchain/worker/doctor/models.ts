/** Checks of the model servers: whether they answer, list the models of the offers, stream, and count tokens. */
import type { Backend, Usage } from '../../backend';
import type { ModelRequest } from '../../link';
import { reasonOf } from '../../process/errors';
import { nameAt, type Server } from '../servers';
import type { WorkerConfig } from '../config';
import { type Check, Failure, skipped } from './finding';

const LIST_SECONDS = 10;
const ANSWER_SECONDS = 30;
const TOKENS = 24; // of a test answer

/** `answers`: also ask each model for a few tokens. */
export function modelChecks(
    config: WorkerConfig,
    servers: readonly Server[],
    { answers }: { answers: boolean },
): Check[] {
    const lists = new Map(servers.map((server) => [server, listOf(server)]));
    const offered = config.offers.map(({ model }) => model);
    const served = (server: Server) =>
        offered.filter((model) => server.models === undefined || Object.hasOwn(server.models, model));
    const several = servers.length > 1;
    const backendChecks = servers.map((server): Check => {
        const { name } = server;
        return {
            name: several ? `backend ${name}` : 'backend',
            remedy: `start the model server of ${name}, and look at "url" and "apiKey" of the backend (curl URL/models)`,
            seconds: LIST_SECONDS,
            run: async () => {
                const list = await lists.get(server)!;
                const missing = served(server).filter((model) => !list.includes(nameAt(server, model)));
                if (missing.length > 0) {
                    const names = missing.map((model) => nameAt(server, model)).join(', ');
                    throw new Failure(
                        `${name} does not serve ${names}; it serves ${list.join(', ') || 'nothing'}`,
                        'load the model, or state its name at the server under "models" of the backend',
                    );
                }
                return `${name} serves ${served(server).join(', ') || 'no offered model'}`;
            },
        };
    });
    const unserved = offered.filter((model) => servers.every((server) => !served(server).includes(model)));
    const unservedChecks = unserved.map((model) => noBackendCheck(model));
    const answerChecks = servers.flatMap((server) =>
        served(server).map((model): Check => ({
            name: several ? `model ${model} at ${server.name}` : `model ${model}`,
            remedy: 'look at the log of the model server',
            seconds: ANSWER_SECONDS,
            run: async () => {
                const name = nameAt(server, model);
                if (!(await lists.get(server)!.catch(() => [] as string[])).includes(name)) {
                    return skipped('the backend does not serve it now');
                }
                const features = config.offers.find((offer) => offer.model === model)?.features;
                const isEmbedding = features?.includes('embeddings') === true && features.length === 1;
                return isEmbedding ? tryEmbedding(server.backend, name) : tryChat(server.backend, name);
            },
        })),
    );
    return [...backendChecks, ...unservedChecks, ...(answers ? answerChecks : [])];
}

function listOf({ backend }: Server): Promise<string[]> {
    const list = backend.models();
    list.catch(() => undefined); // each check that needs it says so
    return list;
}

function noBackendCheck(model: string): Check {
    return {
        name: `model ${model}`,
        remedy: 'add the model to the "models" of a backend, or remove its offer',
        run: () => {
            throw new Error('it is offered, and no backend serves it');
        },
    };
}

async function tryChat(backend: Backend, model: string): Promise<string> {
    const request: ModelRequest = {
        endpoint: 'chat',
        maxTokens: TOKENS,
        body: { model, messages: [{ role: 'user', content: 'Count from one to twenty in words.' }] },
    };
    const { deltas, usage, first, seconds, tokens } = await measured(backend, request);
    if (deltas === 0) {
        throw new Failure('it answered without text', 'try the model by hand, and look at the log of the model server');
    }
    if (usage?.prompt === undefined || usage.completion === undefined) {
        throw new Failure(
            'the server does not count tokens: its stream has no usage with prompt_tokens and completion_tokens',
            'update the model server, or set "server" of the backend; until then the worker counts by itself and bills less',
        );
    }
    const count = Math.max(usage.completion + (usage.reasoning ?? 0), tokens);
    const speed = seconds > first && count > 1 ? (count - 1) / (seconds - first) : undefined;
    const text = `first text after ${first.toFixed(2)} s`;
    return speed === undefined ? text : `${text}, ${speed.toFixed(1)} tokens a second`;
}

async function tryEmbedding(backend: Backend, model: string): Promise<string> {
    const request = { endpoint: 'embedding', maxTokens: 0, body: { model, input: 'cocoon' } } as ModelRequest;
    const { seconds } = await measured(backend, request);
    return `vectors after ${seconds.toFixed(2)} s`;
}

async function measured(backend: Backend, request: ModelRequest) {
    const start = performance.now();
    const stop = AbortSignal.timeout(ANSWER_SECONDS * 1000);
    const secondsNow = () => (performance.now() - start) / 1000;
    let usage: Usage | undefined;
    let prompt: Usage | undefined;
    let [deltas, tokens, first] = [0, 0, 0];
    try {
        for await (const event of backend.stream(request, stop)) {
            if (event.type === 'prompt') {
                prompt = { prompt: event.prompt, cached: event.cached };
            } else if (event.type === 'delta') {
                first = deltas === 0 ? secondsNow() : first;
                deltas++;
                tokens += event.tokens ?? 0;
            } else if (event.type === 'end') {
                usage = event.usage;
            }
        }
    } catch (error) {
        throw new Failure(
            `it does not stream an answer: ${reasonOf(error)}`,
            'try the model by hand (curl URL/chat/completions with "stream": true), and look at the log of the server',
        );
    }
    const counts =
        prompt === undefined && usage === undefined ? undefined : { completion: tokens, ...prompt, ...usage };
    return { deltas, usage: counts, first, seconds: secondsNow(), tokens };
}
