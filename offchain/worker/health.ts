/**
 * Whether a backend can be used. Two things decide: its list of models, which is read from time to time and as soon as
 * a query fails, and how its queries ended: those of clients, and then one of the worker's own.
 */
import { Reason } from '@cocoon-market/wrappers';
import { BackendError } from '../backend';
import { unixSeconds } from '../process/clock';

const MAX_RETRY_MS = 60_000; // between two tries of a backend that does not answer
const MAX_REST_MS = 10_000; // for a backend that lists its models and fails queries
const MAX_FAILURES = 3; // queries in a row, before the worker itself asks such a backend
const MIN_CLIENTS = 2; // whose queries these are, because one client may send what makes any server fail

/** Why a backend cannot be used. */
export interface Outage {
    reason: Reason;
    message: string; // says what to do
    since: number; // unix seconds
}

export class Health {
    /** Undefined while the backend can be used. */
    outage: Outage | undefined;
    /** The models that it listed last; undefined before the first list. */
    models: readonly string[] | undefined;
    private misses = 0; // lists of models in a row that did not come
    private failures = 0; // queries in a row that failed since the worker itself has asked
    private readonly failed = new Set<string>(); // their clients
    private rests = 0; // since the last answer
    private restUntil = 0;

    /** `onChange` is called when the backend can be used again, or no longer, or its models change. */
    constructor(
        private readonly retryMs: number,
        private readonly onChange: () => void,
    ) {}

    /** Milliseconds until the list of models is to be read again, for a backend that cannot be used; else undefined. */
    get restMs(): number | undefined {
        return this.outage && Math.max(this.restUntil - performance.now(), 0);
    }

    /** Notes a list of models. It ends the outage of a backend that does not have to rest for the queries it failed. */
    addList(models: readonly string[]): void {
        const isNew = models.join('\n') !== this.models?.join('\n');
        this.models = models;
        this.misses = 0;
        const ends = this.outage !== undefined && performance.now() >= this.restUntil;
        if (ends) {
            this.outage = undefined;
        }
        if (ends || isNew) {
            this.onChange();
        }
    }

    /** Notes that the list of models did not come. */
    addMiss(error: unknown): void {
        this.misses++;
        this.rest(Math.min(this.retryMs * 2 ** (this.misses - 1), MAX_RETRY_MS), error);
    }

    /** Notes that a query was answered to its end. */
    addSuccess(): void {
        this.forgetFailures();
        this.rests = 0;
    }

    /**
     * Notes that a query of a client failed. The caller reads the list of models next. Returns true if so many have
     * failed in a row that the worker itself has to ask.
     */
    addFailure(client: string): boolean {
        this.failures++;
        this.failed.add(client);
        const isDue = this.failures >= MAX_FAILURES && this.failed.size >= MIN_CLIENTS;
        if (isDue) {
            this.forgetFailures();
        }
        return isDue;
    }

    /** Notes that the worker's own query failed after that. */
    addOwnFailure(error: unknown): void {
        this.rest(Math.min(this.retryMs * 2 ** this.rests++, MAX_REST_MS), error);
    }

    private forgetFailures(): void {
        this.failures = 0;
        this.failed.clear();
    }

    private rest(ms: number, error: unknown): void {
        const isNew = this.outage === undefined;
        // Only texts of a BackendError are certain to repeat nothing of a prompt.
        const { reason, message } =
            error instanceof BackendError
                ? error
                : { reason: Reason.BackendDown, message: 'it failed: see its own log' };
        this.restUntil = performance.now() + ms;
        this.outage = { reason, message, since: this.outage?.since ?? unixSeconds() };
        if (isNew) {
            this.onChange();
        }
    }
}
