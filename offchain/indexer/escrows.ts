/** Which accounts are escrows. A wallet of anyone may deploy channels, too, hundreds in one transaction. */
import { Escrow, ownerInEscrowData } from '@cocoon-market/wrappers';
import { Address, type Cell } from '@ton/core';
import { inParallel } from '../process/parallel';
import type { IndexerParts } from './parts';

/**
 * Those that are escrows, announced with demand or by their data. What turns out to be none is never followed. Those
 * of which an endpoint has no code are noted in `absent`, and not asked for again.
 */
export async function escrowsAmong(
    parts: IndexerParts,
    accounts: readonly string[],
    absent: Set<string>,
): Promise<string[]> {
    const { store } = parts;
    const escrows: string[] = [];
    const demands = store.db.selectFrom('facts').select('object').distinct().where('kind', '=', 'demand');
    const announced = new Set(accounts.length > 0 ? (await demands.execute()).map(({ object }) => object) : []);
    await inParallel(accounts, async (account) => {
        const isOne = announced.has(account) || (absent.has(account) ? undefined : await isEscrow(parts, account));
        if (isOne === undefined) {
            absent.add(account);
        } else if (isOne) {
            escrows.push(account);
        } else {
            await store.follow('escrow', [account], 0n, { busy: true });
        }
    });
    return escrows;
}

/** Whether an account (raw address) is an escrow, by its data; undefined while an endpoint has no code of it. */
async function isEscrow(
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
