/** The Chain interface over a sandbox, so that a gateway under test meets the real escrow and the real channels. */
import { Address, Cell, type Contract, external, type OpenedContract } from '@ton/core';
import { EmulationError } from '@ton/sandbox';
import { Accepted, ChainAccount, Chain, ChainError, ChainReader, Emitted, Urgency } from '../../../../offchain/chain';
import { Market, NETWORK } from '../../../support/market';

export class SandboxChain implements Chain {
    readonly network = NETWORK;
    sent = 0; // external messages handed over
    readonly taken: Accepted[] = []; // oldest first
    /** Runs before an external message; what it throws is what the gateway meets. */
    beforeSend: (body: Cell) => Promise<void> | void = () => undefined;
    /** Runs after the chain has taken a message. */
    afterSend: () => Promise<void> | void = () => undefined;

    /** What the API says of an account instead of the truth. */
    lie: (address: Address, truth: ChainAccount) => ChainAccount = (_, truth) => truth;
    others?: ChainReader[];

    constructor(readonly market: Market) {}

    as(_urgency: Urgency): SandboxChain {
        return this;
    }

    accountsAt(addresses: readonly Address[]): Promise<ChainAccount[]> {
        return Promise.all(addresses.map((address) => this.account(address)));
    }

    async *history(): AsyncGenerator<never> {
        // A gateway reads no history of an account.
    }

    async lastTransaction(): Promise<undefined> {
        return undefined;
    }

    async *accepted(): AsyncGenerator<Accepted> {
        yield* [...this.taken].reverse();
    }

    async account(address: Address): Promise<ChainAccount> {
        return this.lie(address, await this.truth(address));
    }

    async truth(address: Address): Promise<ChainAccount> {
        const { accountState, balance } = await this.market.blockchain.getContract(address);
        const at = this.market.now;
        if (accountState?.type !== 'active') {
            return { state: 'uninitialized', balance, code: undefined, data: undefined, at };
        }
        return {
            state: 'active',
            balance,
            code: accountState.state.code ?? undefined,
            data: accountState.state.data ?? undefined,
            at,
        };
    }

    async prices(): Promise<never> {
        throw new ChainError('a gateway reads no prices');
    }

    /** The events of the registry, oldest first. */
    readonly events: Emitted[] = [];

    async *emitted(_: Address, cursor: bigint): AsyncGenerator<Emitted> {
        yield* this.events.filter(({ lt }) => lt > cursor).reverse();
    }

    async sendExternal(to: Address, body: Cell): Promise<void> {
        await this.beforeSend(body);
        try {
            await this.market.blockchain.sendMessage(external({ to, body }));
            this.sent++;
            this.taken.push({ lt: BigInt(this.sent), at: this.market.now, body });
        } catch (error) {
            if (error instanceof EmulationError) {
                throw new ChainError(error.message, error.exitCode);
            }
            throw error;
        }
        await this.afterSend();
    }

    open<T extends Contract>(contract: T): OpenedContract<T> {
        return this.market.blockchain.openContract(contract) as unknown as OpenedContract<T>;
    }
}
