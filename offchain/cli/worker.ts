/** `cocoon worker`: what a provider runs. */
import { GLOBAL_IDS, isTestOnly, signingKey } from '@cocoon-market/wrappers';
import { HotWallet } from '../chain';
import { encryptionKey } from '../link';
import { askWorker, claimOnce, restoreStore, serveAdmin, startWorker, statusOnce, type WorkerParts } from '../worker';
import { readKeys, readWorkerConfig, type WorkerConfig, writeKeys } from '../worker/config';
import { tellFailure } from './failure';
import { KEEP, readOrMake, type KeygenFlags } from './keygen';
import { print } from './output';
import { stopRequested } from './stop';
import { Command, InvalidArgumentError } from 'commander';

const CONFIG = ['--config <file>', 'JSON file with the settings of the worker', 'worker.json'] as const;
const JSON_OPTION = ['--json', 'print one line of JSON'] as const;

/** The command with its subcommands; `parts` take the place of those that the configuration names. */
export function workerCommand(parts: WorkerParts = {}): Command {
    const command = new Command('worker');

    command
        .command('run')
        .description('serve until SIGTERM or SIGINT; prints the URL once it listens')
        .option(...CONFIG)
        .action(async ({ config }: { config: string }) => run(readWorkerConfig(config), parts));

    command
        .command('keygen')
        .description('make the keys of a new node in a file that only you can read')
        .requiredOption('--out <file>', 'the file to make; never over one that exists')
        .option(
            '--network <id>',
            'network that the printed wallet address is for: -239 mainnet, -3 testnet',
            networkOf,
            GLOBAL_IDS.mainnet,
        )
        .option(...KEEP)
        .option(...JSON_OPTION)
        .action(async ({ network, json = false, ...flags }: KeygenFlags & { network: number; json?: boolean }) => {
            const seeds = readOrMake(flags, readKeys, writeKeys);
            const wallet = new HotWallet({ network } as never, seeds.wallet);
            print(
                { json },
                {
                    receiptKey: signingKey(seeds.receiptKey).publicKey,
                    encryptionKey: (await encryptionKey(seeds.encryptionKey)).publicKey,
                    wallet: wallet.address.toString({ testOnly: isTestOnly(network), bounceable: false }),
                },
            );
        });

    command
        .command('claim')
        .description('claim everything that vouchers promise, whatever the threshold')
        .option(...CONFIG)
        .option(...JSON_OPTION)
        .action(async ({ config: path, json = false }: { config: string; json?: boolean }) => {
            const config = readWorkerConfig(path);
            print({ json }, (await askWorker(config.store, 'POST', '/claim')) ?? (await claimOnce(config, parts)));
        });

    command
        .command('status')
        .description('jobs, earnings and wallet, of the running worker or of its store')
        .option(...CONFIG)
        .option(...JSON_OPTION)
        .action(async ({ config: path, json = false }: { config: string; json?: boolean }) => {
            const config = readWorkerConfig(path);
            const answer = await askWorker(config.store, 'GET', '/status');
            const status = answer ?? (await statusOnce(config, parts));
            print({ json }, { state: answer === undefined ? 'stopped' : 'serving', ...status });
        });

    command
        .command('restore')
        .description('put a backup in the place of the store, and make the new receipt key that it must be used with')
        .option(...CONFIG)
        .option('--backup <file>', 'copy of an earlier store; without it the node begins with an empty one')
        .requiredOption('--out <file>', 'the file to make for the new keys; it must not exist')
        .option(...JSON_OPTION)
        .action(async ({ config: path, backup, out, json = false }: RestoreFlags) => {
            const restored = await restoreStore(readWorkerConfig(path), { backup, keyFile: out });
            print({ json }, restored);
            if (!json) {
                console.log(RESTORED);
            }
        });

    return command;
}

function networkOf(text: string): number {
    if (!/^-?\d{1,10}$/.test(text)) {
        throw new InvalidArgumentError('a network is a whole number, -239 or -3');
    }
    return Number(text);
}

interface RestoreFlags {
    config: string;
    backup?: string;
    out: string;
    json?: boolean;
}

const RESTORED = `
The old receipt key signs no more with this store: it may have signed what the backup does not know. Now
1. put the new receipt key on chain, at the node;
2. name the new key file as keyFile in the config;
3. start the worker. It serves new jobs. Of the jobs in the backup it takes and claims vouchers, and signs nothing.
Vouchers that came after the backup are in the replaced store if that can be read, and with the clients.`;

async function run(config: WorkerConfig, parts: WorkerParts): Promise<void> {
    const worker = await startWorker(config, parts);
    const admin = await serveAdmin(config.store, worker);
    console.log(worker.url);
    try {
        await Promise.race([stopRequested(), worker.failed]);
    } catch (error) {
        console.error(`The worker stops: ${tellFailure(error)}`);
        process.exit(1); // at once: nothing may be sent on top of what the disk did not take
    }
    admin?.close();
    await worker.close();
}
