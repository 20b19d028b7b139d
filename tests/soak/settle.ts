/** The end of a soak: every job is settled, as a client and an owner do it who stop. */
import { setTimeout as sleep } from 'node:timers/promises';
import { askGateway } from '../../offchain/cli/gatewayClient';
import { jobView, type JobView } from '../../offchain/gateway/views';
import { askWorker } from '../../offchain/worker/admin';
import { JOB, type World } from './world';

const POLL_MS = 500;
const SETTLE_SECONDS = 90;
const OVER = ['ended', 'failed'];

/** The rows of all jobs of the gateway. */
export async function jobsOf({ gatewayUrl }: World): Promise<JobView[]> {
    return jobView.array().parse(await askGateway(gatewayUrl, 'GET', '/admin/jobs'));
}

/**
 * Settles every job, claims what is left, lets the notice pass and takes the refunds. Resolves when no job runs on
 * either side, or with those that do after a while.
 */
export async function settleAll(world: World): Promise<string[]> {
    const { gatewayUrl, network, workers } = world;
    const end = (name: string, { job }: JobView) =>
        askGateway(gatewayUrl, 'POST', `/admin/jobs/${job}/${name}`).catch(() => undefined); // asked again below
    await until(async () => {
        const jobs = (await jobsOf(world)).filter(({ phase }) => !OVER.includes(phase) && phase !== 'leaving');
        await Promise.all(jobs.map((job) => end('settle', job)));
        return jobs.length === 0;
    });
    await Promise.all(workers.map(({ store }) => askWorker(store, 'POST', '/claim')));
    const leaving = (await jobsOf(world)).filter(({ phase }) => phase === 'leaving');
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
    return (await jobsOf(world))
        .filter(({ phase }) => !OVER.includes(phase))
        .map(({ job, phase, note }) => `job ${job} is ${phase} (${note})`);
}

/** What both workers say of themselves. */
export async function askStatus({ workers }: World): Promise<{ jobs: Record<string, number> }[]> {
    const answers = workers.map(({ store }) => askWorker(store, 'GET', '/status'));
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
