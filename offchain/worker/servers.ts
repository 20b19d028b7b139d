/** The servers that run the models: which of them have a model, under which name, and which can be used now. */
import { Reason } from '@cocoon-market/wrappers';
import type { Logger } from 'pino';
import type { Backend } from '../backend';
import type { Feature } from '../link';
import { PollLoop } from '../process/tasks';
import { isOfServer } from './failures';
import { Health, type Outage } from './health';
import { failureOf } from './ownQuery';

/** A backend with its settings. */
export interface Server {
    name: string; // in logs, metrics and the status
    backend: Backend;
    /** Names at the backend by the ids of models; undefined: it serves all offers under their own names. */
    models: Readonly<Record<string, string>> | undefined;
    maxParallel: number; // queries
}

/** A backend in use, which is checked all the time. */
export interface WatchedServer extends Server {
    running: number; // queries
    readonly health: Health;
    readonly check: PollLoop;
}

/** What an offer says of the backends. */
export interface ServedOffer {
    model: string;
    features?: Feature[] | undefined;
    maxParallel?: number | undefined; // queries
}

/** A backend as the operator sees it. */
export interface BackendView {
    name: string;
    running: number; // queries
    maxParallel: number;
    models: string[]; // ids of the offers that it serves now
    outage: (Omit<Outage, 'reason'> & { reason: keyof typeof Reason }) | undefined; // undefined while it works
}

export class Servers {
    readonly all: readonly WatchedServer[];
    private readonly requested = new Set<WatchedServer>(); // by the worker itself, and not answered yet

    /** `onChange` is called when a backend or a model can be used again, or no longer. */
    constructor(
        servers: readonly Server[],
        private readonly settings: {
            offers: { readonly current: readonly ServedOffer[] };
            health: { seconds: number; retrySeconds: number };
        },
        private readonly log: Logger,
        private readonly onChange: () => void,
    ) {
        this.all = servers.map((server) => this.watch(server));
    }

    /** Checks the backends now and from time to time, until {@link close}. Resolves once each was checked. */
    async start(): Promise<void> {
        const start = async (server: WatchedServer) => {
            await this.readModels(server);
            server.check.startLater();
        };
        await Promise.all(this.all.map(start));
    }

    async close(): Promise<void> {
        await Promise.all(this.all.flatMap(({ check, backend }) => [check.stop(), backend.close()]));
    }

    /** The backends that are to serve the model. */
    serving(model: string): WatchedServer[] {
        return this.all.filter(({ models }) => models === undefined || Object.hasOwn(models, model));
    }

    /** Those that can be used now, except for those that were `tried`. */
    usable(model: string, tried?: ReadonlySet<unknown>): WatchedServer[] {
        return this.serving(model).filter(
            (server) => server.health.outage === undefined && has(server, model) && tried?.has(server) !== true,
        );
    }

    /** Why the model cannot be used. */
    outageOf(model: string): Pick<Outage, 'reason' | 'message'> {
        const [outage] = this.serving(model).flatMap(({ health }) => health.outage ?? []);
        return outage ?? { reason: Reason.BackendModel, message: `no backend has ${model} now: load it there again` };
    }

    /** Notes that a query of a client failed at the backend. */
    noteFailure(server: WatchedServer, error: unknown, { model, client }: { model: string; client: string }): void {
        if (isOfServer(error)) {
            if (server.health.addFailure(client)) {
                void this.ask(server, model);
            }
            server.check.wake();
        }
    }

    /** Has a backend that failed clients rest if it fails the worker itself, too. */
    private async ask(server: WatchedServer, model: string): Promise<void> {
        if (this.requested.has(server)) {
            return;
        }
        this.requested.add(server);
        const offer = this.settings.offers.current.find((one) => one.model === model);
        const failure = await failureOf(server.backend, nameAt(server, model), offer?.features);
        this.requested.delete(server);
        if (failure !== undefined) {
            server.health.addOwnFailure(failure);
        }
    }

    /** True if no backend has the model, although all that are to serve it answer. */
    isMissing(model: string): boolean {
        return this.serving(model).every((server) => server.health.outage === undefined && !has(server, model));
    }

    view(): BackendView[] {
        return this.all.map((server) => ({
            ...{ name: server.name, running: server.running, maxParallel: server.maxParallel },
            models: this.settings.offers.current.flatMap(({ model }) =>
                this.usable(model).includes(server) ? [model] : [],
            ),
            outage: server.health.outage && {
                ...server.health.outage,
                reason: Reason[server.health.outage.reason] as keyof typeof Reason,
            },
        }));
    }

    private watch(server: Server): WatchedServer {
        const { seconds, retrySeconds } = this.settings.health;
        const watched: WatchedServer = {
            ...server,
            running: 0,
            health: new Health(retrySeconds * 1000, () => this.tellChange(watched)),
            check: new PollLoop(
                () => this.readModels(watched),
                () => watched.health.restMs ?? seconds * 1000,
                () => undefined, // readModels notes every error
            ),
        };
        return watched;
    }

    private async readModels({ backend, health }: WatchedServer): Promise<void> {
        await backend.models().then(
            (models) => health.addList(models),
            (error: unknown) => health.addMiss(error),
        );
    }

    private tellChange({ name, health: { outage } }: WatchedServer): void {
        if (outage === undefined) {
            this.log.info({ backend: name }, 'the backend answers');
        } else {
            const { reason, message } = outage;
            this.log.warn({ backend: name, reason: Reason[reason] }, `the backend is not used for now: ${message}`);
        }
        this.onChange();
    }
}

/** The name that a model has at a backend. */
export const nameAt = ({ models }: Server, model: string): string => models?.[model] ?? model;

/** False if the backend has listed its models, and this is not among them. */
const has = (server: WatchedServer, model: string): boolean =>
    server.health.models?.includes(nameAt(server, model)) !== false;
