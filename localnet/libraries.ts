/** Public libraries: what masterchain accounts publish is readable from every chain, as on a real network. */
import { type Address, beginCell, Cell, Dictionary, type ShardAccount } from '@ton/core';

const MASTERCHAIN = -1;

export class Libraries {
    private readonly byAccount = new Map<string, Cell[]>();

    /** Takes note of an account's state; true when what is published may have changed. */
    observe(account: Address, state: () => ShardAccount): boolean {
        if (account.workChain !== MASTERCHAIN) {
            return false;
        }
        const now = published(state());
        const previous = this.byAccount.get(account.toRawString()) ?? [];
        this.byAccount.set(account.toRawString(), now);
        return now.length !== previous.length || now.some((cell, i) => !cell.equals(previous[i]));
    }

    /** Forgets everything. */
    clear(): void {
        this.byAccount.clear();
    }

    /** The library with this hash (hex), if any account publishes it. */
    find(hash: string): Cell | undefined {
        return [...this.byAccount.values()].flat().find((cell) => cell.hash().toString('hex') === hash);
    }

    /** All of them as the executor takes them; undefined when there are none. */
    dictionary(): Cell | undefined {
        const all = [...this.byAccount.values()].flat();
        if (all.length === 0) {
            return undefined;
        }
        const dictionary = Dictionary.empty(Dictionary.Keys.Buffer(32), Dictionary.Values.Cell());
        all.forEach((cell) => dictionary.set(cell.hash(), cell));
        return beginCell().storeDictDirect(dictionary).endCell();
    }
}

function published({ account }: ShardAccount): Cell[] {
    const state = account?.storage.state;
    const libraries = state?.type === 'active' ? state.state.libraries : undefined;
    return (libraries?.values() ?? []).filter((library) => library.public).map(({ root }) => root);
}
