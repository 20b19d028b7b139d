import type { Address, Contract, OpenedContract, Sender, Transaction } from '@ton/core';
import { UnknownWallet } from '../remedies';

/** Who acts, and through what: a wallet and the chain it is on. */
export interface Actor {
    sender: Sender & { address?: Sender['address'] };
    address?: Address; // of the wallet; needed only where the sender does not know it, as those of @ton/ton
    /** The contract with the methods that read it and send to it. */
    open<T extends Contract>(contract: T): OpenedContract<T>;
    /**
     * The transaction that took a message, as the method of this name of `TonClient`; throws if there is none. Only
     * with it are sends seen to their end that leave no account, as the end of a job: no endpoint lists what it did.
     */
    tryLocateResultTx?(source: Address, destination: Address, createdLt: string): Promise<Transaction>;
}

/** The wallet's address. @throws {UnknownWallet} when neither actor nor sender know it */
export function addressOf({ address, sender }: Pick<Actor, 'address' | 'sender'>): Address {
    const found = address ?? sender.address;
    if (found === undefined) {
        throw new UnknownWallet();
    }
    return found;
}
