/** The paths of a worker as calls by `fetch`. Everything that a worker says is bounded and checked in its shape. */
import type { SignedVoucher, SigningKey } from '@cocoon-market/wrappers';
import {
    encodeQuery,
    endAnswer,
    endHash,
    jobState,
    type JobState,
    MAX_RETRY_AFTER,
    nodeInfo,
    type NodeInfo,
    paths,
    type QueryHead,
    refusal,
    sessionHash,
    termsToWire,
    toWire,
    voucherAnswer,
    waits,
} from '../offchain/link';
import type { Registration, WorkerCalls } from '../offchain/payer/jobLink';
import { codeOf, WorkerDown, WorkerRefusal } from '../offchain/payer/workerErrors';
import { wholeAnswer } from '../offchain/process/bytes';
import { retryAfterOf } from '../offchain/process/retryAfter';
import type { Fetch } from './types';

const SMALL_BYTES = 1 << 20; // of any answer that is not a stream

/** What reads the shape of an answer. */
interface Shape<T> {
    safeParse(value: unknown): { success: true; data: T } | { success: false };
}

export class FetchWorker implements WorkerCalls {
    private readonly base: string;

    constructor(
        url: string,
        private readonly fetch: Fetch,
    ) {
        this.base = url.replace(/\/+$/, '');
    }

    node(): Promise<NodeInfo> {
        return this.json('GET', paths.node, undefined, nodeInfo);
    }

    job(job: Buffer): Promise<JobState> {
        return this.json('GET', paths.job(job.toString('hex')), undefined, jobState);
    }

    register({ terms, jobNumber, job, enc, wire, key, newest }: Registration): Promise<JobState> {
        const signature = key.sign(sessionHash(job, { enc, wire }));
        const body = { terms: termsToWire(terms), jobNumber, enc, wire, signature, newest };
        return this.json('POST', paths.jobs, body, jobState);
    }

    async voucher(job: Buffer, voucher: SignedVoucher): Promise<SignedVoucher> {
        return (await this.json('POST', paths.voucher, { job, voucher }, voucherAnswer)).voucher;
    }

    async end(job: Buffer, key: SigningKey): Promise<boolean> {
        const body = { signature: key.sign(endHash(job)) };
        return (await this.json('POST', paths.endJob(job.toString('hex')), body, endAnswer)).claims;
    }

    async query(head: QueryHead, sealed: Buffer, signal: AbortSignal): Promise<AsyncIterable<Buffer>> {
        const body = encodeQuery(head, sealed);
        const response = await this.request('POST', paths.query, signal, body, 'application/octet-stream');
        return this.chunks(response);
    }

    async stored(job: Buffer, number: number, maxBytes: number): Promise<Buffer> {
        const signal = AbortSignal.timeout(waits.query * 1000);
        const response = await this.request('GET', paths.stored(job.toString('hex'), number), signal);
        return this.collect(response, maxBytes);
    }

    private async json<T>(method: 'GET' | 'POST', path: string, body: unknown, shape: Shape<T>): Promise<T> {
        const text = body === undefined ? undefined : JSON.stringify(toWire(body));
        const signal = AbortSignal.timeout(waits.whole * 1000);
        const response = await this.request(method, path, signal, text, 'application/json');
        const parsed = shape.safeParse(parseJson((await this.collect(response, SMALL_BYTES)).toString('utf8')));
        if (!parsed.success) {
            throw new WorkerDown(`${this.base} does not speak this version: it answers ${path} in another shape`);
        }
        return parsed.data;
    }

    private async request(
        method: 'GET' | 'POST',
        path: string,
        signal: AbortSignal,
        body?: string | Buffer,
        type?: string,
    ): Promise<Response> {
        const init: RequestInit = {
            method,
            signal,
            redirect: 'error', // another place could learn which jobs are asked
            credentials: 'omit',
            referrerPolicy: 'no-referrer',
            ...(body === undefined ? {} : { body: bodyOf(body), headers: { 'content-type': type! } }),
        };
        let response: Response;
        try {
            response = await this.fetch(this.base + path, init);
        } catch (error) {
            const cause = (error as { cause?: unknown }).cause ?? error;
            throw new WorkerDown(`${this.base} does not answer (${codeOf(cause)})`, cause);
        }
        if (response.ok) {
            return response;
        }
        const text = (await this.collect(response, SMALL_BYTES)).toString('utf8');
        const parsed = refusal.safeParse(parseJson(text));
        if (!parsed.success && response.status >= 500) {
            throw new WorkerDown(`${this.base} failed (HTTP ${response.status})`);
        }
        const { code, message, url } = parsed.success
            ? parsed.data.error
            : { code: 'unknown' as const, message: '', url: undefined };
        const hint = retryAfterOf(response.headers.get('retry-after') ?? undefined);
        const retryAfter = hint === undefined ? undefined : Math.min(hint, MAX_RETRY_AFTER);
        throw new WorkerRefusal(code, response.status, message.slice(0, 200), retryAfter, url);
    }

    private async *chunks({ body }: Response): AsyncGenerator<Buffer> {
        const reader = body?.getReader();
        try {
            for (let next = await reader?.read(); next?.done === false; next = await reader?.read()) {
                yield Buffer.from(next.value as Uint8Array);
            }
        } catch (error) {
            throw new WorkerDown(`the connection to the worker broke off (${codeOf(error)})`, error);
        } finally {
            void reader?.cancel().catch(() => undefined);
        }
    }

    private async collect(response: Response, max: number): Promise<Buffer> {
        const bytes = await wholeAnswer(this.chunks(response), max);
        if (bytes === undefined) {
            throw new WorkerDown('the worker answers with more than the protocol allows');
        }
        return bytes;
    }
}

// A page's Buffer is no class that its fetch knows, but it is an array of bytes.
const bodyOf = (body: string | Buffer): string | Uint8Array => (typeof body === 'string' ? body : new Uint8Array(body));

function parseJson(text: string): unknown {
    try {
        return JSON.parse(text);
    } catch {
        return undefined;
    }
}
