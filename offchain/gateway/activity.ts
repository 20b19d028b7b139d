/** What happened at the API since the gateway started: counts, the last errors, and how fast workers answer. */

const MAX_ERRORS = 20;
const MAX_SCOPES = 1000; // names of keys
const NEWEST_SHARE = 0.2; // of the newest answer in a mean
const API = '/v1/';

/** One request that failed. It holds a code and no text of the request. */
export interface ApiFailure {
    at: number; // unix seconds
    requestId: string;
    path: string; // the route
    status: number;
    code: string;
    model: string | undefined; // one of the configuration
    key: string; // name; '' without a key
}

/** Requests to the API that are over. */
export interface RequestCounts {
    all: number;
    answered: number;
    refused: number; // 4xx
    failed: number; // 5xx
    cut: number; // the connection ended before the answer was whole
}

/** How fast a worker was lately; undefined if it was not measured. */
export interface Speed {
    firstTokenMs: number | undefined; // from the request to the first piece
    tokensPerSecond: number | undefined; // after it
}

/** What is read of a request that is over. */
interface EndedRequest {
    facts: {
        id: string;
        startedAt: number; // milliseconds of a steady clock
        model?: string;
        worker?: string;
        code?: string;
        firstTokenMs?: number;
        isReplayed?: boolean;
        result?: { completion: number; reasoning: number };
    };
    apiKey: { name: string } | undefined;
    routeOptions: { url?: string };
}

interface EndedReply {
    raw: { statusCode: number; writableFinished: boolean };
}

export class Activity {
    readonly since: number; // unix seconds
    private readonly counts = new Map<string, RequestCounts>(); // by name of the key
    private readonly failures: ApiFailure[] = []; // newest first
    private readonly speeds = new Map<string, Speed>(); // by URL

    constructor(
        private readonly models: readonly string[],
        private readonly now: () => number,
    ) {
        this.since = now();
    }

    /** Counts each request to the API. */
    readonly observe = ({ facts, apiKey, routeOptions }: EndedRequest, { raw }: EndedReply): void => {
        const path = routeOptions.url ?? '';
        if (!path.startsWith(API)) {
            return;
        }
        const key = apiKey?.name ?? '';
        const { statusCode: status, writableFinished } = raw;
        const counts = this.countsOf(key);
        counts.all++;
        const failed = facts.code !== undefined || status >= 400;
        const kind = !failed
            ? writableFinished
                ? 'answered'
                : 'cut'
            : status >= 400 && status < 500
              ? 'refused'
              : 'failed';
        counts[kind]++;
        if (failed) {
            const model = this.models.find((one) => one === facts.model);
            const code = facts.code ?? 'unknown';
            this.failures.unshift({ at: this.now(), requestId: facts.id, path, status, code, model, key });
            this.failures.splice(MAX_ERRORS);
        }
        this.measure(facts);
    };

    /** Requests of one key, or of all. */
    requests(key?: string): RequestCounts {
        const sum = { all: 0, answered: 0, refused: 0, failed: 0, cut: 0 };
        for (const [name, counts] of this.counts) {
            if (key === undefined || key === name) {
                (Object.keys(sum) as (keyof RequestCounts)[]).forEach((kind) => (sum[kind] += counts[kind]));
            }
        }
        return sum;
    }

    /** The last errors of one key, or of all; newest first. */
    errors(key?: string): ApiFailure[] {
        return this.failures.filter((failure) => key === undefined || failure.key === key);
    }

    speed(worker: string): Speed {
        return this.speeds.get(worker) ?? { firstTokenMs: undefined, tokensPerSecond: undefined };
    }

    private countsOf(key: string): RequestCounts {
        const name = this.counts.has(key) || this.counts.size < MAX_SCOPES ? key : '';
        const counts = this.counts.get(name) ?? { all: 0, answered: 0, refused: 0, failed: 0, cut: 0 };
        this.counts.set(name, counts);
        return counts;
    }

    private measure({ worker, firstTokenMs, result, startedAt, isReplayed }: EndedRequest['facts']) {
        if (worker === undefined || firstTokenMs === undefined || isReplayed === true) {
            return;
        }
        const last = this.speed(worker);
        const seconds = (performance.now() - startedAt - firstTokenMs) / 1000;
        const tokens = result === undefined ? 0 : result.completion + result.reasoning;
        this.speeds.set(worker, {
            firstTokenMs: meanOf(last.firstTokenMs, firstTokenMs),
            tokensPerSecond:
                tokens > 1 && seconds > 0 ? meanOf(last.tokensPerSecond, tokens / seconds) : last.tokensPerSecond,
        });
    }
}

const meanOf = (last: number | undefined, newest: number): number =>
    last === undefined ? newest : last + NEWEST_SHARE * (newest - last);
