/** An endpoint that does wrong now and then, and dies now and then. */
import type { Address } from '@ton/core';
import type { TransactionId } from '../../../offchain/chain';
import type { MasterBlock, MessageId, RawTransaction, Source, StateAfter } from '../../../offchain/indexer/source';

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
