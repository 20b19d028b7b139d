/** `cocoon worker pause`, `resume`, `drain` and `reload`. */
import type { Command } from 'commander';
import { setTimeout as sleep } from 'node:timers/promises';
import type { IntakeMode } from '../../store/worker';
import { askWorker, type IntakeView, setIntakeOnce, type WorkerParts } from '../../worker';
import { readMoneyConfig } from '../../worker/config';
import { print, tonText } from '../output';
import { CONFIG, type ConfigFlags, JSON_OPTION } from './options';

const WAIT_MS = 2000;

export function addIntake(worker: Command, parts: WorkerParts): void {
    const add = (name: string, description: string) =>
        worker
            .command(name)
            .description(description)
            .option(...CONFIG)
            .option(...JSON_OPTION);
    const change = async ({ config: path }: ConfigFlags, name: string, mode: IntakeMode): Promise<IntakeView> => {
        const config = readMoneyConfig(path);
        const answer = await askWorker(config, 'POST', `/${name}`);
        return answer === undefined ? setIntakeOnce(config, mode, parts) : viewOf(answer);
    };
    add('pause', 'take no new jobs and queries, also after a restart; running queries go on').action(
        async (flags: ConfigFlags) => print(flags, await change(flags, 'pause', 'paused'), progressText),
    );
    add('resume', 'take new jobs and queries again').action(async (flags: ConfigFlags) =>
        print(flags, await change(flags, 'resume', 'open'), progressText),
    );
    add('drain', 'take no new jobs and queries, and claim and end the jobs; waits until nothing is left to claim')
        .option('--no-wait', 'return at once; the worker goes on')
        .action(async (flags: ConfigFlags & { wait: boolean }) => {
            let view = await change(flags, 'drain', 'draining');
            const { store } = readMoneyConfig(flags.config);
            while (flags.wait && !isDrained(view)) {
                console.error(progressText(view));
                await sleep(WAIT_MS);
                const answer = await askWorker({ store }, 'GET', '/intake');
                if (answer === undefined) {
                    throw new Error('The worker does not run: start it, and it goes on to drain');
                }
                view = viewOf(answer);
            }
            print(flags, view, progressText);
        });
    add('reload', 'have the running worker read the offers and prices of its configuration again').action(
        async ({ config: path, json = false }: ConfigFlags) => {
            const answer = await askWorker(readMoneyConfig(path), 'POST', '/reload');
            if (answer === undefined) {
                throw new Error('The worker does not run; it reads its configuration when it starts');
            }
            print({ json }, answer, (value) => {
                const { offers, restart } = value as { offers: string[]; restart: string[] };
                const later = restart.length > 0 ? `\nOnly with a restart: ${restart.join(', ')}` : '';
                return `Changed offers: ${offers.join(', ') || 'none'}${later}`;
            });
        },
    );
}

/** True once no query runs, and no job has vouchers that are worth a claim. */
const isDrained = ({ running, openJobs, claimableJobs }: IntakeView): boolean =>
    running === 0 && openJobs === 0 && claimableJobs === 0;

const viewOf = (answer: unknown): IntakeView => {
    const view = answer as Omit<IntakeView, 'unclaimed'> & { unclaimed: string };
    return { ...view, unclaimed: BigInt(view.unclaimed) };
};

function progressText(value: object): string {
    const { intake, running, openJobs, endingJobs, unclaimed } = value as IntakeView;
    const jobs = `${openJobs} open and ${endingJobs} ending jobs`;
    return `The worker is ${intake}: ${running} running queries, ${jobs}, ${tonText(unclaimed)} unclaimed`;
}
