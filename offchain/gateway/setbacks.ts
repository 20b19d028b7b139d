/**
 * Spoiled jobs: those that were opened and brought nothing. Each ties up a deposit until its notice has passed. So a
 * node gets one new job after the first, whatever the causes, and a day has a limit. A node with several jobs can spoil
 * them all at once: it gets no other job that day, and they count as two.
 */
import type { GatewayStore, Setback, StoredJob } from '../store/gateway';
import { unavailable } from './errors';
import type { Ledger } from '../payer/ledger';

const DAY = 86_400; // seconds
const MAX_PER_NODE = 2; // jobs that one node may spoil in a day: the first, and one new one. The node chooses the causes
const PRODUCTIVE = 10n; // a job that used this part of its deposit was worth its opening

export class Setbacks {
    private constructor(
        private readonly store: GatewayStore,
        private readonly max: number, // a day
        private readonly now: () => number, // unix seconds
        private all: Setback[],
    ) {}

    static async load(store: GatewayStore, max: number, now: () => number): Promise<Setbacks> {
        return new Setbacks(store, max, now, await store.setbacks(now() - DAY));
    }

    /** Reads those that other processes counted. */
    async refresh(): Promise<void> {
        const stored = await this.store.setbacks(this.now() - DAY);
        const unsaved = this.all.filter(({ job }) => !stored.some((one) => one.job === job));
        this.all = [...stored, ...unsaved];
    }

    /** Those of the last 24 hours. */
    get today(): Setback[] {
        this.all = this.all.filter(({ at }) => at > this.now() - DAY);
        return this.all;
    }

    /**
     * How many count against the day. Of one node no more than it may spoil, or it would close the gateway to all
     * others.
     */
    get count(): number {
        const nodes = new Map<string, number>();
        this.today.map(({ node }) => node.toString('hex')).forEach((key) => nodes.set(key, (nodes.get(key) ?? 0) + 1));
        return [...nodes.values()].reduce((sum, count) => sum + Math.min(MAX_PER_NODE, count), 0);
    }

    /**
     * Counts a job that its node ended early, unless it was worth its opening or is counted already. `onceForOpen`: nor
     * if it was open already when another job of the node was counted for this cause.
     */
    async add(
        { stored, ledger }: { stored: StoredJob; ledger: Ledger },
        cause: string,
        { onceForOpen = false } = {},
    ): Promise<void> {
        const { number: job, deposit, worker, terms, createdAt } = stored;
        const isSame = (one: Setback) => one.cause === cause && one.at > createdAt && one.node.equals(terms.node);
        if (
            ledger.total * PRODUCTIVE >= deposit ||
            this.all.some((one) => one.job === job || (onceForOpen && isSame(one)))
        ) {
            return;
        }
        const setback = { job, worker, node: terms.node, cause, at: this.now() };
        this.all.push(setback);
        await this.store.addSetback(setback);
    }

    /** Why a node gets no new job today; undefined if it may get one. */
    objection(worker: string, node: Buffer): string | undefined {
        const spoiled = this.today.filter((one) => one.worker === worker || one.node.equals(node));
        if (spoiled.length < MAX_PER_NODE) {
            return undefined;
        }
        const causes = [...new Set(spoiled.map(({ cause }) => cause))].join(', ');
        return `spoiled ${spoiled.length} jobs in a day (${causes}), so it gets no other before the day is over`;
    }

    /** Throws 503 if the day has as many as it may have. */
    requireFew(): void {
        if (this.count >= this.max) {
            const causes = [...new Set(this.today.map(({ worker, cause }) => `${worker}: ${cause}`))].sort();
            throw unavailable(
                `${this.count} jobs were spoiled in the last 24 hours, counting at most ${MAX_PER_NODE} of one node. ` +
                    'Take their nodes out of the configuration, or raise the limit, job.maxSpoiled. ' +
                    causes.join('; '),
                'spoiled_jobs',
            );
        }
    }

    /** What the command line shows. */
    view() {
        const causes = this.today.map(({ job, worker, cause, at }) => ({ job, worker, cause, at }));
        return { today: causes.length, count: this.count, max: this.max, causes };
    }
}
