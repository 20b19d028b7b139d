/** What happened at the API since the gateway started: counts and the last errors. */

const MAX_ERRORS = 20;
const MAX_SCOPES = 1000; // names of keys
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

/** What is read of a request that is over. */
interface EndedRequest {
    facts: { id: string; model?: string; code?: string };
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

    private countsOf(key: string): RequestCounts {
        const name = this.counts.has(key) || this.counts.size < MAX_SCOPES ? key : '';
        const counts = this.counts.get(name) ?? { all: 0, answered: 0, refused: 0, failed: 0, cut: 0 };
        this.counts.set(name, counts);
        return counts;
    }
}
