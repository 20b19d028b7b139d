/** What the worker tells Prometheus. */
import { Reason, type TokenCounts, tokenKinds } from '@cocoon-market/wrappers';
import type { Logger } from 'pino';
import { Counter, Histogram, Registry } from 'prom-client';
import type { RefusalCode } from '../link';
import { COMMIT_SECONDS_BUCKETS, readGauge, tonNumber } from '../process/metrics';
import type { WorkerStore } from '../store/worker';

const PREFIX = 'cocoon_worker_';

export class WorkerMetrics {
    readonly registry = new Registry();
    private readonly queries = this.counter('queries_total', 'Queries with an ending: result, fail or decline', [
        'end',
    ]);
    private readonly tokens = this.counter('tokens_total', 'Tokens of results', ['kind']);
    private readonly earned = this.counter('earned_ton_total', 'TON of results since the start', []);
    private readonly refusals = this.counter(
        'refusals_total',
        'Queries that were not answered: signed reasons, and codes of refusals without a signature',
        ['reason'],
    );
    private readonly commits = new Histogram({
        ...{ name: `${PREFIX}store_commit_seconds`, help: 'How long a commit of the store takes' },
        ...{ buckets: COMMIT_SECONDS_BUCKETS, registers: [this.registry] },
    });

    addResult(counts: TokenCounts, price: bigint): void {
        this.queries.inc({ end: 'result' });
        this.earned.inc(tonNumber(price));
        tokenKinds.forEach((kind) => this.tokens.inc({ kind }, counts[kind]));
    }

    addSigned(end: 'fail' | 'decline', reason: Reason): void {
        this.queries.inc({ end });
        this.refusals.inc({ reason: Reason[reason] });
    }

    addUnsigned(code: RefusalCode): void {
        this.refusals.inc({ reason: code });
    }

    readonly addCommit = (seconds: number): void => this.commits.observe(seconds);

    /** Adds what is read at each scrape. `running`: how many queries run. */
    addSources(log: Logger, store: Pick<WorkerStore, 'totals'>, running: () => Promise<number>): void {
        const gauge = (name: string, help: string, read: () => Promise<number>) =>
            readGauge(this.registry, { name: PREFIX + name, help, log, read: async () => [{ value: await read() }] });
        gauge('running_queries', 'Queries that are being answered', running);
        gauge('results_stored', 'Results in the store', async () => (await store.totals()).results);
        gauge('earned_ton', 'TON of the results in the store', async () => tonNumber((await store.totals()).earned));
        gauge('unclaimed_ton', 'TON of vouchers above what channels have paid', async () =>
            tonNumber((await store.totals()).unclaimed),
        );
        readGauge(this.registry, {
            ...{ name: `${PREFIX}jobs`, help: 'Jobs by stage', labelNames: ['stage'], log },
            read: async () =>
                Object.entries((await store.totals()).jobs).map(([stage, value]) => ({ labels: { stage }, value })),
        });
    }

    private counter<Label extends string>(name: string, help: string, labelNames: Label[]): Counter<Label> {
        return new Counter({ name: PREFIX + name, help, labelNames, registers: [this.registry] });
    }
}
