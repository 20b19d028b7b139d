/** How commands of the provider's owner get messages onto the chain: signed here, or printed and waited for. */
import type { Address } from '@ton/core';
import { rmSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Command } from 'commander';
import { Option } from 'commander';
import { HotWallet, type TonHttpChain, type Transfer } from '../../chain';
import { walletText } from '../../process/addresses';
import { Remedied } from '../../process/errors';
import { isOnThisMachine } from '../../process/publicAddress';
import { writeWhole } from '../../setup/files';
import { isShort, messageLine, printedMessage, tonConnectRequest, transferLink } from '../../setup/ownerOrder';
import { walletOf } from '../actor';
import { tonText } from '../output';
import { Questions } from '../question';
import { readFlag, wholeFrom } from './initFlags';

/** The flags of a command that the owner signs. */
export interface OwnerFlags {
    wallet?: string;
    wait: string;
    print?: boolean;
    yes?: boolean;
    json?: boolean;
}

/** Adds them. `yes` says what "--yes" does. */
export function withOwnerFlags(command: Command, yes = 'send without asking'): Command {
    return command
        .addOption(new Option('--wallet <file>', "the owner's wallet (v5r1): words or seed").env('COCOON_WALLET'))
        .option('--wait <seconds>', "how long to wait for each of the owner's signatures", '1800')
        .option('--print', 'print what the owner has to sign next, and stop')
        .option('--yes', yes);
}

const SIGN_SECONDS = 600; // in which a request to the owner's wallet is valid
/** nanoTON that an order may cost besides what it carries. */
export const FEES = 50_000_000n;
const MAX_MESSAGES = 4; // that any wallet takes in one request

/** The wallet whose key is on this machine; undefined if none is named. Throws unless it is one of `allowed`. */
export async function senderOf(
    chain: TonHttpChain,
    { wallet: file }: OwnerFlags,
    allowed: readonly { role: string; address: Address | null }[],
): Promise<HotWallet | undefined> {
    const wallet = file === undefined ? undefined : await walletOf(chain, file);
    if (wallet !== undefined && !allowed.some(({ address }) => address?.equals(wallet.address) === true)) {
        const names = allowed.flatMap(({ role, address }) =>
            address === null ? [] : `${role} ${walletText(address, chain)}`,
        );
        throw new Remedied(
            `The wallet ${walletText(wallet.address, chain)} may not do this: it takes ${names.join(' or ')}`,
        );
    }
    return wallet;
}

/** The folder of a configuration. */
export const folderOf = ({ config }: { config: string }): string => dirname(resolve(config));

/** Messages to send, and how to see that they have arrived. */
export interface OwnerOrder {
    owner: Address;
    wallet: HotWallet | undefined;
    messages: readonly Transfer[];
    folder: string; // for the request to a wallet elsewhere
    arrived: () => Promise<boolean>;
    /** Called before the wallet on this machine sends, with the chain's time. */
    beforeSend?: (at: number) => void;
}

/**
 * Sends messages, or prints them and waits until they have arrived. False if they were only printed.
 * @throws {Remedied} if the owner does not agree, lacks the money, or nothing arrives in time
 */
export async function sendAsOwner(chain: TonHttpChain, order: OwnerOrder, flags: OwnerFlags): Promise<boolean> {
    const { owner, wallet, messages, arrived, beforeSend } = order;
    const { json = false, print = false, yes = false } = flags;
    const seconds = readFlag('--wait', flags.wait, wholeFrom(1, 1_000_000));
    const say = (line: string) => (json ? console.error(line) : console.log(line));
    let files: string[] = [];
    messages.forEach((message) => say(`  ${messageLine(chain.network, message)}`));
    if (print) {
        const printed = messages.map((message) => printedMessage(chain.network, message));
        console.log(json ? JSON.stringify(printed) : JSON.stringify(printed, null, 4));
        return false;
    }
    if (wallet === undefined) {
        const { at } = await chain.account(owner);
        say('The owner signs these once (docs/worker.md, "What your wallet signs"). Requests for TonConnect:');
        const request = { network: chain.network, owner, validUntil: at + SIGN_SECONDS };
        files = requestFiles(order, request);
        files.forEach((file) => say(`  ${file}`));
        const links = messages.map((message) => transferLink(chain.network, message));
        if (links.every(isShort)) {
            say('Or one link a message:');
            links.forEach((link) => say(`  ${link}`));
        }
        const until = new Date(Date.now() + seconds * 1000).toISOString();
        say(`Waiting for the signature of ${walletText(owner, chain)} until ${until} (--wait). You may end this with`);
        say('Ctrl-C and run it again. --wallet FILE signs on this machine, --print prints what to sign and stops');
    } else {
        await requireFunds(chain, wallet, messages);
        const attached = tonText(valueOf(messages));
        await new Questions(yes).agree(`Send ${attached} from ${walletText(wallet.address, chain)}?`);
        beforeSend?.((await chain.account(wallet.address)).at);
        await wallet.send([...messages]);
    }
    await waitForArrival(arrived, seconds, pollMsOf(chain));
    files.forEach((file) => rmSync(file, { force: true })); // nobody signs it again
    return true;
}

/** Throws a {@link Remedied} if the wallet cannot pay for the messages. */
export async function requireFunds(
    chain: TonHttpChain,
    wallet: HotWallet,
    messages: readonly Transfer[],
): Promise<void> {
    const needed = valueOf(messages) + FEES;
    if ((await wallet.balance()) < needed) {
        throw new Remedied(
            `The wallet ${walletText(wallet.address, chain)} holds less than ${tonText(needed)}: nothing was sent`,
        );
    }
}

const valueOf = (messages: readonly Transfer[]): bigint => messages.reduce((sum, { value }) => sum + value, 0n);

/** Writes requests for TonConnect, and returns their paths. A message with code in it has tens of kilobytes. */
function requestFiles({ messages, folder }: OwnerOrder, request: Parameters<typeof tonConnectRequest>[0]): string[] {
    const files: string[] = [];
    for (let from = 0; from < messages.length; from += MAX_MESSAGES) {
        const file = join(folder, `owner-request-${files.length + 1}.json`);
        const text = JSON.stringify(tonConnectRequest(request, messages.slice(from, from + MAX_MESSAGES)));
        writeWhole(file, text, { replace: true });
        files.push(file);
    }
    return files;
}

/** Milliseconds between two looks: a public endpoint takes few calls a second, and a look makes several. */
export function pollMsOf(chain: TonHttpChain): number {
    return isOnThisMachine(chain.api.names[0]) ? 200 : 5000;
}

async function waitForArrival(arrived: () => Promise<boolean>, seconds: number, pollMs: number): Promise<void> {
    const end = performance.now() + seconds * 1000;
    while (!(await arrived())) {
        if (performance.now() > end) {
            throw new Remedied(
                `The chain shows nothing new after ${seconds} s: look into the owner's wallet whether the messages were ` +
                    'sent, and whether they came back. Then run this again: it goes on where the chain is',
            );
        }
        await sleep(pollMs);
    }
}
