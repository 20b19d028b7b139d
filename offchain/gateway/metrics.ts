/** What the gateway tells Prometheus. Labels are bounded: no request can make series without end. */
import { tokenKinds } from '@cocoon-market/wrappers';
import type { Logger } from 'pino';
import { Counter, Histogram, Registry } from 'prom-client';
import {
    ANSWER_SECONDS_BUCKETS,
    BoundedLabel,
    COMMIT_SECONDS_BUCKETS,
    type GaugeValue,
    readGauge,
    tonNumber,
} from '../process/metrics';
import type { UsedQuery } from '../store/people';

/** Values of a label that come from outside: models, keys, codes of errors. */
export const MAX_LABELS = 100;

const PREFIX = 'cocoon_gateway_';

/** What of a request is counted; see the facts of a request. */
interface CountedRequest {
    startedAt: number;
    model?: string;
    job?: number;
    code?: string;
    firstTokenMs?: number;
    isReplayed?: boolean;
}

export class GatewayMetrics {
    readonly registry = new Registry();
    private readonly models = new BoundedLabel(MAX_LABELS);
    private readonly codes = new BoundedLabel(MAX_LABELS);
    private readonly requests = this.counter('requests_total', 'Requests by path and HTTP status', ['path', 'status']);
    private readonly errors = this.counter('errors_total', 'Errors that requests were answered with', ['code']);
    private readonly answered = this.counter('queries_total', 'Queries with a result', ['model']);
    private readonly tokens = this.counter('tokens_total', 'Tokens of results', ['model', 'kind']);
    private readonly spent = this.counter('spent_ton_total', 'TON that queries cost', ['model']);
    private readonly firstToken = this.histogram('first_token_seconds', 'From a request to its first text', {
        labelNames: ['model'],
        buckets: ANSWER_SECONDS_BUCKETS,
    });
    private readonly duration = this.histogram('request_seconds', 'From a request to the end of its answer', {
        labelNames: ['path'],
        buckets: ANSWER_SECONDS_BUCKETS,
    });
    private readonly commits = this.histogram('store_commit_seconds', 'How long a commit of the store takes', {
        labelNames: [],
        buckets: COMMIT_SECONDS_BUCKETS,
    });

    /** Counts a request that is over. */
    addRequest(facts: CountedRequest, path: string, status: number): void {
        this.requests.inc({ path, status: String(status) });
        if (facts.code !== undefined) {
            this.errors.inc({ code: this.codes.of(facts.code) });
        }
        if (facts.job === undefined || facts.isReplayed === true) {
            return;
        }
        this.duration.observe({ path }, (performance.now() - facts.startedAt) / 1000);
        if (facts.firstTokenMs !== undefined && facts.model !== undefined) {
            this.firstToken.observe({ model: this.models.of(facts.model) }, facts.firstTokenMs / 1000);
        }
    }

    /** Counts what an ended query cost. */
    addUsed({ model, cost, tokens }: UsedQuery): void {
        const label = { model: this.models.of(model) };
        this.spent.inc(label, tonNumber(cost));
        if (tokens !== undefined) {
            this.answered.inc(label);
            tokenKinds.forEach((kind) => this.tokens.inc({ ...label, kind }, tokens[kind]));
        }
    }

    /** Counts a commit of the store. */
    readonly addCommit = (seconds: number): void => this.commits.observe(seconds);

    private counter<Label extends string>(name: string, help: string, labelNames: Label[]): Counter<Label> {
        return new Counter({ name: PREFIX + name, help, labelNames, registers: [this.registry] });
    }

    private histogram<Label extends string>(
        name: string,
        help: string,
        { labelNames, buckets }: { labelNames: Label[]; buckets: number[] },
    ): Histogram<Label> {
        return new Histogram({ name: PREFIX + name, help, labelNames, buckets, registers: [this.registry] });
    }

    /** Adds a gauge that is read at each scrape. */
    gauge<Label extends string>(
        log: Logger,
        name: string,
        help: string,
        read: () => Promise<GaugeValue<Label>[]> | GaugeValue<Label>[],
        labelNames: Label[] = [],
    ): void {
        readGauge(this.registry, { name: PREFIX + name, help, labelNames, log, read });
    }
}
