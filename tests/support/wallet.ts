/** Wallets as people hold them, v4 and v5r1, and the sandbox's treasury, which costs less than either. */
import {
    Address,
    Cell,
    Contract,
    ContractProvider,
    internal,
    MessageRelaxed,
    Sender,
    SenderArguments,
    SendMode,
} from '@ton/core';
import { Blockchain, createShardAccount, SandboxContract, TreasuryContract } from '@ton/sandbox';
import { WalletContractV4, WalletContractV5R1 } from '@ton/ton';
import { createHash } from 'node:crypto';
import { SigningKey, signingKey } from '../../wrappers/keys';

export type WalletVersion = 'v4' | 'v5' | 'treasury';

/** What tests and benchmarks ask of a wallet, whatever its version. */
export type Wallet = Pick<SandboxContract<TreasuryContract>, 'address' | 'send' | 'sendMessages' | 'getBalance'> & {
    getSender(): Sender & { address: Address };
};

/** Most messages that one order of a wallet carries. */
export const MAX_MESSAGES = { v4: 4, v5: 255 };

const BALANCE = 1_000_000_000_000_000n; // nanoTON
const VALID = 0xffffffff; // unix seconds: tests move the clock

export class RealWallet implements Contract {
    readonly address: Address;
    readonly init: { code: Cell; data: Cell };
    private readonly key: SigningKey;
    private readonly contract: WalletContractV4 | WalletContractV5R1;

    /** The same wallet for the same name. */
    constructor(version: 'v4' | 'v5', name: string) {
        this.key = signingKey(createHash('sha256').update(name).digest());
        const publicKey = this.key.publicKey;
        this.contract =
            version === 'v4'
                ? WalletContractV4.create({ workchain: 0, publicKey })
                : WalletContractV5R1.create({ workchain: 0, publicKey });
        this.address = this.contract.address;
        this.init = this.contract.init;
    }

    /** The body of the external message that carries these messages in one order. */
    async getOrder(provider: ContractProvider, messages: MessageRelaxed[]): Promise<Cell> {
        const order = {
            seqno: await this.contract.getSeqno(provider),
            timeout: VALID,
            sendMode: SendMode.PAY_GAS_SEPARATELY | SendMode.IGNORE_ERRORS,
            signer: (payload: Cell) => Promise.resolve(this.key.sign(payload.hash())),
            messages,
        };
        return this.contract instanceof WalletContractV4
            ? this.contract.createTransfer(order)
            : this.contract.createTransfer(order);
    }

    async sendMessages(provider: ContractProvider, messages: MessageRelaxed[]): Promise<void> {
        await provider.external(await this.getOrder(provider, messages));
    }

    async send(provider: ContractProvider, message: SenderArguments): Promise<void> {
        await this.sendMessages(provider, [internal({ ...message, bounce: message.bounce ?? true })]);
    }

    getSender(provider: ContractProvider): Sender & { address: Address } {
        return { address: this.address, send: (message) => this.send(provider, message) };
    }

    async getBalance(provider: ContractProvider): Promise<bigint> {
        return (await provider.getState()).balance;
    }
}

/** A wallet that has been used before: deployed, with money. */
export async function realWallet(
    blockchain: Blockchain,
    version: 'v4' | 'v5',
    name: string,
): Promise<SandboxContract<RealWallet>> {
    const wallet = new RealWallet(version, name);
    const account = { address: wallet.address, ...wallet.init, balance: BALANCE, workchain: 0 };
    await blockchain.setShardAccount(wallet.address, createShardAccount(account));
    return blockchain.openContract(wallet);
}

/** A wallet of the version that was asked for; the treasury of this name unless one was. */
export async function walletOf(
    blockchain: Blockchain,
    name: string,
    version: WalletVersion = 'treasury',
): Promise<Wallet> {
    return version === 'treasury' ? blockchain.treasury(name) : realWallet(blockchain, version, name);
}
