import type { Contract, OpenedContract, Sender } from '@ton/core';

/** Who acts, and through what: a wallet and the chain it is on. */
export interface Actor {
    sender: Sender & { address?: Sender['address'] };
    open<T extends Contract>(contract: T): OpenedContract<T>;
}

/** The wallet's address. Throws when the sender does not know it. */
export function addressOf({ sender }: Actor) {
    if (sender.address === undefined) {
        throw new Error('This sender has no known wallet');
    }
    return sender.address;
}
