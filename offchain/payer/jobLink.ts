/**
 * The way to the process of a worker that has a job. A worker may be several processes, and says where they are. A job
 * is asked of its owner; if that does not answer, the others know who has the job now.
 */
import type { SignedVoucher, SigningKey, Terms } from '@cocoon-market/wrappers';
import { MAX_PROCESSES, waits } from '../link';
import type { JobState, NodeInfo, QueryHead } from '../link';
import { steadySeconds } from '../process/clock';
import { WorkerDown, WorkerRefusal } from './workerErrors';

/** What shows a job to a worker, and begins the session of `enc`. */
export interface Registration {
    terms: Terms;
    jobNumber: number;
    job: Buffer; // hash
    enc: Buffer;
    wire: string;
    key: SigningKey; // of the job's vouchers
    newest: Buffer[]; // receipts
}

/** The paths of a process of a worker as calls. Each rejects with WorkerRefusal or WorkerDown. */
export interface WorkerCalls {
    node(): Promise<NodeInfo>;
    job(job: Buffer): Promise<JobState>;
    register(registration: Registration): Promise<JobState>;
    voucher(job: Buffer, voucher: SignedVoucher): Promise<SignedVoucher>;
    end(job: Buffer, key: SigningKey): Promise<boolean>;
    query(head: QueryHead, sealed: Buffer, signal: AbortSignal): Promise<AsyncIterable<Buffer>>;
    /** Aborting `signal` ends the call. */
    stored(job: Buffer, number: number, maxBytes: number, signal?: AbortSignal): Promise<Buffer>;
}

/** The client of a process at a URL; undefined if no worker may be there. */
export type ProcessClients = (url: string) => WorkerCalls | undefined;

/** Seconds within which another process takes a job over. */
const TAKEOVER_SECONDS = 15;

/** The {@link WorkerCalls} about one job. */
export class JobLink implements WorkerCalls {
    private urls: string[]; // the one that answered last comes first
    private nobodySince: number | undefined; // steady seconds, since no process has the job

    /** `worker`: its URL on chain. `processes`: what it said of its processes before. */
    constructor(
        private readonly worker: string,
        processes: readonly string[],
        private readonly clientOf: ProcessClients,
        private readonly now = steadySeconds,
    ) {
        this.urls = [...new Set([...processes, worker])];
    }

    /** The process that is asked first. */
    get process(): string {
        return this.urls[0];
    }

    node(): Promise<NodeInfo> {
        return this.ask((client) => client.node());
    }

    job(...args: Parameters<WorkerCalls['job']>): Promise<JobState> {
        return this.ask((client) => client.job(...args));
    }

    async register(...args: Parameters<WorkerCalls['register']>): Promise<JobState> {
        const state = await this.ask((client) => client.register(...args));
        this.nobodySince = undefined;
        if (state.processes.length > 0) {
            this.urls = [...new Set([...state.processes, this.worker])];
        }
        return state;
    }

    voucher(...args: Parameters<WorkerCalls['voucher']>): ReturnType<WorkerCalls['voucher']> {
        return this.ask((client) => client.voucher(...args));
    }

    end(...args: Parameters<WorkerCalls['end']>): ReturnType<WorkerCalls['end']> {
        return this.ask((client) => client.end(...args));
    }

    stored(...args: Parameters<WorkerCalls['stored']>): ReturnType<WorkerCalls['stored']> {
        return this.ask((client) => client.stored(...args), { mayBeLong: true });
    }

    /** A process that may have read the query is the only one that gets it. */
    async query(...args: Parameters<WorkerCalls['query']>): ReturnType<WorkerCalls['query']> {
        const options = { mayRepeat: false, mayBeLong: true };
        const answer = await this.ask((client) => client.query(...args), options).catch((error: unknown) => {
            throw isTooLong(error) ? new WorkerRefusal('too_large', error.status, error.explanation) : error;
        });
        this.nobodySince = undefined;
        return answer;
    }

    // One limit for all processes. An answer that may be long only has to be asked for within it.
    private async ask<T>(
        call: (client: WorkerCalls) => Promise<T>,
        { mayRepeat = true, mayBeLong = false } = {},
    ): Promise<T> {
        const tried = new Set<string>();
        const until = this.now() + waits.whole;
        let down: WorkerDown | undefined;
        let isElsewhere = false; // a process says that another has the job
        let hop: string | undefined; // the one URL that is followed though it is not in the list
        for (let url = this.next(tried); url !== undefined && this.now() < until; url = this.next(tried, hop)) {
            tried.add(url);
            try {
                const answer = call(this.clientOf(url)!);
                const answered = await (mayBeLong ? answer : inTime(answer, until - this.now(), url));
                this.putFirst(url);
                return answered;
            } catch (error) {
                if (error instanceof WorkerDown && (mayRepeat || error.unsent)) {
                    down ??= error;
                } else if (error instanceof WorkerRefusal && mayRepeat && this.isForeign(url, error)) {
                    down ??= new WorkerDown(`${url} is no process of this worker (HTTP ${error.status})`, error);
                } else if (error instanceof WorkerRefusal && isOfProcess(error)) {
                    isElsewhere = true;
                    if (error.url !== undefined && this.urls.includes(error.url)) {
                        this.putFirst(error.url);
                    } else {
                        hop ??= error.url;
                    }
                } else {
                    throw error;
                }
            }
        }
        throw down === undefined || isElsewhere ? this.ofNobody() : down;
    }

    // Its owner has stopped, and the others do not have it yet. A worker that says so for long does not serve the job.
    private ofNobody(): WorkerRefusal {
        this.nobodySince ??= this.now();
        const refusal = new WorkerRefusal('taking_over', 503, 'no process of the worker has the job now');
        refusal.isOverdue = this.now() - this.nobodySince > TAKEOVER_SECONDS;
        return refusal;
    }

    // Its operator named a URL that leads elsewhere. The worker itself is asked instead.
    private isForeign(url: string, { code }: WorkerRefusal): boolean {
        return code === 'unknown' && url !== this.worker;
    }

    private next(tried: ReadonlySet<string>, hop?: string): string | undefined {
        const urls = hop === undefined ? this.urls : [hop, ...this.urls];
        return tried.size > MAX_PROCESSES
            ? undefined
            : urls.find((url) => !tried.has(url) && this.clientOf(url) !== undefined);
    }

    private putFirst(url: string): void {
        if (this.urls[0] !== url) {
            this.urls = [url, ...this.urls.filter((one) => one !== url)].slice(0, MAX_PROCESSES + 1);
        }
    }
}

// A proxy before the worker has a limit of its own, and says so by a page. That is up to the query, not to the worker.
const isTooLong = (error: unknown): error is WorkerRefusal =>
    error instanceof WorkerRefusal && error.code === 'unknown' && error.status === 413;

const isOfProcess = ({ code }: WorkerRefusal) => code === 'other_process' || code === 'taking_over';

// A timer is enough: to abort a signal for each call makes an error each time.
async function inTime<T>(answer: Promise<T>, seconds: number, url: string): Promise<T> {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const late = new Promise<never>((_, reject) => {
        timer = setTimeout(() => reject(new WorkerDown(`${url} does not answer in time`)), seconds * 1000);
        (timer as { unref?: () => void }).unref?.(); // a browser's timer is a number
    });
    try {
        return await Promise.race([answer, late]);
    } finally {
        clearTimeout(timer);
    }
}
