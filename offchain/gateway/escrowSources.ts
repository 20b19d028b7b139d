/** By which endpoint of the chain an escrow is read and ordered: the first one may be wrong about it. */
import type { Address } from '@ton/core';
import { answersOf, answerSoon, type Chain, type ChainAccount } from '../chain';
import { steadySeconds } from '../process/clock';
import { GatewayError } from './errors';
import type { EscrowAccount } from './escrow';

const DOUBT_SECONDS = 6 * 3600; // after an order that failed, in which none goes by the first endpoint

export class EscrowSources {
    private doubts = 0; // how often an endpoint was left for the next
    private doubtedAt = -Infinity; // seconds, when the last one was
    private readonly first: { chain: Chain; account: EscrowAccount };

    /** Orders go before all that is only read. */
    constructor(chain: Chain, account: EscrowAccount) {
        this.first = { chain: chain.as('urgent'), account: account.urgent };
    }

    /**
     * The chain by which the next order goes. After one that failed that is another endpoint for some hours: the first
     * may be wrong again, and an order that it spoils keeps the others waiting.
     */
    get chain(): Chain {
        const { alone } = this;
        const { chain } = this.first;
        return this.isFirstDoubted ? (alone[this.doubts % alone.length] ?? chain) : chain;
    }

    /** The escrow by the same endpoint as {@link chain}. */
    get account(): EscrowAccount {
        const { account } = this.first;
        return this.isFirstDoubted ? account.by(this.chain) : account;
    }

    /**
     * Runs one order. If it fails, the next one goes by another endpoint than this one did. What the escrow itself
     * forbids, by what is read of it, says nothing against an endpoint.
     */
    async run<T>(order: () => Promise<T>): Promise<T> {
        const { doubts } = this;
        try {
            return await order();
        } catch (error) {
            if (!(error instanceof GatewayError) && this.doubts === doubts) {
                this.doubt();
            }
            throw error;
        }
    }

    /** The next thing is asked of another endpoint. */
    doubt(): void {
        this.doubts++;
        this.doubtedAt = steadySeconds();
    }

    /** What is read of the escrow; of another endpoint where the first shows what forbids an order. */
    async read<T>(read: (account: EscrowAccount) => Promise<T>): Promise<T> {
        const { account } = this;
        try {
            return await read(account);
        } catch (error) {
            if (!(error instanceof GatewayError)) {
                throw error;
            }
            const others = this.alone.map((one) => answerSoon(read(account.by(one.as('routine')))));
            return Promise.any(others).catch(() => Promise.reject(error));
        }
    }

    /** What several endpoints say of an account, within `ms` if that is given. */
    accountsAt(address: Address, ms?: number): Promise<ChainAccount[]> {
        return answersOf(this.chain, (one) => one.account(address), ms);
    }

    private get isFirstDoubted(): boolean {
        return steadySeconds() - this.doubtedAt < DOUBT_SECONDS;
    }

    private get alone(): Chain[] {
        return (this.first.chain.others ?? []).filter((one): one is Chain => one.as !== undefined);
    }
}
