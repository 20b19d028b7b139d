/** Which accounts are escrows. A wallet of anyone may deploy channels, too, hundreds in one transaction. */
import { Escrow, ownerInEscrowData } from '@cocoon-market/wrappers';
import { Address, type Cell } from '@ton/core';
import type { IndexerParts } from './parts';

/** Whether an account (raw address) is an escrow, by its data; undefined while an endpoint has no code of it. */
export async function isEscrow(
    { source, witnesses = [] }: Pick<IndexerParts, 'source' | 'witnesses'>,
    account: string,
): Promise<boolean | undefined> {
    const address = Address.parseRaw(account);
    const states = await Promise.all([source, ...witnesses].map((each) => each.state(address)));
    const proofs = await Promise.all(states.map(({ data }) => proves(address, data)));
    return proofs.includes(true) || (states.every(({ code }) => code !== undefined) ? false : undefined);
}

/** The address of an escrow proves its code and its owner, who never changes: so one endpoint is enough. */
async function proves(address: Address, data: Cell | undefined): Promise<boolean> {
    try {
        return data !== undefined && (await Escrow.ofOwner(ownerInEscrowData(data))).address.equals(address);
    } catch {
        return false; // data of something else
    }
}
