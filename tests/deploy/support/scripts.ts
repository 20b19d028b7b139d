/** Scripts run in this process, through Blueprint's own network provider, against a local network. */
import { type Localnet, startLocalnet } from '@cocoon-market/localnet';
import { createNetworkProvider, type NetworkProvider, type UIProvider } from '@ton/blueprint';
import { toNano } from '@ton/core';
import { type FreshWallet, freshWallet, type WalletVersion } from './network';

/** A user interface that nobody sits at. */
const nobody: UIProvider = {
    write: () => undefined,
    prompt: () => Promise.reject(new Error('asked a question')),
    inputAddress: () => Promise.reject(new Error('asked for an address')),
    input: () => Promise.reject(new Error('asked for a text')),
    choose: () => Promise.reject(new Error('asked to choose')),
    setActionPrompt: () => undefined,
    clearActionPrompt: () => undefined,
};

type Script = (provider: NetworkProvider, args: string[]) => Promise<void>;

/** Blueprint's provider for a wallet of words, or for none; `type` is what stands after --custom-type. */
export async function providerOf(
    url: string,
    wallet: FreshWallet | undefined,
    type = 'testnet',
): Promise<NetworkProvider> {
    if (wallet !== undefined) {
        process.env.WALLET_MNEMONIC = wallet.words;
        process.env.WALLET_VERSION = wallet.version;
    }
    const network = { '--custom': url, '--custom-version': 'v2', '--custom-type': type };
    const by = wallet === undefined ? { '--deeplink': true } : { '--mnemonic': true };
    return createNetworkProvider(nobody, { _: [], ...network, ...by }, undefined);
}

/** A local network with a funded wallet, and scripts against it. */
export class ScriptStage {
    private constructor(
        readonly network: Localnet,
        readonly wallet: FreshWallet,
        private readonly type: string,
    ) {}

    /** `type`: what stands after --custom-type. */
    static async open(
        options: { version?: WalletVersion; coins?: string; networkId?: number; type?: string } = {},
    ): Promise<ScriptStage> {
        const { version = 'v5r1', coins = '50', networkId = -3, type = 'testnet' } = options;
        const network = await startLocalnet({ networkId });
        const wallet = await freshWallet(version);
        if (coins !== '0') {
            await network.faucet(wallet.address, toNano(coins));
        }
        return new ScriptStage(network, wallet, type);
    }

    /** Runs a script to its end and returns what it printed. */
    run(script: Script, args: string[], wallet = this.wallet): Promise<string> {
        return this.heard(script, args, wallet);
    }

    /** The same with no wallet on the command line. */
    runWithoutWallet(script: Script, args: string[]): Promise<string> {
        return this.heard(script, args, undefined);
    }

    private async heard(script: Script, args: string[], wallet: FreshWallet | undefined): Promise<string> {
        const lines: string[] = [];
        const print = jest
            .spyOn(console, 'log')
            .mockImplementation((...said: unknown[]) => void lines.push(said.join(' ')));
        try {
            await script(await providerOf(this.network.url, wallet, this.type), args);
            return lines.join('\n');
        } finally {
            print.mockRestore();
        }
    }

    close(): Promise<void> {
        return this.network.close();
    }
}
