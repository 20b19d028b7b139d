/** `cocoon worker status`. */
import type { Command } from 'commander';
import { askWorker, statusOnce, type WorkerParts } from '../../worker';
import { readMoneyConfig } from '../../worker/config';
import { print } from '../output';
import { CONFIG, type ConfigFlags, JSON_OPTION } from './options';

export function addStatus(worker: Command, parts: WorkerParts): void {
    worker
        .command('status')
        .description('jobs, earnings and wallet, of the running worker or of its store')
        .option(...CONFIG)
        .option(...JSON_OPTION)
        .action(async ({ config: path, json = false }: ConfigFlags) => {
            const config = readMoneyConfig(path);
            const answer = await askWorker(config.store, 'GET', '/status');
            const status = answer ?? (await statusOnce(config, parts));
            print({ json }, { state: answer === undefined ? 'stopped' : 'serving', ...status });
        });
}
