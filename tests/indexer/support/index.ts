/** An index of a world, in memory unless named, and its export. */
import { HistoryError } from '../../../offchain/indexer/transaction';
import { exportLines, hashedExport } from '../../../offchain/indexer/export';
import { Indexer } from '../../../offchain/indexer/indexer';
import type { IndexerParts } from '../../../offchain/indexer/parts';
import { HttpSource, type Source } from '../../../offchain/indexer/source';
import { openIndex } from '../../../offchain/indexer/open';
import type { IndexStore } from '../../../offchain/indexer/store';
import { readView } from '../../../offchain/indexer/view';
import type { World } from './world';

export { HistoryError };

export class TestIndex {
    private constructor(
        readonly notices: string[],
        readonly store: IndexStore,
        readonly indexer: Indexer,
        readonly source: Source,
        private readonly market: { registry: World['registry']; network: number },
    ) {}

    static async open(
        world: Pick<World, 'registry' | 'settings'>,
        {
            store = ':memory:',
            source,
            limits,
            ...parts
        }: { store?: string } & Partial<Omit<IndexerParts, 'store'>> = {},
    ): Promise<TestIndex> {
        const opened = await openIndex(store);
        const from = source ?? new HttpSource(world.settings);
        const market = { registry: world.registry, network: world.settings.network };
        const notices: string[] = [];
        const onNotice = (sentence: string) => notices.push(sentence);
        const patience = { limits: { lagSeconds: 0, ...limits } };
        const indexer = new Indexer({ ...market, source: from, store: opened, onNotice, ...parts, ...patience });
        return new TestIndex(notices, opened, indexer, from, market);
    }

    pass() {
        return this.indexer.pass();
    }

    view(at?: number) {
        return readView(this.store, { ...this.market, at });
    }

    async export(): Promise<string> {
        const lines: string[] = [];
        await hashedExport(exportLines(this.store, this.market), (line) => void lines.push(line));
        return lines.join('\n');
    }

    close(): Promise<void> {
        return this.store.close();
    }
}

/** The export of an index that is made from nothing. */
export async function rebuilt(world: Pick<World, 'registry' | 'settings'>, store?: string): Promise<string> {
    const index = await TestIndex.open(world, store === undefined ? {} : { store });
    await index.pass();
    const text = await index.export();
    await index.close();
    return text;
}
