/** `cocoon worker keygen`. */
import { GLOBAL_IDS, signingKey } from '@cocoon-market/wrappers';
import { type Command, InvalidArgumentError } from 'commander';
import { HotWallet } from '../../chain';
import { encryptionKey } from '../../link';
import { readKeys, writeKeys } from '../../worker/config';
import { KEEP, type KeygenFlags, readOrMake } from '../keygen';
import { print } from '../output';
import { walletText } from '../../process/addresses';
import { JSON_OPTION } from './options';

export function addKeygen(worker: Command): void {
    worker
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
                    wallet: walletText(wallet.address, { network }),
                },
            );
        });
}

function networkOf(text: string): number {
    if (!/^-?\d{1,10}$/.test(text)) {
        throw new InvalidArgumentError('a network is a whole number, -239 or -3');
    }
    return Number(text);
}
