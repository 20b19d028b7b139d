/** Sessions of jobs with their workers. */
import type { JobState } from '../link';
import type { GatewayJob } from './job';
import type { Nodes } from './nodes';

/** Shows jobs to their workers, each once at a time, because a worker keeps only the newest session of a job. */
export class Sessions {
    private readonly opening = new Map<number, Promise<JobState>>();

    constructor(private readonly nodes: Nodes) {}

    /**
     * Begins a session and takes over what the worker knows better.
     *
     * @throws NodeUnfit, WorkerRefusal, WorkerDown, or an Error of the chain
     */
    open(job: GatewayJob): Promise<JobState> {
        let opening = this.opening.get(job.number);
        if (opening === undefined) {
            opening = this.nodes
                .sealingKey(job.stored.worker, job.terms)
                .then(({ key, until }) => job.register(key, until))
                .finally(() => this.opening.delete(job.number));
            this.opening.set(job.number, opening);
        }
        return opening;
    }
}
