/** Libraries as the masterchain keeps them: what its accounts publish, and nothing else, runs in the sandbox. */
import { beginCell, Cell, Dictionary, ShardAccount, toNano } from '@ton/core';
import { Blockchain } from '@ton/sandbox';
import { Library, libraryOf } from '@cocoon-market/wrappers';

/** The public libraries of all accounts of the masterchain that are active now. */
export function publishedLibraries(blockchain: Blockchain): Dictionary<Buffer, Cell> {
    const { storage } = blockchain as unknown as { storage: { knownContracts(): { account: ShardAccount }[] } };
    const all = Dictionary.empty(Dictionary.Keys.Buffer(32), Dictionary.Values.Cell());
    for (const { account } of storage.knownContracts().map((contract) => contract.account)) {
        const state = account?.addr.workChain === -1 ? account.storage.state : undefined;
        const libraries = state?.type === 'active' ? (state.state.libraries?.values() ?? []) : [];
        libraries.filter((library) => library.public).forEach(({ root }) => all.set(root.hash(), root));
    }
    return all;
}

// The emulator goes on with the last collection when it is given none, so there is always one that nobody needs.
const ANOTHER = beginCell().storeUint(0, 8).endCell();

/** Makes the sandbox's collection what the accounts of the masterchain publish now, as every block does. */
export function reflectLibraries(blockchain: Blockchain): void {
    const all = publishedLibraries(blockchain).set(ANOTHER.hash(), ANOTHER);
    blockchain.libs = beginCell().storeDictDirect(all).endCell();
}

/** Publishes a code with rent for years and returns its library cell. */
export async function openLibrary(blockchain: Blockchain, code: Cell): Promise<Cell> {
    const { hash, cell } = libraryOf(code);
    const library = blockchain.openContract(await Library.ofHash(hash));
    const publisher = await blockchain.treasury('publisher');
    await library.sendPublish(publisher.getSender(), { value: toNano('1000'), code });
    reflectLibraries(blockchain);
    return cell;
}
