/** `cocoon worker claim`. */
import type { Command } from 'commander';
import { askWorker, claimOnce, type WorkerParts } from '../../worker';
import type { ClaimReport } from '../../worker/claimSender';
import { readMoneyConfig } from '../../worker/config';
import { lines, print, tonText } from '../output';
import { CONFIG, type ConfigFlags, JSON_OPTION } from './options';

export function addClaim(worker: Command, parts: WorkerParts): void {
    worker
        .command('claim')
        .description('claim everything that vouchers promise, whatever the threshold')
        .option(...CONFIG)
        .option(...JSON_OPTION)
        .action(async ({ config: path, json = false }: ConfigFlags) => {
            const config = readMoneyConfig(path);
            const answer = await askWorker(config, 'POST', '/claim');
            const report = (answer ?? (await claimOnce(config, parts))) as ClaimReport; // amounts of an answer are text
            print({ json }, report, () => lines({ ...report, amount: tonText(report.amount) }));
        });
}
