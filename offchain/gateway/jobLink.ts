/**
 * The way to the process of a worker that has a job. A worker may be several processes, and says where they are. A job
 * is asked of its owner; if that does not answer, the others know who has the job now.
 */
import { MAX_PROCESSES } from '../link';
import type { JobState, NodeInfo } from '../link';
import { type WorkerClient, WorkerDown, WorkerRefusal } from './workers';

/** The client of a process at a URL; undefined if no worker may be there. */
export type ProcessClients = (url: string) => WorkerClient | undefined;

type Calls = Pick<WorkerClient, 'node' | 'job' | 'register' | 'voucher' | 'end' | 'query' | 'stored'>;

/** The calls of a {@link WorkerClient} about one job. */
export class JobLink implements Calls {
    private urls: string[]; // the one that answered last comes first

    /** `worker`: its URL on chain. `processes`: what it said of its processes before. */
    constructor(
        private readonly worker: string,
        processes: readonly string[],
        private readonly clientOf: ProcessClients,
    ) {
        this.urls = [...new Set([...processes, worker])];
    }

    node(): Promise<NodeInfo> {
        return this.ask((client) => client.node());
    }

    job(...args: Parameters<WorkerClient['job']>): Promise<JobState> {
        return this.ask((client) => client.job(...args));
    }

    async register(...args: Parameters<WorkerClient['register']>): Promise<JobState> {
        const state = await this.ask((client) => client.register(...args));
        if (state.processes.length > 0) {
            this.urls = [...new Set([...state.processes, this.worker])];
        }
        return state;
    }

    voucher(...args: Parameters<WorkerClient['voucher']>): ReturnType<WorkerClient['voucher']> {
        return this.ask((client) => client.voucher(...args));
    }

    end(...args: Parameters<WorkerClient['end']>): ReturnType<WorkerClient['end']> {
        return this.ask((client) => client.end(...args));
    }

    stored(...args: Parameters<WorkerClient['stored']>): ReturnType<WorkerClient['stored']> {
        return this.ask((client) => client.stored(...args));
    }

    /** A process that may have read the query is the only one that gets it. */
    query(...args: Parameters<WorkerClient['query']>): ReturnType<WorkerClient['query']> {
        return this.ask((client) => client.query(...args), { mayRepeat: false });
    }

    private async ask<T>(call: (client: WorkerClient) => Promise<T>, { mayRepeat = true } = {}): Promise<T> {
        const tried = new Set<string>();
        let down: WorkerDown | undefined;
        let isElsewhere = false; // a process says that another has the job
        for (let url = this.next(tried); url !== undefined; url = this.next(tried)) {
            tried.add(url);
            try {
                const answer = await call(this.clientOf(url)!);
                this.putFirst(url);
                return answer;
            } catch (error) {
                if (error instanceof WorkerDown && (mayRepeat || error.unsent)) {
                    down ??= error;
                } else if (error instanceof WorkerRefusal && isOfProcess(error)) {
                    isElsewhere = true;
                    if (error.url !== undefined && !tried.has(error.url)) {
                        this.putFirst(error.url);
                    }
                } else {
                    throw error;
                }
            }
        }
        // Its owner has stopped, and the others do not have it yet.
        throw down === undefined || isElsewhere
            ? new WorkerRefusal('taking_over', 503, 'no process of the worker has the job now')
            : down;
    }

    private next(tried: ReadonlySet<string>): string | undefined {
        return tried.size > MAX_PROCESSES
            ? undefined
            : this.urls.find((url) => !tried.has(url) && this.clientOf(url) !== undefined);
    }

    private putFirst(url: string): void {
        if (this.urls[0] !== url) {
            this.urls = [url, ...this.urls.filter((one) => one !== url)].slice(0, MAX_PROCESSES + 1);
        }
    }
}

const isOfProcess = ({ code }: WorkerRefusal) => code === 'other_process' || code === 'taking_over';
