import { Provider } from '@cocoon-market/wrappers';
import type { Address } from '@ton/core';
import { account, type Fixture, startFixture } from '../support/worker';

let fixture: Fixture;

afterEach(() => fixture.stop());

const OWNER = account(0x55);
const REGISTRY = account(0x66);
const KEEP = 500_000_000n;
const ABOVE = 2_000_000_000n;
/** The demands' reserve, and one claim. */
const NEVER = (1n << 60n).toString();
const NEEDS = 300_000_000n + 14_000_000n;
const FEES = 10_000_000n;

/** A worker of the provider of OWNER, which the chain says belongs to `owner`. */
async function start(sweep: object = {}, owner: Address = OWNER): Promise<void> {
    const provider = (await Provider.ofOwner(REGISTRY, OWNER)).address;
    fixture = await startFixture(
        {
            ...{ provider: provider.toRawString(), registry: REGISTRY.toRawString() },
            sweep: { to: OWNER.toRawString(), above: NEVER, keep: KEEP.toString(), ...sweep },
        },
        { node: async () => undefined },
    );
    fixture.chain.getters.set(provider.toRawString(), { getProviderState: async () => ({ owner }) });
}

const sent = () =>
    fixture.wallet.orders.flat().map(({ to, value, bounce }) => ({ to: to.toRawString(), value, bounce }));
const toOwner = (value: bigint) => ({ to: OWNER.toRawString(), value, bounce: false });

describe('A sweep', () => {
    it('sends to the owner what is above sweep.keep and the fees', async () => {
        await start();
        fixture.wallet.coins = 3_000_000_000n;
        const report = await fixture.worker.sweepNow();

        expect(report).toMatchObject({ sent: true, amount: 3_000_000_000n - KEEP - FEES, reason: '' });
        expect(sent()).toEqual([toOwner(report.amount)]);
    });

    it.each([
        { coins: NEEDS + FEES, amount: 0n },
        { coins: NEEDS + FEES + 1n, amount: 1n },
    ])('leaves what claims and demands need, whatever sweep.keep is: of $coins it sends $amount', async (row) => {
        await start({ keep: '0' });
        fixture.wallet.coins = row.coins;
        expect(await fixture.worker.sweepNow()).toMatchObject({ amount: row.amount, sent: row.amount > 0n });
        expect(sent()).toEqual(row.amount > 0n ? [toOwner(row.amount)] : []);
    });

    it.each([
        { coins: ABOVE, sweeps: 0 },
        { coins: ABOVE + 1n, sweeps: 1 },
    ])('begins by itself above sweep.above: $sweeps of a wallet with $coins', async ({ coins, sweeps }) => {
        await start({ above: ABOVE.toString() });
        fixture.wallet.coins = coins;
        await fixture.restart(); // its first round of claims is over before the next command
        await fixture.worker.claimNow();
        await fixture.worker.close();
        expect(sent()).toHaveLength(sweeps);
    });

    it('sends nothing to an address that the provider does not follow from, whatever the chain says', async () => {
        const thief = account(0x77);
        await start({ to: thief.toRawString() }, thief);
        await expect(fixture.worker.sweepNow()).rejects.toThrow('is not the owner of the provider');
        expect(sent()).toEqual([]);
    });

    it('sends nothing when the chain names another owner, in its first answer or just before the order', async () => {
        await start({}, account(0x77));
        await expect(fixture.worker.sweepNow()).rejects.toThrow('is not the owner of the provider');

        const answers = [OWNER, account(0x77)];
        const getProviderState = async () => ({ owner: answers.shift()! });
        const provider = (await Provider.ofOwner(REGISTRY, OWNER)).address.toRawString();
        fixture.chain.getters.set(provider, { getProviderState });
        await expect(fixture.worker.sweepNow()).rejects.toThrow('is not the owner of the provider');
        expect(sent()).toEqual([]);
    });

    it('waits while a demand is open, and says so', async () => {
        await start();
        const { folder } = fixture;
        await fixture.worker.close();
        const { SqliteWorkerStore } = await import('../../../offchain/store/sqliteWorker');
        const store = await SqliteWorkerStore.open(`${folder}/worker.db`);
        const [dispute, job] = [Buffer.alloc(32, 1), Buffer.alloc(32, 2)];
        await store.cases.add([{ dispute, class: 'A3', job, number: 1, reportedAt: fixture.chain.now() }], 1n);
        await store.close();
        await fixture.restart();

        expect(await fixture.worker.sweepNow()).toMatchObject({
            amount: 0n,
            sent: false,
            reason: expect.stringContaining('demand') as string,
        });
        expect(sent()).toEqual([]);
    });

    it('is refused without sweep in the configuration, and says what to add', async () => {
        fixture = await startFixture();
        await expect(fixture.worker.sweepNow()).rejects.toThrow('add "sweep"');
    });
});
