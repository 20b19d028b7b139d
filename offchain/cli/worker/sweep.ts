/** `cocoon worker sweep`. */
import { Address } from '@ton/core';
import type { Command } from 'commander';
import { toWire, type Wire } from '../../link';
import { walletText } from '../../process/addresses';
import { askWorker, type SweepPlan, sweepOnce, type WorkerParts } from '../../worker';
import { readMoneyConfig, type WorkerConfig } from '../../worker/config';
import { print, tonText } from '../output';
import { CONFIG, type ConfigFlags, JSON_OPTION } from './options';

export function addSweep(worker: Command, parts: WorkerParts): void {
    worker
        .command('sweep')
        .description("send what the worker's wallet does not need to the owner of the provider")
        .option(...CONFIG)
        .option('--all', 'leave nothing but fees; only once all jobs and cases have ended')
        .option('--dry-run', 'say what would be sent, and send nothing')
        .option(...JSON_OPTION)
        .action(async ({ config: path, all = false, dryRun = false, json = false }: SweepFlags) => {
            const config = readMoneyConfig(path);
            const answer = await askWorker(config, dryRun ? 'GET' : 'POST', all ? '/sweep/all' : '/sweep');
            const report = answer ?? toWire(await sweepOnce(config, { isDry: dryRun, all }, parts));
            print({ json }, report, () => sweepText(report as WireReport, config));
        });
}

interface SweepFlags extends ConfigFlags {
    all?: boolean;
    dryRun?: boolean;
}

/** As JSON carries it. `sent` is absent of a plan. */
export type WireReport = Wire<SweepPlan> & { sent?: boolean };

/** A sweep, or a plan of one, for people. */
export function sweepText(
    { to, balance, keep, amount, reason, sent }: WireReport,
    { network, sweep }: Pick<WorkerConfig, 'network' | 'sweep'>,
): string {
    const isMore = sweep !== undefined && BigInt(keep) > sweep.keep && sent !== true;
    const why = isMore ? `, more than "keep" (${tonText(sweep.keep)}), for claims, answers to demands and fees` : '';
    const rest = `the wallet holds ${tonText(balance)} and keeps ${tonText(keep)}${why}`;
    if (reason !== '') {
        return `Nothing is swept: ${reason} (${rest})`;
    }
    return `${sent === true ? 'Sent' : 'A sweep sends'} ${tonText(amount)} to ${walletText(Address.parse(to), { network })}: ${rest}`;
}
