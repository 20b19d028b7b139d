/** `cocoon worker init`: from a machine with a model server to a node on chain. Run again, it goes on. */
import { formatTon } from '@cocoon-market/wrappers';
import type { Command } from 'commander';
import { DEMAND_RESERVE } from '../../worker/reserves';
import type { InitFlags } from './initFlags';
import { JSON_OPTION } from './options';
import { withOwnerFlags } from './ownerSends';

const append = (text: string, all: string[] | undefined) => [...(all ?? []), text];

export function addInit(worker: Command): void {
    const command = worker
        .command('init')
        .description('set a new node up: files, prices, stake, and what the owner has to sign; run again, it goes on')
        .option('--dir <folder>', 'where keys, worker.json and fleet.yaml go', '.')
        .option('--network <network>', 'mainnet, testnet, or the number of a network')
        .option('--endpoint <url>', "TON HTTP API v2; default: TON Center's of the network")
        .option('--api-key <key>', 'of the endpoint')
        .option('--registry <address>', 'the market')
        .option('--owner <address>', "the owner's wallet, which signs elsewhere")
        .option('--url <url>', 'where clients reach this worker; the listing names it')
        .option('--listen <host:port>', 'where the worker listens', '0.0.0.0:18090')
        .option(
            '--backend <url>',
            'model server, such as http://127.0.0.1:8000/v1, or "embedded"; default: it is found',
        )
        .option('--backend-key <file>', 'file with the API key of the model server')
        .option('--model <id[=name]>', 'a model to sell, with its name at the backend; may be repeated', append)
        .option('--gpu-model <name>', 'GPU, if no tool shows it, or the machine has several kinds')
        .option('--gpus <n>', 'number of GPUs')
        .option('--vram <gb>', 'memory of each GPU')
        .option('--gpu-class <n>', "GPU class of the market's rules; default: by memory and name")
        .option('--prompt <ton>', 'price of a million prompt tokens; a terminal shows the median of the market')
        .option('--cached <ton>', 'the same, cached; default: half of it')
        .option('--completion <ton>', 'price of a million answer tokens; a terminal shows the median of the market')
        .option('--reasoning <ton>', 'the same, of reasoning; default: as answers')
        .option('--any-price', 'also a price that is more than ten times another one of the market')
        .option('--name <name>', 'of the node in fleet.yaml', 'node-1')
        .option('--region <text>', 'of the listing', 'unknown')
        .option('--uptime <percent>', 'that the listing promises', '99')
        .option('--stake <ton>', 'stake at least so much; default: what the rules require')
        .option('--any-code', 'also add stake to a provider of a code that this release does not know')
        .option('--fund <ton>', "bring the worker's wallet up to this", formatTon(DEMAND_RESERVE))
        .option('--no-sweep', "do not send to the owner by itself what the worker's wallet does not need")
        .option('--speed <n>', 'tokens a second, for the estimate of earnings; default: one request measures it')
        .option('--start', 'run the worker once the node is on chain');
    withOwnerFlags(command, 'ask nothing: take flags and what this machine and the rules suggest; prices need flags')
        .option(...JSON_OPTION)
        .action(async (flags: InitFlags) => {
            // Loaded only now: the other commands start faster without it.
            const { initialize } = await import('./initialize');
            const files = await initialize(flags);
            if (flags.start === true && flags.print !== true) {
                await worker.parseAsync(['run', '--config', files.config], { from: 'user' });
            }
        });
}
