/**
 * The backends of a worker: which of them serve a model, under which name, and how many queries run at each. A query
 * that finds no room waits for its turn. One whose backend is away or busy is tried at another.
 *
 * Longer than 350 lines because seats and the queue in which they wait are best read in one place.
 */
import { Reason } from '@cocoon-market/wrappers';
import type { Logger } from 'pino';
import { BackendError, type BackendEvent } from '../backend';
import type { Feature, ModelRequest } from '../link';
import { mayGoElsewhere } from './failures';
import { type BackendView, nameAt, type ServedOffer, type WatchedServer, type Server, Servers } from './servers';
import { type Speed, Speeds } from './speeds';
import { ClientTurns } from './turns';

/** The settings of all backends. */
export interface BackendSettings {
    offers: { readonly current: readonly ServedOffer[] };
    queue: { max: number; seconds: number };
    health: { seconds: number; retrySeconds: number };
}

/** An offered model as the operator sees it. */
export interface ModelLoad extends Speed {
    model: string;
    available: boolean; // some backend serves it now
    missing: boolean; // the backends that are to serve it answer, and do not have it
    running: number; // queries
    waiting: number; // queries that have no room yet
}

export class Backends {
    private readonly servers: Servers;
    private readonly seats = new Set<Seat>();
    private readonly turns = new ClientTurns<Seat>();
    private readonly speeds = new Map<string, Speeds>();

    constructor(
        servers: readonly Server[],
        private readonly settings: BackendSettings,
        private readonly log: Logger,
    ) {
        this.servers = new Servers(servers, settings, log, () => this.dispatch());
    }

    /** See {@link Servers.start}. */
    async start(): Promise<void> {
        await this.servers.start();
    }

    /** What every backend of the model can do besides plain chat, unless its offer says something else. */
    featuresOf(model: string): readonly Feature[] {
        const [first, ...others] = this.servers.serving(model).map(({ backend }) => backend.features);
        const shared = (first ?? []).filter((feature) => others.every((features) => features.includes(feature)));
        return this.offerOf(model)?.features ?? shared;
    }

    /**
     * The maximal number of prompt tokens of the request, whichever backend answers it. `bound`: by the tokenizer of
     * the offer.
     */
    promptBound(request: ModelRequest, bound: number): number {
        const bounds = this.servers
            .serving(request.body.model)
            .map(({ backend }) => backend.promptBound(request, bound));
        return Math.max(0, ...bounds);
    }

    /** True if a backend is to serve the model. */
    isConfigured(model: string): boolean {
        return this.servers.serving(model).length > 0;
    }

    /** True if a backend serves the model now. */
    isAvailable(model: string): boolean {
        return this.servers.usable(model).length > 0;
    }

    /**
     * A seat for one query of a job, or the reason why there is none: the model's backends are out, or as many queries
     * wait as may. Half of the queue is open to any one client, and half to all jobs that come last.
     */
    reserve(model: string, job: SeatedJob): Seat | Reason {
        const seat = new Seat(this, model, job);
        this.findOrigins(seat);
        const objection = this.objectionToSeat(seat);
        if (objection !== undefined) {
            return objection;
        }
        this.seats.add(seat);
        return seat;
    }

    /** Why {@link reserve} has no seat now; undefined if it has one. */
    objectionTo(model: string, job: SeatedJob): Reason | undefined {
        return this.objectionToSeat(new Seat(this, model, job));
    }

    /** While queries wait, it is found out whether jobs that take the places of one client are all its own. */
    private findOrigins({ model, client, job }: Seat): void {
        const jobs = new Set([job, ...this.seatsOf(model, client).map((one) => one.job)]);
        if (jobs.size > 1 && this.free(model) <= 0) {
            jobs.forEach((one) => one.findOrigin());
        }
    }

    private objectionToSeat(seat: Seat): Reason | undefined {
        if (!this.isAvailable(seat.model)) {
            return this.servers.outageOf(seat.model).reason;
        }
        return this.hasPlaceFor(seat) ? undefined : Reason.TooBusy;
    }

    /** The backends, and the offered models. */
    view(): { backends: BackendView[]; models: ModelLoad[] } {
        const offers = this.settings.offers.current;
        return {
            backends: this.servers.view(),
            models: offers.map(({ model }) => ({
                ...{ model, available: this.isAvailable(model), missing: this.servers.isMissing(model) },
                ...{
                    running: this.running(model),
                    waiting: this.waiting(model).length,
                    ...this.speedsOf(model).current,
                },
            })),
        };
    }

