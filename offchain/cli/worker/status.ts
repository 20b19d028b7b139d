/** `cocoon worker status`. */
import { type Command, InvalidArgumentError } from 'commander';
import { setTimeout as sleep } from 'node:timers/promises';
import { toWire } from '../../link';
import { askWorker, statusOnce, type WorkerParts } from '../../worker';
import { readMoneyConfig, type WorkerConfig } from '../../worker/config';
import { tellFailure } from '../failure';
import { print } from '../output';
import { CONFIG, type ConfigFlags, JSON_OPTION } from './options';
import { statusText, type WireStatus } from './statusText';
import { forTerminal } from '../../process/terminal';

const CLEAR = '\x1b[2J\x1b[H'; // of a terminal: the whole screen, from its top
const WATCH_SECONDS = 2;

interface StatusFlags extends ConfigFlags {
    watch?: true | number;
}

export function addStatus(worker: Command, parts: WorkerParts): void {
    worker
        .command('status')
        .description('earnings, models, jobs, clients, wallet, cases and alerts, of the running worker or of its store')
        .option(...CONFIG)
        .option('--watch [seconds]', 'show it again and again, every 2 seconds or as often as this says', secondsOf)
        .option(...JSON_OPTION)
        .action(async ({ config: path, json = false, watch }: StatusFlags) => {
            const config = readMoneyConfig(path);
            const show = async (begin = '') => {
                const status = await readStatus(config, parts);
                process.stdout.write(json ? '' : begin);
                print({ json }, status, () => statusText(status, config));
            };
            if (watch === undefined) {
                await show();
                return;
            }
            const begin = process.stdout.isTTY ? CLEAR : '';
            for (;;) {
                await show(begin).catch((error: unknown) => console.error(forTerminal(tellFailure(error))));
                await sleep((watch === true ? WATCH_SECONDS : watch) * 1000);
            }
        });
}

async function readStatus(config: WorkerConfig, parts: WorkerParts): Promise<WireStatus> {
    const answer = await askWorker(config, 'GET', '/status');
    const status = answer ?? toWire(await statusOnce(config, parts));
    return { state: answer === undefined ? 'stopped' : 'serving', ...(status as Omit<WireStatus, 'state'>) };
}

function secondsOf(text: string): number {
    const seconds = Number(text);
    if (!(seconds >= 1 && seconds <= 3600)) {
        throw new InvalidArgumentError('a number of seconds from 1 to 3600');
    }
    return seconds;
}
