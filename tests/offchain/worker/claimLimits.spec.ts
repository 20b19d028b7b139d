/** The limits at which claims are made: a pair at each. */
import { TestClient } from '../support/client';
import { claimRound, type Fixture, startFixture } from '../support/worker';

let fixture: Fixture;

afterEach(() => fixture.stop());

const withJob = (terms = {}) => TestClient.withJob(fixture.worker.url, fixture.chain, terms);

describe('claims', () => {
    it.each([
        { age: 86_399, paid: 0n },
        { age: 86_400, paid: 500n },
    ])('are made below the threshold after a day: $paid of 500 nanoTON after $age seconds', async ({ age, paid }) => {
        fixture = await startFixture({ claim: { seconds: 0.02, threshold: '1000', minAmount: '50' } });
        const client = await withJob({ end: fixture.chain.now() + 30 * 86_400 });
        const at = fixture.chain.freeze();
        await client.pay(client.voucher(500n, 0));
        fixture.chain.freeze(at + age);
        await claimRound();
        expect(fixture.chain.paidBy(client.channel)).toBe(paid);
    });

    it.each([
        { due: 499n, orders: 0 },
        { due: 500n, orders: 1 },
    ])('are made after a day for ten times what they cost: $orders of $due nanoTON', async ({ due, orders }) => {
        fixture = await startFixture({ claim: { seconds: 0.02, threshold: '1000', minAmount: '50' } });
        const client = await withJob({ end: fixture.chain.now() + 30 * 86_400 });
        await client.pay(client.voucher(due, 0));
        fixture.chain.advance(2 * 86_400);
        await claimRound();
        expect(fixture.wallet.orders).toHaveLength(orders);
    });

    it.each([
        { untilRefund: 1800, orders: 1 },
        { untilRefund: 1801, orders: 0 },
    ])('are made $untilRefund seconds before a refund with a margin of 1800: $orders', async (row) => {
        fixture = await startFixture({ claim: { seconds: 0.02, threshold: '1000' } });
        const client = await withJob();
        fixture.chain.change(client.channel, { refundAt: fixture.chain.freeze() + row.untilRefund });
        await client.pay(client.voucher(500n, 0));
        await claimRound();
        expect(fixture.wallet.orders).toHaveLength(row.orders);
    });

    it('carry 255 channels in one order, and the others in the next', async () => {
        fixture = await startFixture();
        const clients = await Promise.all(Array.from({ length: 256 }, () => withJob()));
        await Promise.all(clients.map((client) => client.pay(client.voucher(5n, 0))));

        expect(await fixture.worker.claimNow()).toMatchObject({ claimed: 256, failed: 0 });
        expect(fixture.wallet.orders.map((order) => order.length)).toEqual([255, 1]);
    });
});
