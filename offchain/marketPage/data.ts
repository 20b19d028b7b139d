/** What the page shows: the market as the index has it, read again when it is too old, and how fresh the index is. */
import { Address } from '@ton/core';
import { type BlockMark } from '../indexer/indexer';
import { type IndexedJob, lastOf, readJob } from '../indexer/jobs';
import { IndexReader } from '../indexer/reader';
import { type MarketView, readView } from '../indexer/view';
import { unixSeconds } from '../process/clock';
import { reasonOf } from '../process/errors';
import { SingleFlight } from '../process/tasks';

const FRESH_MS = 5000; // for which a view is shown without a new one being read
const LATE_MS = 60_000; // after which a request waits for a new view
const SHARE = 10; // reading takes at most one tenth of the time
const STALE_SECONDS = 300; // without a reading of the chain
const LATEST = 20; // jobs

/** Whether the market lives, by what the index has. */
export type MarketState = 'alive' | 'paused' | 'empty' | 'stale' | 'unread' | 'absent';

export interface Snapshot {
    view: MarketView;
    block: BlockMark | undefined; // undefined before the first whole reading
    latest: readonly IndexedJob[]; // of the market, newest first
    latestOf: (payouts: readonly string[]) => readonly IndexedJob[];
    paidByDay: (payouts: readonly string[]) => ReadonlyMap<string, bigint>; // nanoTON
}

/** What a request gets. */
export interface Reading {
    now: number; // unix seconds
    snapshot: Snapshot | undefined;
    state: MarketState;
    problem: string | undefined; // why the index could not be read now
}

export interface DataOptions {
    store: string;
    now?: () => number; // unix seconds
    freshMs?: number; // for which a view is shown without a new one being read; 0: every request reads
}

export class MarketData {
    private reader: IndexReader | undefined;
    private snapshot: Snapshot | undefined;
    private problem: string | undefined;
    private readAtMs = -Infinity;
    private lastedMs = 0;
    private readonly flight = new SingleFlight<'', void>();
    private readonly now: () => number;

    constructor(private readonly options: DataOptions) {
        this.now = options.now ?? unixSeconds;
    }

    /** What is known now. A view that is a little old is shown while the next one is read. */
    async current(): Promise<Reading> {
        const { freshMs = FRESH_MS } = this.options;
        const ageMs = performance.now() - this.readAtMs;
        if (freshMs === 0 || ageMs >= Math.max(freshMs, this.lastedMs * SHARE)) {
            const reading = this.flight.run('', () => this.read());
            if (freshMs === 0 || this.snapshot === undefined || ageMs >= LATE_MS) {
                await reading;
            }
        }
        const now = this.now();
        return { now, snapshot: this.snapshot, state: stateOf(this.snapshot, now), problem: this.problem };
    }

    /** The history of a job that pays a payout of the market. */
    async job(channel: string): Promise<IndexedJob | undefined> {
        const job = this.reader && (await readJob(this.reader, channel));
        const payouts = this.snapshot?.view.providers.flatMap((provider) => provider.payouts) ?? [];
        return job !== undefined && payouts.includes(job.payout) ? job : undefined;
    }

    async close(): Promise<void> {
        await this.flight.run('', () => Promise.resolve());
        await this.reader?.close();
        this.reader = undefined;
    }

    private async read(): Promise<void> {
        const beginMs = performance.now();
        try {
            this.reader ??= await IndexReader.open(this.options.store);
            this.snapshot = this.reader && (await this.readSnapshot(this.reader));
            this.problem = undefined;
        } catch (error) {
            this.problem = reasonOf(error);
        }
        this.readAtMs = performance.now();
        this.lastedMs = this.readAtMs - beginMs;
    }

    private readSnapshot(reader: IndexReader): Promise<Snapshot | undefined> {
        return reader.snapshot(async ({ db }) => {
            const rows = await db.selectFrom('marks').selectAll().execute();
            const marks = new Map(rows.map(({ name, value }) => [name, value]));
            const [network, registry] = marks.get('market')?.split(' ') ?? [];
            if (registry === undefined) {
                return undefined;
            }
            const jobs = new LatestJobs();
            const view = await readView(
                { db },
                {
                    ...{ registry: Address.parseRaw(registry), network: Number(network), at: this.now() },
                    onJob: (job) => jobs.add(job),
                },
            );
            const block = marks.get('block');
            return {
                view,
                block: block === undefined ? undefined : (JSON.parse(block) as BlockMark),
                latest: jobs.of(undefined),
                latestOf: (payouts) => jobs.of(payouts),
                paidByDay: (payouts) => jobs.paidByDay(payouts),
            };
        });
    }
}

function stateOf(snapshot: Snapshot | undefined, now: number): MarketState {
    if (snapshot === undefined) {
        return 'absent';
    }
    if (snapshot.block === undefined) {
        return 'unread';
    }
    if (now - snapshot.block.readAt > STALE_SECONDS) {
        return 'stale';
    }
    if (snapshot.view.paused) {
        return 'paused';
    }
    return snapshot.view.supply.length === 0 ? 'empty' : 'alive';
}

/** The jobs in which something happened last, in all and for each payout; and what payouts got each day. */
class LatestJobs {
    private readonly lists = new Map<string, IndexedJob[]>(); // by payout, '' for all
    private readonly paid = new Map<string, Map<string, bigint>>(); // by payout and day

    add(job: IndexedJob): void {
        for (const name of ['', job.payout]) {
            const list = this.lists.get(name) ?? [];
            const last = list.at(-1);
            if (list.length < LATEST || last === undefined || lastOf(job) > lastOf(last)) {
                list.push(job);
                list.sort((one, other) => lastOf(other) - lastOf(one));
                list.length = Math.min(list.length, LATEST);
            }
            this.lists.set(name, list);
        }
        const days = this.paid.get(job.payout) ?? new Map<string, bigint>();
        for (const { at, amount } of job.claims) {
            const day = new Date(at * 1000).toISOString().slice(0, 10);
            days.set(day, (days.get(day) ?? 0n) + amount);
        }
        this.paid.set(job.payout, days);
    }

    of(payouts: readonly string[] = ['']): readonly IndexedJob[] {
        return payouts
            .flatMap((payout) => this.lists.get(payout) ?? [])
            .sort((one, other) => lastOf(other) - lastOf(one))
            .slice(0, LATEST);
    }

    paidByDay(payouts: readonly string[]): ReadonlyMap<string, bigint> {
        const sums = new Map<string, bigint>();
        for (const [day, amount] of payouts.flatMap((payout) => [...(this.paid.get(payout) ?? [])])) {
            sums.set(day, (sums.get(day) ?? 0n) + amount);
        }
        return sums;
    }
}
