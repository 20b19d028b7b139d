/** `cocoon worker sweep`. */
import type { Command } from 'commander';
import { toWire } from '../../link';
import { askWorker, sweepOnce, type WorkerParts } from '../../worker';
import { readMoneyConfig } from '../../worker/config';
import { print, tonText } from '../output';
import { CONFIG, type ConfigFlags, JSON_OPTION } from './options';

export function addSweep(worker: Command, parts: WorkerParts): void {
    worker
        .command('sweep')
        .description("send what the worker's wallet does not need to the owner of the provider")
        .option(...CONFIG)
        .option('--dry-run', 'say what would be sent, and send nothing')
        .option(...JSON_OPTION)
        .action(async ({ config: path, dryRun = false, json = false }: ConfigFlags & { dryRun?: boolean }) => {
            const config = readMoneyConfig(path);
            const answer = await askWorker(config.store, dryRun ? 'GET' : 'POST', '/sweep');
            const report = (answer ?? toWire(await sweepOnce(config, { isDry: dryRun }, parts))) as WireReport;
            print({ json }, report, () => textOf(report));
        });
}

/** As JSON carries it: amounts are decimal strings. `sent` is absent of a plan. */
interface WireReport {
    to: string;
    balance: string;
    keep: string;
    amount: string;
    reason: string;
    sent?: boolean;
}

function textOf({ to, balance, keep, amount, reason, sent }: WireReport): string {
    const rest = `the wallet holds ${tonText(balance)} and keeps ${tonText(keep)}`;
    if (reason !== '') {
        return `Nothing is swept: ${reason} (${rest})`;
    }
    return `${sent === true ? 'Sent' : 'A sweep sends'} ${tonText(amount)} to ${to}: ${rest}`;
}
