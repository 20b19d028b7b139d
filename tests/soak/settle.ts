/** The end of a soak: every job is settled, as a client and an owner do it who stop. */
import { setTimeout as sleep } from 'node:timers/promises';
import { askGateway } from '../../offchain/cli/gatewayClient';
import { jobView, type JobView } from '../../offchain/gateway/views';
import { askWorker } from '../../offchain/worker/admin';
import { JOB, type World } from './world';

const POLL_MS = 500;
const SETTLE_SECONDS = 90;
const OVER = ['ended', 'failed'];
const PHASES = ['ordered', 'open', 'settling', 'leaving', 'settled', 'failed', 'ended']; // in their order

/** The rows of all jobs of the gateways: each job once, as the gateway says that has it further. */
export async function jobsOf({ gateways }: World): Promise<JobView[]> {
    const lists = await Promise.all(gateways.map(({ url }) => askGateway(url, 'GET', '/admin/jobs')));
    const jobs = new Map<number, JobView>();
    for (const view of lists.flatMap((list) => jobView.array().parse(list))) {
        const other = jobs.get(view.job);
        if (other === undefined || PHASES.indexOf(view.phase) > PHASES.indexOf(other.phase)) {
            jobs.set(view.job, view);
        }
    }
    return [...jobs.values()];
}

/** {@link jobsOf}, also if a process ends meanwhile and is started again. */
async function lastJobs(world: World): Promise<JobView[]> {
    let jobs: JobView[] | undefined;
    await until(async () => (jobs = await jobsOf(world)) !== undefined);
    if (jobs === undefined) {
        throw new Error('The gateways do not list their jobs');
    }
    return jobs;
}

/**
 * Settles every job, claims what is left, lets the notice pass and takes the refunds. Resolves when no job runs on
 * either side, or with those that do after a while.
 */
export async function settleAll(world: World): Promise<string[]> {
    const { gateways, network, workers } = world;
    // Undefined when no gateway has done it: it is asked again below.
    const end = async (name: string, { job }: JobView): Promise<unknown> => {
        const ask = ({ url }: { url: string }) => askGateway(url, 'POST', `/admin/jobs/${job}/${name}`);
        return Promise.any(gateways.map(ask)).catch(() => undefined);
    };
    await until(async () => {
        const jobs = (await jobsOf(world)).filter(({ phase }) => !OVER.includes(phase) && phase !== 'leaving');
        await Promise.all(jobs.map((job) => end('settle', job)));
        return jobs.length === 0;
    });
    const claims = workers.flatMap(({ processes }) =>
        processes.map(({ address }) => until(async () => (await askWorker(address, 'POST', '/claim')) !== undefined)),
    );
    await Promise.all(claims);
    const leaving = (await lastJobs(world)).filter(({ phase }) => phase === 'leaving');
    if (leaving.length > 0) {
        // The notice begins with the order on chain.
        const orders = leaving.map((job) => until(async () => (await end('leave', job)) !== undefined));
        await Promise.all(orders);
        await network.advance(JOB.notice + 60);
        await until(async () => {
            const jobs = (await jobsOf(world)).filter(({ phase }) => !OVER.includes(phase));
            await Promise.all(jobs.map((job) => end('refund', job)));
            return jobs.length === 0;
        });
    }
    return (await lastJobs(world))
        .filter(({ phase }) => !OVER.includes(phase))
        .map(({ job, phase, note }) => `job ${job} is ${phase} (${note})`);
}

/** What the processes of the workers say of themselves. */
export async function askStatus({ workers }: World): Promise<{ jobs: Record<string, number> }[]> {
    const answers = workers.flatMap(({ processes }) =>
        processes.map(({ address }) => askWorker(address, 'GET', '/status')),
    );
    return (await Promise.all(answers)) as { jobs: Record<string, number> }[];
}

/** Asks again until it holds, for a while. */
export async function until(holds: () => Promise<boolean>): Promise<boolean> {
    for (let poll = 0; poll < (SETTLE_SECONDS * 1000) / POLL_MS; poll++) {
        if (await holds().catch(() => false)) {
            return true;
        }
        await sleep(POLL_MS);
    }
    return false;
}
