/** What the page asks of the chain; a TonClient of @ton/ton does it. */
import type { MarketClient } from '@cocoon-market/wrappers/market';
import type { Address, Transaction } from '@ton/core';

export interface PageChain extends MarketClient {
    getContractState(address: Address): Promise<{
        balance: bigint;
        state: 'active' | 'uninitialized' | 'frozen';
        lastTransaction: { lt: string; hash: string } | null;
    }>;
    getTransactions(
        address: Address,
        from: { limit: number; lt?: string; hash?: string; archival?: boolean; inclusive?: boolean },
    ): Promise<Transaction[]>;
}
