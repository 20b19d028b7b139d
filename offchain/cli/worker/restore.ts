/** `cocoon worker restore`. */
import type { Command } from 'commander';
import { restoreStore } from '../../worker';
import { readMoneyConfig } from '../../worker/config';
import { print } from '../output';
import { CONFIG, type ConfigFlags, JSON_OPTION } from './options';

export function addRestore(worker: Command): void {
    worker
        .command('restore')
        .description('put a backup in the place of the store, and make the new receipt key that it must be used with')
        .option(...CONFIG)
        .option('--backup <file>', 'copy of an earlier store; without it the node begins with an empty one')
        .requiredOption('--out <file>', 'the file to make for the new keys; it must not exist')
        .option(...JSON_OPTION)
        .action(async ({ config: path, backup, out, json = false }: RestoreFlags) => {
            const restored = await restoreStore(readMoneyConfig(path), { backup, keyFile: out });
            print({ json }, restored);
            if (!json) {
                console.log(RESTORED);
            }
        });
}

interface RestoreFlags extends ConfigFlags {
    backup?: string;
    out: string;
}

const RESTORED = `
The old receipt key signs no more with this store: it may have signed what the backup does not know. Now
1. put the new receipt key on chain, at the node;
2. name the new key file as keyFile in the config;
3. start the worker. It serves new jobs. Of the jobs in the backup it takes and claims vouchers, and signs nothing.
Vouchers that came after the backup are in the replaced store if that can be read, and with the clients.`;
