/** A local network in a process of its own, wallets of fresh words, and Blueprint against it. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { LocalnetClient } from '@cocoon-market/localnet';
import { Address, toNano } from '@ton/core';
import { mnemonicNew, mnemonicToPrivateKey } from '@ton/crypto';
import { WalletContractV4, WalletContractV5R1 } from '@ton/ton';
import { program } from '../../../tooling/programs';
import { ROOT } from './shell';

export type WalletVersion = 'v4' | 'v5r1';

export interface FreshWallet {
    words: string;
    version: WalletVersion;
    address: Address;
    text: string; // the address as testnet writes it
}

/** New words and their wallet on testnet. */
export async function freshWallet(version: WalletVersion): Promise<FreshWallet> {
    const words = await mnemonicNew();
    const { publicKey } = await mnemonicToPrivateKey(words);
    const context = { walletVersion: 'v5r1', workchain: 0, subwalletNumber: 0 } as const;
    const { address } =
        version === 'v4'
            ? WalletContractV4.create({ publicKey, workchain: 0 })
            : WalletContractV5R1.create({ publicKey, walletId: { networkGlobalId: -3, context } });
    const text = address.toString({ testOnly: true, bounceable: false });
    return { words: words.join(' '), version, address, text };
}

export class NetworkProcess {
    private constructor(
        private readonly child: ChildProcess,
        readonly url: string,
        readonly client: LocalnetClient,
    ) {}

    static async start(): Promise<NetworkProcess> {
        const child = spawn(process.execPath, [program('localnet'), '--port', '0'], {
            cwd: ROOT,
            stdio: ['ignore', 'pipe', 'inherit'],
        });
        const [line] = (await once(createInterface(child.stdout), 'line')) as [string];
        const [url] = /http:\S+/.exec(line)!;
        return new NetworkProcess(child, url, new LocalnetClient(url));
    }

    /** What stands for the network on a command line. */
    get flags(): string {
        return `--custom ${this.url} --custom-version v2 --custom-type testnet --mnemonic`;
    }

    async fund(wallet: FreshWallet, coins: string): Promise<void> {
        await this.client.faucet(wallet.address, toNano(coins));
    }

    async stop(): Promise<void> {
        this.child.kill();
        await once(this.child, 'exit');
    }
}

const BLUEPRINT = join(ROOT, 'node_modules/.bin/blueprint');

/** Runs a script to its end, or to where it has printed `killedAt`: there it is killed. */
export function runBlueprint(
    { network, wallet, deployments }: { network: NetworkProcess; wallet: FreshWallet; deployments: string },
    [script, ...args]: string[],
    killedAt?: string,
): Promise<{ code: number | null; output: string }> {
    const killed = killedAt === undefined ? [] : ['-r', join(__dirname, 'killed.js')];
    const command = [...killed, BLUEPRINT, 'run', script, ...network.flags.split(' '), ...args];
    const child = spawn(process.execPath, command, {
        cwd: ROOT,
        env: {
            ...process.env,
            WALLET_MNEMONIC: wallet.words,
            WALLET_VERSION: wallet.version,
            COCOON_DEPLOYMENTS: deployments,
            ...(killedAt === undefined ? {} : { KILLED_AT: killedAt }),
        },
        stdio: ['ignore', 'pipe', 'pipe'],
    });
    let output = '';
    const hear = (chunk: Buffer) => void (output += chunk.toString());
    child.stdout.on('data', hear);
    child.stderr.on('data', hear);
    return new Promise((resolve) => child.once('close', (code) => resolve({ code, output })));
}
