/** The short form of `npm run bench:index`, and a market that is read from events alone. */
import { SyntheticMarket } from '../../benchmarks/indexer/synthetic';
import { measureIndex } from '../../benchmarks/indexer';
import { Indexer } from '../../offchain/indexer/indexer';
import { openIndex } from '../../offchain/indexer/open';
import { readView } from '../../offchain/indexer/view';

it('5,000 transactions are read, and their claims equal those that were made', async () => {
    const { transactions, claimed, claimedByRecount, perSecond, secondPass, heapMb } = await measureIndex(5000);
    expect(transactions).toBeGreaterThanOrEqual(5000);
    expect(claimed).toBe(claimedByRecount);
    expect(perSecond).toBeGreaterThan(100);
    expect(secondPass.added).toBe(1);
    expect(heapMb).toBeLessThan(400);
}, 120_000);

it('300 nodes are read from the events of the registry alone, and a later pass reads only what is new', async () => {
    const market = await SyntheticMarket.create();
    const { chain, registry } = market;
    for (let number = 0; number < 300; number++) {
        market.list(number, 100n);
    }
    const store = await openIndex(':memory:');
    const indexer = new Indexer({ source: chain, store, registry, network: -239 });
    const first = await indexer.pass();
    const { nodes, models } = await readView(store, { registry, network: -239 });
    expect(nodes).toHaveLength(300);
    expect(models).toMatchObject([{ nodes: 300, price: { prompt: { median: 100n } } }]);
    // The block, the registry's code, four pages of events, the provider, its data, its payout.
    expect(first.calls).toBe(9);
    market.list(7, 50n);
    const second = await indexer.pass();
    // The block, one page of each account.
    expect(second).toMatchObject({ calls: 4, added: 1 });
    expect((await readView(store, { registry, network: -239 })).models[0].price!.prompt.min).toBe(50n);
    await store.close();
}, 60_000);
