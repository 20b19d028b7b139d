/** `cocoon worker leave`. */
import type { Command } from 'commander';
import type { WorkerParts } from '../../worker';
import type { LeaveFlags } from './leaveMarket';
import { CONFIG, JSON_OPTION } from './options';
import { withOwnerFlags } from './ownerSends';

export function addLeave(worker: Command, parts: WorkerParts): void {
    const command = worker
        .command('leave')
        .description('take the node out of the market: end its jobs, close it, sweep the wallet; run again, it goes on')
        .option(...CONFIG)
        .option('--now', 'close the node although jobs are open: clients stop to pay them')
        .option('--unbond', 'also ask for the stake that no node requires');
    withOwnerFlags(command)
        .option(...JSON_OPTION)
        .action(async (flags: LeaveFlags) => {
            const { leaveMarket } = await import('./leaveMarket');
            await leaveMarket(flags, parts);
        });
}
