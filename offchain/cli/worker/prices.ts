/** `cocoon worker prices`. */
import type { Command } from 'commander';
import type { PriceFlags } from './changePrices';
import { CONFIG, JSON_OPTION } from './options';
import { withOwnerFlags } from './ownerSends';

export function addPrices(worker: Command): void {
    const command = worker
        .command('prices')
        .description('show prices, or change them: on chain, in the manifest and in the running worker, in this order')
        .option(...CONFIG)
        .option('--model <id>', 'whose prices change; needed if the node sells several')
        .option('--prompt <ton>', 'TON per million tokens of prompts')
        .option('--cached <ton>', 'the same, cached')
        .option('--completion <ton>', 'TON per million tokens of answers')
        .option('--reasoning <ton>', 'the same, of reasoning')
        .option('--continue', 'finish a change that was interrupted, or bring what the manifest says onto the chain')
        .option('--discard', 'give up a change that is not finished')
        .option('--any-price', 'also a price that is more than ten times the present one, or less than a tenth');
    withOwnerFlags(command)
        .option(...JSON_OPTION)
        .action(async (flags: PriceFlags) => {
            const { changePrices } = await import('./changePrices');
            await changePrices(flags);
        });
}
