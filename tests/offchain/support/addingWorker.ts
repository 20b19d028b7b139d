/**
 * A process that opens the worker store of its argument and adds jobs, until it may not. It prints the hash of each job
 * once that is on the disk, and kills itself when the store is broken.
 */
import { openWorkerStore } from '../../../offchain/store/open';
import { newJob } from '../store/conformance';

async function main(url: string): Promise<void> {
    const store = await openWorkerStore(url, { onBroken: () => process.kill(process.pid, 'SIGKILL') });
    for (;;) {
        const job = newJob();
        await store.jobs.add(job);
        console.log(job.job.toString('hex'));
        await new Promise((resolve) => setTimeout(resolve, 5));
    }
}

void main(process.argv[2]);
