/** What strangers may write ten thousand times for little: each is read once, and not compared with all others. */
import { Address } from '@ton/core';
import { openIndex } from '../../offchain/indexer/open';
import { locateSenders } from '../../offchain/indexer/senders';
import type { IndexStore } from '../../offchain/indexer/store';
import type { FactTable } from '../../offchain/indexer/tables';
import { readView } from '../../offchain/indexer/view';
import { amountToBytes } from '../../offchain/store/database';
import { ChangedSource } from './support/lying';

const registry = new Address(0, Buffer.alloc(32, 1));
const MARKET = { registry, network: -3 };
const ROWS = 2000;

let store: IndexStore;

beforeEach(async () => {
    store = await openIndex(':memory:');
});

afterEach(() => store.close());

const account = (number: number): string => `0:${number.toString(16).padStart(64, '0')}`;

async function fill(count: number, factOf: (n: number) => Omit<FactTable, 'lt' | 'n' | 'at'>): Promise<void> {
    const facts = Array.from({ length: count }, (_, n) => ({
        ...{ ...factOf(n), lt: amountToBytes(BigInt(n + 1)) },
        ...{ n: 0, at: 1_795_435_200 },
    }));
    while (facts.length > 0) {
        await store.db.insertInto('facts').values(facts.splice(0, ROWS)).execute();
    }
}

// With comparisons of each with each both take minutes.

it('Demand for 60,000 models is summed up at once', async () => {
    const log = `registry/${registry.toRawString()}`;
    await fill(60_000, (n) => ({
        ...{ log, kind: 'demand', subject: account(1), object: account(2) },
        body: JSON.stringify({ model: account(n).slice(2), queriesPerDay: n, endsAt: 4_000_000_000 }),
    }));
    const { models } = await readView(store, MARKET);

    expect(models).toHaveLength(60_000);
    expect(models[7]).toMatchObject({ demand: 7, clients: 1 });
}, 30_000);

it('A sender who pays two payouts 20,000 times each is asked for once for each', async () => {
    const payouts = [account(1), account(2)];
    await store.follow('payout', payouts, 0n);
    await fill(40_000, (n) => ({
        ...{ log: `payout/${payouts[n < 20_000 ? 0 : 1]}`, kind: 'received', subject: account(3), object: '' },
        body: JSON.stringify({ createdLt: `${n}` }),
    }));
    const requested: bigint[] = [];
    const source = new ChangedSource(undefined as never);
    source.senderOf = async ({ createdLt }) => {
        requested.push(createdLt);
        return undefined;
    };
    const { unresolved } = await locateSenders({ ...MARKET, store, source }, () => false);

    expect(unresolved).toBe(2);
    expect(requested.sort((one, other) => Number(one - other))).toEqual([0n, 20_000n]);
}, 30_000);
