/** What every script has: a network it has checked, a wallet or none, and ways to read and to rehearse. */
import { type Actor, errorName } from '@cocoon-market/wrappers';
import { Address, Cell, type Contract, type OpenedContract, type SenderArguments } from '@ton/core';
import type { NetworkProvider } from '@ton/blueprint';
import { TonClient } from '@ton/ton';
import { CONFIG_ADDRESS, endpointOf, identify, type Network } from './network';
import { ScriptError } from './scriptError';
import { openWallet, type Outgoing, type Patience, type Wallet } from './wallet';

const NEWEST = 10; // transactions of an account that are read at first
const MAX_LISTED = 1000; // of one that takes more meanwhile

/** An account as the network has it now. */
export interface AccountState {
    active: boolean;
    balance: bigint; // nanoTON
    code: Cell | undefined;
    data: Cell | undefined;
}

export class ScriptSession {
    /** The account that acts, if it is not the wallet of the command line. */
    actsAs: Address | undefined;
    private constructor(
        readonly provider: NetworkProvider,
        readonly network: Network,
        readonly wallet: Wallet | undefined,
        readonly patience: Patience,
        private readonly instead: string,
    ) {}

    /** `instead`: the flag that names an account without a wallet. */
    static async open(provider: NetworkProvider, instead: string): Promise<ScriptSession> {
        const network = await identify(provider);
        const patience = network.name === 'local' ? { every: 50, within: 60_000 } : { every: 2_000, within: 120_000 };
        const wallet = await openWallet(provider, network.chain, patience);
        return new ScriptSession(provider, network, wallet, patience, instead);
    }

    /** The account that acts. Refuses if none is named. */
    get actor(): Address {
        const actor = this.actsAs ?? this.wallet?.address;
        if (actor === undefined) {
            throw new ScriptError(
                'There is no wallet',
                `give --mnemonic (with WALLET_MNEMONIC and WALLET_VERSION), --tonconnect, or ${this.instead}`,
            );
        }
        return actor;
    }

    get endpoint(): string | undefined {
        return endpointOf(this.provider);
    }

    openContract<T extends Contract>(contract: T): OpenedContract<T> {
        return this.provider.open(contract);
    }

    /** A contract's address in the form of this network. */
    format(address: Address): string {
        return address.toString({ testOnly: this.network.testOnly });
    }

    /** A wallet's address in the form of this network, as wallets display it. */
    formatWallet(address: Address): string {
        return address.toString({ testOnly: this.network.testOnly, bounceable: false });
    }

    /** Balance, code, data and newest transaction of an account. */
    stateOf(address: Address): ReturnType<NetworkProvider['getContractState']> {
        return this.provider.getContractState(address);
    }

    /** All parameters of the network; undefined where the endpoint does not give them. */
    async config(): Promise<Cell | undefined> {
        const { state } = await this.stateOf(CONFIG_ADDRESS);
        return state.type === 'active' && state.data ? Cell.fromBoc(state.data)[0].beginParse().loadRef() : undefined;
    }

    async account(address: Address): Promise<AccountState> {
        const { balance, state } = await this.stateOf(address);
        const active = state.type === 'active';
        const code = active && state.code ? Cell.fromBoc(state.code)[0] : undefined;
        const data = active && state.data ? Cell.fromBoc(state.data)[0] : undefined;
        return { active, balance, code, data };
    }

    /** Unix seconds of an account's newest transaction; undefined where there is none, or the endpoint lists none. */
    async changedAt(address: Address): Promise<number | undefined> {
        return (await this.network.chain?.newest(address, 1))?.[0]?.now;
    }

    /** Unix seconds on chain where the endpoint says them, the machine's otherwise. */
    async now(): Promise<number> {
        const api = this.provider.api();
        if (api instanceof TonClient) {
            const { timestampt } = await api.getContractState(new Address(0, Buffer.alloc(32)));
            return timestampt;
        }
        return Math.floor(Date.now() / 1000);
    }

    /** The messages that `action` would send. Nothing is sent. */
    async rehearse(action: (actor: Actor) => Promise<unknown>): Promise<Outgoing[]> {
        const messages: Outgoing[] = [];
        const send = async ({ to, value, body, init, bounce }: SenderArguments) => {
            messages.push({
                to,
                value,
                body: body ?? Cell.EMPTY,
                ...(init ? { init } : {}),
                ...(typeof bounce === 'boolean' ? { bounce } : {}),
            });
        };
        await action({ sender: { address: this.actor, send }, open: (contract) => this.openContract(contract) });
        return messages;
    }

    /** An actor that reads; sending through it throws. */
    reader(): Actor {
        const send = () => Promise.reject(new Error('A reader does not send'));
        return { sender: { send }, open: (contract) => this.openContract(contract) };
    }

    /** Logical time of an account's newest transaction. */
    async newest(address: Address): Promise<bigint> {
        return (await this.provider.getContractState(address)).last?.lt ?? 0n;
    }

    /**
     * What became of a message from one account to another since logical time `since`, the receiver's newest then.
     * `failure`: why it was refused, such as `ErrNotGovernor (1003)`; `isDue`: the receiver shows all that it took
     * since, and the message is not there yet.
     */
    async arrivalSince(
        to: Address,
        since: bigint,
        from = this.actor,
    ): Promise<{ failure: string | undefined; isDue: boolean }> {
        const listed = (await this.network.chain?.newest(to, NEWEST)) ?? [];
        const own = listed.filter(
            ({ lt, inMessage }) => lt > since && inMessage?.info.type === 'internal' && inMessage.info.src.equals(from),
        );
        const [failure] = own.flatMap(({ description }) => {
            const compute = description.type === 'generic' ? description.computePhase : undefined;
            return compute?.type === 'vm' && !compute.success ? [errorName(compute.exitCode)] : [];
        });
        // Not so of an account that ended meanwhile, and began anew when somebody sent something there.
        const isWhole = listed.some(({ lt, prevTransactionLt }) => lt === since || prevTransactionLt === since);
        const isDue =
            own.length === 0 && (isWhole || (listed.length === NEWEST && (await this.lacks(to, since, from))));
        return { failure, isDue };
    }

    /** True if an account took nothing from another since logical time `since`, as far as that can be said. */
    private async lacks(to: Address, since: bigint, from: Address): Promise<boolean> {
        let count = 0;
        for await (const { previous, received } of this.network.chain!.history(to, since)) {
            if (received?.account.equals(from) === true || ++count === MAX_LISTED) {
                return false;
            }
            if (previous.lt === since) {
                return true;
            }
        }
        return false;
    }
}
