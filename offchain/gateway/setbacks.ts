/**
 * Spoiled jobs: those that were opened and brought nothing. Each ties up a deposit until its notice has passed. So a
 * node gets one new job after the first, whatever the causes, and a day has a limit. A node with several jobs can spoil
 * them all at once: it gets no other job that day, and they count as two. A provider may have any number of nodes, so
 * all of them together get no other once they have spoiled half of what the day allows. A job that its node does not
 * take ties up its deposit, too: it counts until the node takes it.
 */
import type { Terms } from '@cocoon-market/wrappers';
import type { GatewayStore, Setback, StoredJob } from '../store/gateway';
import { unavailable } from './errors';
import type { Ledger } from '../payer/ledger';

const DAY = 86_400; // seconds
const MAX_PER_NODE = 2; // jobs that one node may spoil in a day: the first, and one new one. The node chooses the causes
const PRODUCTIVE = 10n; // a job that used this part of its deposit was worth its opening

/** A new job that its node does not take. */
export interface UntakenJob {
    readonly stored: Pick<StoredJob, 'number' | 'worker' | 'terms' | 'phase'>;
    readonly untakenSince: number | undefined; // unix seconds; undefined once the node has taken it
}

export class Setbacks {
    private readonly untaken = new Set<UntakenJob>();
    private readonly providers = new Map<number, string>(); // accounts as hex, by job

    private constructor(
        private readonly store: GatewayStore,
        private readonly max: number, // a day
        private readonly now: () => number, // unix seconds
        private all: Setback[],
    ) {}

    static async load(store: GatewayStore, max: number, now: () => number): Promise<Setbacks> {
        const setbacks = new Setbacks(store, max, now, await store.setbacks(now() - DAY));
        await setbacks.readProviders();
        return setbacks;
    }

    /** Reads those that other processes counted. */
    async refresh(): Promise<void> {
        const stored = await this.store.setbacks(this.now() - DAY);
        const unsaved = this.all.filter(({ job }) => !stored.some((one) => one.job === job));
        this.all = [...stored, ...unsaved];
        await this.readProviders();
    }

    private async readProviders(): Promise<void> {
        for (const { job } of this.all.filter((one) => !this.providers.has(one.job))) {
            const stored = await this.store.job(job);
            if (stored !== undefined) {
                this.noteProvider(stored);
            }
        }
    }

    private noteProvider({ number, terms }: UntakenJob['stored']): void {
        this.providers.set(number, terms.provider.toString('hex'));
    }

    /** Those of the last 24 hours, and the jobs that are not taken now. */
    get today(): Setback[] {
        this.all = this.all.filter(({ at }) => at > this.now() - DAY);
        return [...this.all, ...this.ofUntaken()];
    }

    private ofUntaken(): Setback[] {
        return [...this.untaken].flatMap((job) => {
            const { stored, untakenSince: at } = job;
            if (at === undefined || stored.phase !== 'open') {
                this.untaken.delete(job);
                return [];
            }
            const { number, worker, terms } = stored;
            const isCounted = this.all.some((one) => one.job === number);
            return isCounted ? [] : [{ job: number, worker, node: terms.node, cause: 'it does not take the job', at }];
        });
    }

    /** Counts a job that is open until its node takes it. */
    addUntaken(job: UntakenJob): void {
        this.noteProvider(job.stored);
        this.untaken.add(job);
    }

    /**
     * How many count against the day. Of one node no more than it may spoil, and of one provider no more than half of
     * what the day allows, or it would close the gateway to all others.
     */
    get count(): number {
        const { today } = this;
        const providers = new Set(today.map((one) => this.providerOf(one)));
        return [...providers].reduce((sum, provider) => sum + Math.min(this.maxOfProvider, this.countOf(provider)), 0);
    }

    // More than one node of it alone may spoil.
    private get maxOfProvider(): number {
        return Math.max(MAX_PER_NODE + 1, Math.floor(this.max / 2));
    }

    /** How many the nodes of a provider have spoiled, counting no more of each than it may. */
    private countOf(provider: string): number {
        const nodes = new Map<string, number>();
        for (const one of this.today.filter((each) => this.providerOf(each) === provider)) {
            const node = one.node.toString('hex');
            nodes.set(node, (nodes.get(node) ?? 0) + 1);
        }
        return [...nodes.values()].reduce((sum, count) => sum + Math.min(MAX_PER_NODE, count), 0);
    }

    private providerOf({ job, node }: Setback): string {
        return this.providers.get(job) ?? node.toString('hex');
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
        this.noteProvider(stored);
        const setback = { job, worker, node: terms.node, cause, at: this.now() };
        this.all.push(setback);
        await this.store.addSetback(setback);
    }

    /** Why a node gets no new job today; undefined if it may get one. */
    objection(worker: string, { node, provider }: Pick<Terms, 'node' | 'provider'>): string | undefined {
        const spoiled = this.today.filter((one) => one.worker === worker || one.node.equals(node));
        if (spoiled.length >= MAX_PER_NODE) {
            const causes = [...new Set(spoiled.map(({ cause }) => cause))].join(', ');
            return `spoiled ${spoiled.length} jobs in a day (${causes}), so it gets no other before the day is over`;
        }
        const ofProvider = this.countOf(provider.toString('hex'));
        return ofProvider < this.maxOfProvider
            ? undefined
            : `is of a provider whose nodes spoiled ${ofProvider} jobs in a day, so they get no other (job.maxSpoiled)`;
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
