/** An endpoint that does wrong now and then, and dies now and then. */
import { type Address, beginCell } from '@ton/core';
import type { TransactionId } from '../../../offchain/chain';
import {
    type MasterBlock,
    type MessageId,
    PAGE,
    type RawTransaction,
    type Source,
    type StateAfter,
} from '../../../offchain/indexer/source';

/** The same numbers from 0 to below 1 for the same seed. */
export function drawing(seed: number): () => number {
    let state = seed >>> 0;
    return () => {
        state = (state + 0x6d2b79f5) >>> 0;
        let mixed = Math.imul(state ^ (state >>> 15), state | 1);
        mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
        return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
    };
}

/** The process is killed while it waits for an answer. */
export class Killed extends Error {}

type Change = (page: RawTransaction[]) => RawTransaction[];

/** An endpoint whose pages are changed by `change` where there is one. */
export class ChangedSource implements Source {
    constructor(
        readonly inner: Source,
        public change: Change = (page) => page,
        private readonly size = Infinity, // transactions in a page
    ) {}

    get name(): string {
        return this.inner.name;
    }

    get calls(): number {
        return this.inner.calls;
    }

    tip(): Promise<MasterBlock> {
        return this.inner.tip();
    }

    async page(account: Address, from?: TransactionId): Promise<RawTransaction[]> {
        return this.change((await this.inner.page(account, from)).slice(0, this.size));
    }

    state(account: Address): Promise<StateAfter> {
        return this.inner.state(account);
    }

    senderOf(message: MessageId): Promise<RawTransaction | undefined> {
        return this.inner.senderOf(message);
    }
}

/**
 * An endpoint that has the newest hundred transactions of each account, and says at once that it has no other. Of an
 * account that is gone it lists none, and has those that are asked for by name.
 */
export class ListingSource extends ChangedSource {
    override async page(account: Address, from?: TransactionId): Promise<RawTransaction[]> {
        const all = await this.all(account, from === undefined);
        if (all.length === 0 && from !== undefined) {
            return super.page(account, from).catch(() => []);
        }
        const first =
            from === undefined ? 0 : all.findIndex(({ lt, hash }) => lt === from.lt && hash.equals(from.hash));
        return first < 0 ? [] : all.slice(first).slice(0, PAGE);
    }

    protected all(account: Address, _isNewest: boolean): Promise<RawTransaction[]> {
        return super.page(account);
    }
}

/** An endpoint that lists, of one account, transactions that it has made up after those that there are. */
export class ForgingSource extends ListingSource {
    private forged: RawTransaction[] = []; // newest first
    isHonest = false;

    constructor(
        inner: Source,
        private readonly account: Address,
        private readonly perPass: number, // transactions that it makes up
    ) {
        super(inner);
    }

    protected override async all(account: Address, isNewest: boolean): Promise<RawTransaction[]> {
        const real = await super.all(account, isNewest);
        if (this.isHonest || !account.equals(this.account)) {
            return real;
        }
        for (let i = 0; isNewest && i < this.perPass; i++) {
            this.forged = [forgedAfter(account, this.forged[0] ?? real[0]), ...this.forged];
        }
        return [...this.forged, ...real];
    }
}

/** A transaction of 1970 that nobody made, which comes after another one of an account. */
export function forgedAfter(account: Address, { lt, hash }: TransactionId): RawTransaction {
    const head = beginCell()
        .storeUint(7, 4)
        .storeBuffer(account.hash)
        .storeUint(lt + 1n, 64);
    const cell = head.storeBuffer(hash).storeUint(lt, 64).storeUint(1, 32).storeUint(0, 15).endCell();
    return { lt: lt + 1n, hash: cell.hash(), cell };
}

/** Pages of this endpoint repeat, leave out, reorder and replace transactions by chance; some calls never return. */
export function unreliable(inner: Source, draw: () => number, size: number): ChangedSource {
    return new ChangedSource(
        inner,
        (page) => {
            const at = Math.floor(draw() * page.length);
            const chance = draw();
            if (chance < 0.02) {
                throw new Killed('killed');
            }
            if (chance < 0.07) {
                return [...page.slice(0, at + 1), ...page.slice(at)]; // twice
            }
            if (chance < 0.12 && page.length > 2) {
                const omitted = 1 + Math.floor(draw() * (page.length - 2));
                return page.filter((_, i) => i !== omitted);
            }
            if (chance < 0.17 && page.length > 2) {
                return [page[0], ...page.slice(1).reverse()];
            }
            if (chance < 0.21 && page.length > 0) {
                return page.map((raw, i) => (i === at ? { ...raw, hash: Buffer.alloc(32, 1) } : raw));
            }
            return page;
        },
        size,
    );
}
