/** What the worker tells Prometheus. */
import { Reason, type TokenCounts, tokenKinds } from '@cocoon-market/wrappers';
import type { Logger } from 'pino';
import { Counter, Histogram, Registry } from 'prom-client';
import type { RefusalCode } from '../link';
import { COMMIT_SECONDS_BUCKETS, readGauge, tonNumber } from '../process/metrics';
import type { WorkerStore } from '../store/worker';
import { type Alert, alertSeverities } from './alerts/board';
import type { ModelLoad } from './backends';
import type { WorkerReadiness } from './readiness';
import type { BackendView } from './servers';

/** What is read at each scrape. */
export interface WorkerReadings {
    store: Pick<WorkerStore, 'cases' | 'earnings'>;
    running: () => Promise<number>; // queries
    readiness: () => WorkerReadiness;
    alerts: () => readonly Alert[];
    walletBalance: () => bigint | undefined; // nanoTON
    load: () => { backends: BackendView[]; models: ModelLoad[] };
}

const PREFIX = 'cocoon_worker_';

export class WorkerMetrics {
    readonly registry = new Registry();
    private readonly queries = this.counter('queries_total', 'Queries with an ending: result, fail or decline', [
        'end',
    ]);
    private readonly tokens = this.counter('tokens_total', 'Tokens of results', ['kind']);
    private readonly refusals = this.counter(
        'refusals_total',
        'Queries that were not answered: signed reasons, and codes of refusals without a signature',
        ['reason'],
    );
    private readonly commits = new Histogram({
        ...{ name: `${PREFIX}store_commit_seconds`, help: 'How long a commit of the store takes' },
        ...{ buckets: COMMIT_SECONDS_BUCKETS, registers: [this.registry] },
    });

    addResult(counts: TokenCounts): void {
        this.queries.inc({ end: 'result' });
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

    /** Adds what is read at each scrape. Money is read from the store, as it is on the disk. */
    addSources(log: Logger, readings: WorkerReadings): void {
        const { store, running, readiness, alerts, walletBalance } = readings;
        this.addLoad(log, readings);
        const sums = onceAtATime(() => store.earnings.sums());
        const total = async (name: 'results' | 'earned' | 'unclaimed' | 'confirming' | 'claimed') =>
            Object.values(await sums()).reduce((all, one) => all + BigInt(one[name]), 0n);
        const ton = async (name: Parameters<typeof total>[0]) => tonNumber(await total(name));
        const gauge = (name: string, help: string, read: () => Promise<number>) =>
            readGauge(this.registry, { name: PREFIX + name, help, log, read: async () => [{ value: await read() }] });
        gauge('running_queries', 'Queries that are being answered', running);
        gauge('results_stored', 'Results in the store', async () => Number(await total('results')));
        gauge('earned_ton', 'TON of the results in the store', () => ton('earned'));
        gauge('unclaimed_ton', 'TON of vouchers above what channels have paid', () => ton('unclaimed'));
        gauge('confirming_ton', 'TON that channels have paid by the last reading', () => ton('confirming'));
        gauge('claimed_ton', 'TON that channels have paid, confirmed by several readings', () => ton('claimed'));
        gauge(
            'open_cases',
            'Demands and cases of this node that are open on chain',
            async () => (await store.cases.open()).length,
        );
        gauge('ready', '1 if the worker takes new jobs and queries', async () => (readiness().ready ? 1 : 0));
        readGauge(this.registry, {
            ...{ name: `${PREFIX}wallet_ton`, help: "TON in the worker's wallet, as last read", log },
            read: () => {
                const balance = walletBalance();
                return balance === undefined ? [] : [{ value: tonNumber(balance) }];
            },
        });
        readGauge(this.registry, {
            ...{ name: `${PREFIX}alerts`, help: 'Alerts that are raised', labelNames: ['alert', 'severity'], log },
            read: () =>
                Object.entries(alertSeverities).map(([alert, severity]) => ({
                    labels: { alert, severity },
                    value: alerts().filter((one) => one.alert === alert).length,
                })),
        });
        readGauge(this.registry, {
            ...{ name: `${PREFIX}jobs`, help: 'Jobs by stage', labelNames: ['stage'], log },
            read: async () =>
                Object.entries(await sums()).map(([stage, { jobs }]) => ({ labels: { stage }, value: jobs })),
        });
    }

    private addLoad(log: Logger, { load }: WorkerReadings): void {
        type Figure = [name: string, help: string, read: (load: ModelLoad) => number | undefined];
        const figures: Figure[] = [
            ['model_available', '1 if a backend serves the model', ({ available }) => (available ? 1 : 0)],
            ['model_running', 'Queries of the model that run', ({ running }) => running],
            ['model_waiting', 'Queries of the model that wait for a backend', ({ waiting }) => waiting],
            ['model_throughput_tokens', 'Tokens a second of the last minute', ({ throughput }) => throughput],
            ['model_answer_tokens', 'Tokens a second of one answer', ({ tokensPerSecond }) => tokensPerSecond],
            ['model_first_token_seconds', 'Seconds to the first text', ({ firstTokenSeconds }) => firstTokenSeconds],
        ];
        for (const [name, help, read] of figures) {
            readGauge(this.registry, {
                ...{ name: PREFIX + name, help, labelNames: ['model'], log },
                read: () =>
                    load().models.flatMap((model) => {
                        const value = read(model);
                        return value === undefined ? [] : { labels: { model: model.model }, value };
                    }),
            });
        }
        const ofBackends = (name: string, help: string, read: (backend: BackendView) => number) =>
            readGauge(this.registry, {
                ...{ name: PREFIX + name, help, labelNames: ['backend'], log },
                read: () => load().backends.map((one) => ({ labels: { backend: one.name }, value: read(one) })),
            });
        ofBackends('backend_up', '1 if the backend can be used', ({ outage }) => (outage === undefined ? 1 : 0));
        ofBackends('backend_running', 'Queries that the backend answers', (backend) => backend.running);
    }

    private counter<Label extends string>(name: string, help: string, labelNames: Label[]): Counter<Label> {
        return new Counter({ name: PREFIX + name, help, labelNames, registers: [this.registry] });
    }
}

/** Reads once for all who ask while it is read: the gauges of one scrape show the same moment. */
function onceAtATime<T>(read: () => Promise<T>): () => Promise<T> {
    let reading: Promise<T> | undefined;
    return () => (reading ??= read().finally(() => (reading = undefined)));
}
