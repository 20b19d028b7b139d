/** The backends of a worker: which of them serve a model, and under which name. */
import type { Backend, BackendEvent } from '../backend';
import type { Feature, ModelRequest } from '../link';
import { Remedied } from '../process/errors';
import type { TokenCounter } from '../tokens';

/** A backend with its settings. */
export interface Server {
    name: string; // in logs, metrics and the status
    backend: Backend;
    /** Names at the backend by the ids of models; undefined: it serves all offers under their own names. */
    models: Readonly<Record<string, string>> | undefined;
    maxParallel: number; // queries
}

/** What an offer says of the backends. */
interface Offer {
    model: string;
    features?: Feature[] | undefined;
}

export class Backends {
    constructor(
        private readonly servers: readonly Server[],
        private readonly offers: readonly Offer[],
    ) {}

    /** What every backend of the model can do besides plain chat, unless its offer says something else. */
    featuresOf(model: string): readonly Feature[] {
        const listed = this.offers.find((offer) => offer.model === model)?.features;
        const [first, ...others] = this.serving(model).map(({ backend }) => backend.features);
        return listed ?? (first ?? []).filter((feature) => others.every((features) => features.includes(feature)));
    }

    /** The maximal number of prompt tokens of the request, whichever backend answers it. */
    promptBound(request: ModelRequest, counter: TokenCounter): number {
        const bounds = this.serving(request.body.model).map(({ backend }) => backend.promptBound(request, counter));
        return Math.max(0, ...bounds);
    }

    /** Runs one request, see {@link Backend.stream}. */
    stream(request: ModelRequest, signal: AbortSignal): AsyncIterable<BackendEvent> {
        const [server] = this.serving(request.body.model);
        return server.backend.stream(asServed(request, server), signal);
    }

    /**
     * Throws if an offered model is at no backend, or at none of those that answer. `onSilent` is called for every
     * backend that does not answer.
     */
    async assertModels(onSilent: (server: Server, error: unknown) => void): Promise<void> {
        const unserved = this.offers.find(({ model }) => this.serving(model).length === 0);
        if (unserved !== undefined) {
            throw new Remedied(`No backend serves ${unserved.model}: add it to the "models" of a backend`);
        }
        const lists = new Map<Server, string[]>();
        const read = async (server: Server) => {
            await server.backend.models().then(
                (models) => lists.set(server, models),
                (error: unknown) => onSilent(server, error),
            );
        };
        await Promise.all(this.servers.map(read));
        for (const { model } of this.offers) {
            const serving = this.serving(model);
            const hasNot = (server: Server) => lists.get(server)?.includes(nameAt(server, model)) === false;
            if (serving.every(hasNot)) {
                const [first] = serving;
                const name = nameAt(first, model) === model ? model : `${nameAt(first, model)}, which is ${model}`;
                const served = lists.get(first)!.join(', ') || 'nothing';
                throw new Error(`The backend ${first.name} does not serve ${name}; it serves ${served}`);
            }
        }
    }

    async close(): Promise<void> {
        await Promise.all(this.servers.map(({ backend }) => backend.close()));
    }

    private serving(model: string): Server[] {
        return this.servers.filter(({ models }) => models === undefined || Object.hasOwn(models, model));
    }
}

/** The name of a model at this backend. */
export const nameAt = ({ models }: Server, model: string): string => models?.[model] ?? model;

/** The request with the model's name at the backend. */
function asServed(request: ModelRequest, server: Server): ModelRequest {
    const name = nameAt(server, request.body.model);
    return { ...request, body: { ...request.body, model: name } } as ModelRequest;
}
