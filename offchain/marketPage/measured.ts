/** Speed of nodes as one gateway measured it. A chain does not have it. */
import { z } from 'zod';
import { wholeAnswer } from '../process/bytes';
import { reasonOf } from '../process/errors';

const MAX_BYTES = 4 << 20;
const TIMEOUT_MS = 3000;
const FRESH_MS = 30_000;

const nodeOf = z.object({
    worker: z.string(),
    firstTokenMs: z.number().nonnegative().nullable(),
    tokensPerSecond: z.number().nonnegative().nullable(),
});

/** The data of a gateway's page (`/page/data`), of which only these fields are read. */
const pageData = z.object({
    at: z.number(),
    models: z.array(z.object({ nodes: z.array(nodeOf) })),
    requests: z.object({ since: z.number(), answered: z.number(), refused: z.number(), failed: z.number() }).optional(),
});

export interface MeasuredSpeeds {
    source: string;
    at: number; // unix seconds
    byEndpoint: ReadonlyMap<string, { firstTokenMs: number | null; tokensPerSecond: number | null }>;
    requests: { since: number; answered: number; refused: number; failed: number } | undefined;
}

/** Reads what a gateway shares, at most so often, and keeps the last answer. */
export class MeasuredSource {
    private last: MeasuredSpeeds | undefined;
    private readAtMs = -Infinity;
    problem: string | undefined;

    constructor(private readonly url: string) {}

    async current(): Promise<MeasuredSpeeds | undefined> {
        if (performance.now() - this.readAtMs < FRESH_MS) {
            return this.last;
        }
        this.readAtMs = performance.now();
        try {
            const response = await fetch(this.url, { signal: AbortSignal.timeout(TIMEOUT_MS), redirect: 'error' });
            if (!response.ok) {
                throw new Error(`it answered with status ${response.status}`);
            }
            this.last = readMeasured(new URL(this.url).host, await boundedText(response));
            this.problem = undefined;
        } catch (error) {
            this.problem = reasonOf(error);
        }
        return this.last;
    }
}

async function boundedText(response: Response): Promise<string> {
    const bytes = response.body === null ? Buffer.alloc(0) : await wholeAnswer(response.body, MAX_BYTES);
    if (bytes === undefined) {
        throw new Error(`it answered with more than ${MAX_BYTES} bytes`);
    }
    return bytes.toString('utf8');
}

/** Reads the data of a gateway's page. Throws if they are no such data. */
export function readMeasured(source: string, text: string): MeasuredSpeeds {
    const { at, models, requests } = pageData.parse(JSON.parse(text));
    const byEndpoint = new Map(
        models.flatMap(({ nodes }) => nodes).map(({ worker, ...speeds }) => [worker.replace(/\/+$/, ''), speeds]),
    );
    return { source, at, byEndpoint, requests };
}
