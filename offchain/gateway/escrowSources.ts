/** By which endpoint of the chain an escrow is read and ordered: the first one may be wrong about it. */
import type { Address } from '@ton/core';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Chain, ChainAccount, ChainReader } from '../chain';
import { GatewayError } from './errors';
import type { EscrowAccount } from './escrow';

const OTHERS_MS = 2000; // that each of several endpoints has for what it is asked beside the first

export class EscrowSources {
    private failures = 0; // orders in a row that were not taken, though what was read allowed them
    private readonly first: { chain: Chain; account: EscrowAccount };

    /** Orders go before all that is only read. */
    constructor(chain: Chain, account: EscrowAccount) {
        this.first = { chain: chain.as('urgent'), account: account.urgent };
    }

    /** The chain by which the next order goes. After one that failed that is another endpoint. */
    get chain(): Chain {
        const { alone } = this;
        const { chain } = this.first;
        return this.failures === 0 ? chain : (alone[this.failures % alone.length] ?? chain);
    }

    /** The escrow by the same endpoint as {@link chain}. */
    get account(): EscrowAccount {
        const { account } = this.first;
        return this.failures === 0 ? account : account.by(this.chain);
    }

    noteTaken(): void {
        this.failures = 0;
    }

    /** What the escrow itself forbids, by what is read of it, says nothing against an endpoint. */
    noteFailed(error: unknown): void {
        this.failures += error instanceof GatewayError ? 0 : 1;
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
            const others = this.alone.map((one) => inTime(read(account.by(one.as('routine')))));
            return Promise.any(others).catch(() => Promise.reject(error));
        }
    }

    /** What several endpoints say of an account. Those that do not answer soon have no say. */
    async accountsAt(address: Address): Promise<ChainAccount[]> {
        const sources: (ChainReader & Partial<Pick<Chain, 'as'>>)[] = [...(this.chain.others ?? [])];
        const readings = sources.map((one) => inTime((one.as?.('routine') ?? one).account(address)));
        const answers = await Promise.allSettled(readings);
        return answers.flatMap((answer) => (answer.status === 'fulfilled' ? [answer.value] : []));
    }

    private get alone(): Chain[] {
        return (this.first.chain.others ?? []).filter((one): one is Chain => one.as !== undefined);
    }
}

async function inTime<T>(answer: Promise<T>): Promise<T> {
    const waits = new AbortController();
    const late = sleep(OTHERS_MS, undefined, { ref: false, signal: waits.signal }).then(() => {
        throw new Error('The endpoint did not answer in time');
    });
    try {
        return await Promise.race([answer, late]);
    } finally {
        late.catch(() => undefined);
        waits.abort();
    }
}
