/**
 * What commands that act on chain share: the network a config names, the wallet that pays, and a question before it
 * does.
 */
import { Actor, isTestOnly, readAddress, seedOfWords } from '@cocoon-market/wrappers';
import { Address, type Sender } from '@ton/core';
import { Command, Option } from 'commander';
import { z } from 'zod';
import { Chain, HotWallet, TonHttpChain } from '../chain';
import { walletText } from '../process/addresses';
import { chainFields } from '../process/fields';
import { readSecret, seedOf } from '../process/keyFiles';
import { readJsonAs } from '../process/settings';
import { tonText } from './output';
import { Questions } from './question';

const TENTH = 10n;

export interface ActFlags {
    config: string;
    wallet?: string;
    yes?: boolean;
    dryRun?: boolean;
    json?: boolean;
}

/** Options of a command that reads the chain. */
export function reading(command: Command): Command {
    return command
        .option('--config <file>', "a gateway's or a worker's configuration: it names the chain", 'gateway.json')
        .option('--json', 'print JSON, amounts in nanoTON');
}

/** Options of a command that sends. */
export function acting(command: Command): Command {
    return reading(command)
        .addOption(
            new Option('--wallet <file>', 'v5r1 wallet that pays: 24 words, or a seed as 64 hex digits; mode 0600').env(
                'COCOON_WALLET',
            ),
        )
        .option('--dry-run', 'say what would be sent, and send nothing')
        .option('--yes', 'do not ask before sending');
}

const settings = z.object(chainFields);

/** The chain that a configuration names. */
export function chainOf(config: string): TonHttpChain {
    const absent = 'name a configuration of gateway or worker with --config';
    return new TonHttpChain(readJsonAs(settings, config, 'configuration', absent));
}

/** An address that a command was given, of this chain's network. Throws an Error that says what is wrong with it. */
export function addressOn({ network }: Chain, text: string): Address {
    return readAddress(text, { testOnly: isTestOnly(network) });
}

/** The wallet of a file with 24 words or a seed. Throws if others may read it, or it holds something else. */
export async function walletOf(chain: Chain, path: string | undefined): Promise<HotWallet> {
    if (path === undefined) {
        throw new Error('Name the wallet that pays with --wallet FILE');
    }
    const text = readSecret(path);
    const seed = seedOf(text);
    if (seed !== undefined) {
        return new HotWallet(chain, seed);
    }
    if (!/\s/.test(text)) {
        throw new Error(`${path} holds neither 24 words nor a seed of 64 hex digits`);
    }
    const ofWords = await seedOfWords(text).catch((error: Error) => {
        throw new Error(`${path}: ${error.message}`, { cause: error });
    });
    return new HotWallet(chain, ofWords);
}

/**
 * Sends what `action` sends, once the user agreed to `attached` nanoTON; false for a dry run. Throws when the user does
 * not, the wallet does not hold so much, or the action sends more.
 */
export async function send(
    chain: Chain,
    { wallet: path, dryRun = false, yes = false }: ActFlags,
    attached: bigint,
    action: (actor: Actor) => Promise<unknown>,
): Promise<boolean> {
    if (dryRun) {
        return false;
    }
    const wallet = await walletOf(chain, path);
    if ((await wallet.balance()) < attached) {
        throw new Error(`The wallet ${walletText(wallet.address, chain)} holds less than ${tonText(attached)}`);
    }
    await new Questions(yes).agree(`Send ${tonText(attached)} from ${walletText(wallet.address, chain)}?`);
    await action({ sender: upTo(attached, wallet.sender()), open: (contract) => chain.open(contract) });
    return true;
}

/** A sender that sends no more than the user agreed to. The action asks the chain again for what to attach. */
function upTo(agreed: bigint, sender: Sender): Sender {
    let remaining = agreed + agreed / TENTH; // rent may have grown meanwhile
    return {
        ...sender,
        send: async (message) => {
            remaining -= message.value;
            if (remaining < 0n) {
                throw new Error(
                    `The chain now asks for more than the ${tonText(agreed)} that you agreed to: nothing was sent`,
                );
            }
            await sender.send(message);
        },
    };
}
