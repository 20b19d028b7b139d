/** The end of a run: every job is settled, every process ends as an operator ends it, and everything is compared. */
import { type Check, checkRunning, checkStores, scrapeWorkers } from './checks';
import type { Answered, LoadReport } from './load';
import { readMoney } from './money';
import { askStatus, settleAll, until } from './settle';
import type { World } from './world';

/** Ends everything but the endpoint; returns what holds and what does not. */
export async function endRun(
    world: World,
    { load, answers, tell }: { load: LoadReport; answers: readonly Answered[]; tell: (line: string) => void },
): Promise<Check[]> {
    tell('everything is settled');
    await Promise.all(world.all.map((each) => each.ready()));
    const unsettled = await settleAll(world);
    await until(async () => (await askStatus(world)).every(({ jobs }) => jobs.ending === 0));
    const checks: Check[] = [{ name: 'every job is over', breaches: unsettled }];
    checks.push(...(await checkRunning(world)));
    const money = await readMoney(world);
    const metrics = await scrapeWorkers(world);
    checks.push(await stopAll(world));
    tell('stores, chain and metrics are compared');
    checks.push(...(await checkStores(world, metrics, { load, answers, money })));
    return checks;
}

/** Ends gateways, workers and model server as an operator does. */
async function stopAll({ processes, gateways, workers }: World): Promise<Check> {
    const breaches: string[] = [];
    for (const { name } of [...gateways, ...workers.flatMap((worker) => worker.processes)]) {
        const code = await processes[name].stop();
        breaches.push(...(code === 0 ? [] : [`${name} ended with ${code}`]));
    }
    await processes.backend.stop();
    return { name: 'processes end when they are told to', breaches };
}