    async close(): Promise<void> {
        await this.servers.close();
    }

    /**
     * Answers a request at one of the model's backends, as soon as it is the turn of the seat. Throws
     * {@link BackendError} if the turn does not come in time. For {@link Seat}.
     */
    async *stream(seat: Seat, request: ModelRequest, signal: AbortSignal): AsyncGenerator<BackendEvent> {
        const tried = new Set<WatchedServer>();
        let failure: unknown;
        for (;;) {
            const server = await this.turnOf(seat, tried, signal).catch((error: unknown) => {
                throw failure ?? error;
            });
            if (server === undefined) {
                return;
            }
            let began = false;
            seat.uncountedSince ??= server.backend.countsAtEnd === true ? performance.now() : undefined;
            try {
                const events = server.backend.stream(asServed(request, server), signal);
                for await (const event of this.speedsOf(seat.model).measure(events)) {
                    began ||= event.type === 'delta';
                    if (event.type === 'end') {
                        server.health.addSuccess();
                    }
                    yield event;
                }
                return;
            } catch (error) {
                if (signal.aborted) {
                    throw error;
                }
                failure = error;
                this.servers.noteFailure(server, error, seat);
                tried.add(server);
                if (began || !mayGoElsewhere(error) || this.servers.usable(seat.model, tried).length === 0) {
                    throw error;
                }
                this.log.warn({ backend: server.name, model: seat.model }, 'a query goes to another backend');
            } finally {
                server.running--;
                seat.server = undefined;
                this.dispatch();
            }
        }
    }

    /** For {@link Seat}. */
    release(seat: Seat): void {
        this.seats.delete(seat);
        this.turns.remove(seat);
        this.turns.keep(new Set([...this.seats].map(({ client }) => client)));
    }

    /** Waits until the query of the seat may run at a backend, which it then does; undefined after `signal` aborts. */
    private async turnOf(
        seat: Seat,
        tried: ReadonlySet<WatchedServer>,
        signal: AbortSignal,
    ): Promise<WatchedServer | undefined> {
        const { seconds } = this.settings.queue;
        return new Promise((resolve, reject) => {
            const settle = (act: () => void) => {
                clearTimeout(timer);
                signal.removeEventListener('abort', cancel);
                this.turns.remove(seat);
                seat.turn = undefined;
                act();
            };
            const cancel = () => settle(() => resolve(undefined));
            const fail = (error: BackendError) => settle(() => reject(error));
            const timer = setTimeout(() => {
                const message = `no backend had room for ${seconds} seconds: raise maxParallel, or lower queue.max`;
                fail(tooBusy(message, seconds));
            }, seconds * 1000);
            signal.addEventListener('abort', cancel, { once: true });
            seat.turn = { tried, take: (server) => settle(() => resolve(server as WatchedServer)), fail };
            const isLate = !seat.isWaiting && !this.hasPlaceFor(seat); // others came while it waited for money
            seat.isWaiting = true;
            if (signal.aborted) {
                cancel();
            } else if (isLate) {
                fail(tooBusy('the queue at the backends was full when the client had paid', seconds));
            } else {
                this.turns.add(seat);
                this.dispatch();
            }
        });
    }

    /** Gives free room to the seats whose turn it is, and ends the waiting of those that no backend serves. */
    private dispatch(): void {
        for (;;) {
            const fits = (one: Seat) => this.roomFor(one) !== undefined;
            const counts = new Map<string, number>();
            for (const one of [...this.seats].filter(({ server }) => server !== undefined)) {
                counts.set(ofClient(one), (counts.get(ofClient(one)) ?? 0) + 1);
            }
            const running = (one: Seat) => counts.get(ofClient(one)) ?? 0;
            const seat =
                this.turns.take((one) => !one.job.isLast && fits(one), running) ?? this.turns.take(fits, running);
            if (seat === undefined) {
                break;
            }
            const server = this.roomFor(seat)!;
            server.running++;
            seat.server = server;
            seat.turn!.take(server);
        }
        for (const { model, turn } of [...this.turns.waiting]) {
            if (turn !== undefined && this.servers.usable(model, turn.tried).length === 0) {
                const { reason, message } = this.servers.outageOf(model);
                turn.fail(new BackendError(message, undefined, { reason }));
            }
        }
    }

