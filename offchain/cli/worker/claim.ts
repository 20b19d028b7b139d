/** `cocoon worker claim`. */
import type { Command } from 'commander';
import { askWorker, claimOnce, type WorkerParts } from '../../worker';
import { readMoneyConfig } from '../../worker/config';
import { print } from '../output';
import { CONFIG, type ConfigFlags, JSON_OPTION } from './options';

export function addClaim(worker: Command, parts: WorkerParts): void {
    worker
        .command('claim')
        .description('claim everything that vouchers promise, whatever the threshold')
        .option(...CONFIG)
        .option(...JSON_OPTION)
        .action(async ({ config: path, json = false }: ConfigFlags) => {
            const config = readMoneyConfig(path);
            print({ json }, (await askWorker(config.store, 'POST', '/claim')) ?? (await claimOnce(config, parts)));
        });
}
