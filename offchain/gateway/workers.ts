/** The gateway's side of the wire: the paths of one worker as calls. */
import { SignedVoucher, type SigningKey } from '@cocoon-market/wrappers';
import { Dispatcher, Pool } from 'undici';
import { z } from 'zod';
import type { JobState, NodeInfo, QueryHead } from '../link';
import {
    endAnswer,
    endHash,
    encodeQuery,
    jobState,
    nodeInfo,
    paths,
    refusal,
    MAX_RETRY_AFTER,
    sessionHash,
    termsToWire,
    toWire,
    voucherAnswer,
    waits,
} from '../link';
import { wholeAnswer } from '../process/bytes';
import { mayBePublic, publicLookup } from '../process/publicAddress';
import { retryAfterOf } from '../process/retryAfter';
import type { Registration, WorkerCalls } from '../payer/jobLink';
import { codeOf, WorkerDown, WorkerRefusal } from '../payer/workerErrors';
import type { OfferFacts } from './needs';

/** The key under which a job's questions are sealed. */
export interface SealingKey {
    key: Buffer; // 32 bytes
    until: number; // unix seconds, when its attestation expires
    wire: string; // version that both sides speak
    listing: OfferFacts; // for the job's model
}

const SMALL_BYTES = 1 << 20; // of any answer that is not a stream
const UNREAD_BYTES = 4 << 10; // of a stream that wait to be read; each may be a Buffer of its own

export class WorkerClient implements WorkerCalls {
    private readonly pool: Pool;
    private readonly prefix: string;

    /** `publicOnly`: a stranger named the URL, so it must not lead into a private network. */
    constructor(
        readonly url: string,
        private readonly publicOnly = false,
    ) {
        const { origin, pathname } = new URL(url);
        this.prefix = pathname.replace(/\/+$/, '');
        this.pool = new Pool(origin, {
            connect: { timeout: waits.connect * 1000, ...(publicOnly ? { lookup: publicLookup } : {}) },
            headersTimeout: waits.accept * 1000,
            bodyTimeout: waits.silence * 1000,
        });
    }

    /** True if no request runs or waits, and no answer is on its way. */
    get isIdle(): boolean {
        return this.pool.stats.size === 0;
    }

    node(): Promise<NodeInfo> {
        return this.json('GET', paths.node, undefined, nodeInfo);
    }

    /** Shows the terms and begins the session of `enc`. */
    register({ terms, jobNumber, job, enc, wire, key, newest }: Registration): Promise<JobState> {
        const signature = key.sign(sessionHash(job, { enc, wire }));
        const body = { terms: termsToWire(terms), jobNumber, enc, wire, signature, newest };
        return this.json('POST', paths.jobs, body, jobState);
    }

    job(job: Buffer): Promise<JobState> {
        return this.json('GET', paths.job(job.toString('hex')), undefined, jobState);
    }

    async voucher(job: Buffer, voucher: SignedVoucher): Promise<SignedVoucher> {
        return (await this.json('POST', paths.voucher, { job, voucher }, voucherAnswer)).voucher;
    }

    /**
     * Tells the worker that the client no longer needs the job. False if the worker does nothing and the client leaves
     * by itself.
     */
    async end(job: Buffer, key: SigningKey): Promise<boolean> {
        const body = { signature: key.sign(endHash(job)) };
        return (await this.json('POST', paths.endJob(job.toString('hex')), body, endAnswer)).claims;
    }

    /** The bytes of the records that answer a query, as they arrive. Aborting `signal` cuts the query. */
    async query(head: QueryHead, sealed: Buffer, signal: AbortSignal): Promise<AsyncIterable<Buffer>> {
        const { body } = await this.request({
            method: 'POST',
            path: paths.query,
            body: encodeQuery(head, sealed),
            headers: { 'content-type': 'application/octet-stream' },
            bodyTimeout: waits.query * 1000,
            highWaterMark: UNREAD_BYTES,
            signal,
        });
        return readable(body);
    }

    /** The stored records of a query. */
    async stored(job: Buffer, number: number, maxBytes: number, signal?: AbortSignal): Promise<Buffer> {
        const path = paths.stored(job.toString('hex'), number);
        const { body } = await this.request({ method: 'GET', path, ...(signal && { signal }) });
        return collect(body, maxBytes);
    }

    async close(): Promise<void> {
        await this.pool.destroy();
    }

    private async json<T extends z.ZodType>(method: 'GET' | 'POST', path: string, body: unknown, shape: T) {
        const { body: answer } = await this.request({
            method,
            path,
            signal: AbortSignal.timeout(waits.whole * 1000), // one slow worker must not hold up the choice of others
            ...(body === undefined
                ? {}
                : { body: JSON.stringify(toWire(body)), headers: { 'content-type': 'application/json' } }),
        });
        const parsed = shape.safeParse(parseJson((await collect(answer, SMALL_BYTES)).toString('utf8')));
        if (!parsed.success) {
            throw new WorkerDown(`${this.url} does not speak this version: it answers ${path} in another shape`);
        }
        return parsed.data;
    }

    private async request(options: Dispatcher.RequestOptions): Promise<Dispatcher.ResponseData> {
        if (this.publicOnly && !mayBePublic(this.url)) {
            throw new WorkerDown(`${this.url} is at a private address (discovery.allowPrivate accepts it)`);
        }
        let response: Dispatcher.ResponseData;
        try {
            response = await this.pool.request({ ...options, path: this.prefix + options.path });
        } catch (error) {
            throw new WorkerDown(`${this.url} does not answer (${codeOf(error)})`, error);
        }
        if (response.statusCode < 300) {
            return response;
        }
        const text = (await collect(response.body, SMALL_BYTES)).toString('utf8');
        const parsed = refusal.safeParse(parseJson(text));
        const { code, message, url } = parsed.success
            ? parsed.data.error
            : { code: 'unknown' as const, message: '', url: undefined };
        if (!parsed.success && response.statusCode >= 500) {
            throw new WorkerDown(`${this.url} failed (HTTP ${response.statusCode})`);
        }
        const hint = retryAfterOf(response.headers['retry-after']);
        const retryAfter = hint === undefined ? undefined : Math.min(hint, MAX_RETRY_AFTER);
        throw new WorkerRefusal(code, response.statusCode, message.slice(0, 200), retryAfter, url);
    }
}

async function* readable(body: Dispatcher.ResponseData['body']): AsyncGenerator<Buffer> {
    try {
        for await (const chunk of body) {
            yield chunk as Buffer;
        }
    } catch (error) {
        throw new WorkerDown(`the connection to the worker broke off (${codeOf(error)})`, error);
    }
}

async function collect(body: Dispatcher.ResponseData['body'], max: number): Promise<Buffer> {
    const bytes = await wholeAnswer(readable(body), max);
    if (bytes === undefined) {
        throw new WorkerDown('the worker answers with more than the protocol allows');
    }
    return bytes;
}

function parseJson(text: string): unknown {
    try {
        return JSON.parse(text);
    } catch {
        return undefined;
    }
}