    /** The usable backend with the most room for the query of a seat. */
    private roomFor({ model, turn }: Seat): WatchedServer | undefined {
        if (this.running(model) >= this.maxParallel(model)) {
            return undefined;
        }
        const load = ({ running, maxParallel }: WatchedServer) => running / maxParallel;
        return this.servers
            .usable(model, turn?.tried)
            .filter(({ running, maxParallel }) => running < maxParallel)
            .sort((a, b) => load(a) - load(b))[0];
    }

    /** True if the queue has room for a seat that is not in it yet. */
    private hasPlaceFor(seat: Seat): boolean {
        const { model, client, job } = seat;
        const { max } = this.settings.queue;
        const free = this.free(model);
        // Not those that wait for money: anyone can deploy a channel that names the escrow of another, and pay nothing.
        const own = this.seatsOf(model, client).filter((one) => one !== seat && one.isInQueue);
        const open = job.isLast ? Math.floor(max / 2) : max;
        return this.waiting(model).length < free + open && own.length < free + Math.ceil(max / 2);
    }

    private free(model: string): number {
        const free = this.servers.usable(model).map(({ running, maxParallel }) => maxParallel - running);
        const sum = free.reduce((all, one) => all + one, 0);
        return Math.min(sum, this.maxParallel(model) - this.running(model));
    }

    private running(model: string): number {
        return [...this.seats].filter((seat) => seat.model === model && seat.server !== undefined).length;
    }

    private waiting(model: string): Seat[] {
        return [...this.seats].filter((seat) => seat.model === model && seat.isInQueue);
    }

    private seatsOf(model: string, client: string): Seat[] {
        return [...this.seats].filter((seat) => seat.model === model && seat.client === client);
    }

    private offerOf(model: string): ServedOffer | undefined {
        return this.settings.offers.current.find((offer) => offer.model === model);
    }

    private maxParallel(model: string): number {
        return this.offerOf(model)?.maxParallel ?? Infinity;
    }

    private speedsOf(model: string): Speeds {
        const speeds = this.speeds.get(model) ?? new Speeds();
        this.speeds.set(model, speeds);
        return speeds;
    }
}

/** The job of a seat. */
export interface SeatedJob {
    readonly sharer: string; // the client whose share it takes now
    readonly isLast: boolean; // it comes after others now
    /** Begins to find out who opened it, unless that is known. */
    findOrigin(): void;
}

const ofClient = ({ client, model }: Seat): string => `${client} ${model}`;

/** The seat of one accepted query: it counts among those that wait, until it runs. */
export class Seat {
    /** Set while it waits for its turn. */
    turn:
        | { tried: ReadonlySet<unknown>; take: (server: object) => void; fail: (error: BackendError) => void }
        | undefined;
    /** The backend at which it runs. */
    server: object | undefined;
    isWaiting = true; // for a backend, and not for its client
    uncountedSince: number | undefined; // of performance.now(): it runs at a backend that counts at the end only

    constructor(
        private readonly backends: Backends,
        readonly model: string,
        readonly job: SeatedJob,
    ) {}

    get client(): string {
        return this.job.sharer;
    }

    get isInQueue(): boolean {
        return this.isWaiting && this.server === undefined;
    }

    /** Runs the request, see {@link Backend.stream}. */
    stream(request: ModelRequest, signal: AbortSignal): AsyncIterable<BackendEvent> {
        return this.backends.stream(this, request, signal);
    }

    /** Its query waits for its client's money first, and takes no room in the queue meanwhile. */
    yield(): void {
        this.isWaiting = false;
    }

    /** Its query is over. */
    release(): void {
        this.backends.release(this);
    }
}

const tooBusy = (message: string, seconds: number): BackendError =>
    new BackendError(message, undefined, { reason: Reason.BackendBusy, retryAfter: Math.ceil(seconds) });

/** The request with the model's name at the backend. */
function asServed(request: ModelRequest, server: Server): ModelRequest {
    const name = nameAt(server, request.body.model);
    return { ...request, body: { ...request.body, model: name } } as ModelRequest;
}
