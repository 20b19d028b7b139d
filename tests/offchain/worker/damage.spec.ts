import Sqlite from 'better-sqlite3';
import { join } from 'node:path';
import { amountToBytes } from '../../../offchain/store/database';
import { echo } from '../support/backend';
import { TestClient } from '../support/client';
import { type Fixture, startFixture } from '../support/worker';

let fixture: Fixture;
let client: TestClient;

beforeEach(async () => {
    fixture = await startFixture();
    client = await TestClient.withJob(fixture.worker.url, fixture.chain);
});

afterEach(() => {
    jest.restoreAllMocks();
    return fixture.stop();
});

/** Ends the worker, changes its store as a failing disk would, and starts it again. */
async function change(statement: string, ...values: unknown[]): Promise<void> {
    await fixture.worker.close();
    const file = new Sqlite(join(fixture.folder, 'worker.db'));
    file.pragma('foreign_keys = OFF');
    expect(file.prepare(statement).run(...values).changes).toBe(1);
    file.close();
    client.url = (await fixture.restart()).url;
}

const refused = (damage: string) => ({
    status: 422,
    refusal: { code: 'wrong_terms', message: `The store of this node is damaged: ${damage}` },
});

describe('A worker whose store is not as it was written', () => {
    it.each([
        ['the number of results is lower', 'UPDATE jobs SET "index" = 1', []],
        ['the sum of prices is another', 'UPDATE jobs SET cumulative = ?', [amountToBytes(1n)]],
        ['the newest result is gone', `UPDATE queries SET endKind = 'fail' WHERE number = 2`, []],
        ['the newest result is shorter', 'UPDATE queries SET endReceipt = ? WHERE number = 2', [Buffer.alloc(9, 255)]],
    ])('signs no result after the last one where %s', async (_case, statement, values) => {
        await client.ask(1, 'one');
        await client.ask(2, 'two');
        await change(statement, ...values);
        await client.register();

        expect(await client.ask(3, 'three')).toMatchObject(
            refused('index and cumulative are not those of the newest result'),
        );
    });

    it('accepts no number again whose row is gone with its result, and goes on above', async () => {
        await client.ask(1, 'one');
        await client.ask(2, 'two');
        await change('DELETE FROM queries WHERE number = 1');
        await client.register();

        expect((await client.ask(1, 'another')).refusal?.code).toBe('used_number');
        expect((await client.ask(3, 'three')).result?.index).toBe(3);
    });

    it('accepts no number again whose row is gone with its result, also after further results', async () => {
        await client.ask(1, 'one');
        await client.ask(2, 'two');
        await change('DELETE FROM queries WHERE number = 1');
        await client.register();

        expect((await client.ask(3, 'three')).result?.index).toBe(3);
        expect((await client.ask(1, 'another')).refusal?.code).toBe('used_number');
    });

    it('accepts no number again whose row is gone with its fail', async () => {
        fixture.backend.script = () => [{ type: 'fail' }];
        expect((await client.ask(1, 'one')).fail).toBeDefined();
        fixture.backend.script = echo;
        await client.ask(2, 'two');
        await change('DELETE FROM queries WHERE number = 1');
        await client.register();

        expect((await client.ask(1, 'another')).refusal?.code).toBe('used_number');
        expect((await client.ask(3, 'three')).result?.index).toBe(2);
    });

    it('refuses a number that was passed over before it began, and takes one that is passed over since', async () => {
        await client.ask(1, 'one');
        await client.ask(3, 'three');
        client.url = (await fixture.restart()).url;
        await client.register();
        await client.ask(5, 'five');

        expect((await client.ask(2, 'two')).refusal?.code).toBe('used_number');
        expect((await client.ask(4, 'four')).result?.index).toBe(4);
    });

    it('serves nothing for a voucher that nobody signed, and does not claim it', async () => {
        await client.ask(1, 'one');
        const { voucher } = await client.state();
        await change('UPDATE jobs SET voucherCumulative = ?', amountToBytes(1_000_000_000n));
        await client.register();

        expect(await client.ask(2, 'two')).toMatchObject(refused('the voucher key did not sign the newest voucher'));
        expect((await fixture.worker.claimNow()).claimed).toBe(0);
        expect([voucher === null, (await client.state()).voucher]).toEqual([false, null]);
    });

    it('serves no job whose terms are not those of its hash', async () => {
        await client.ask(1, 'one');
        await change('UPDATE "sharedTerms" SET bytes = ?', Buffer.alloc(232, 7));

        const answer = await client.ask(2, 'two');

        expect([answer.status, answer.receipts.size]).toEqual([expect.any(Number), 0]);
        expect(answer.status).toBeGreaterThanOrEqual(400);
    });

    it('claims for every other job where the row of one cannot be read', async () => {
        const other = await TestClient.withJob(client.url, fixture.chain);
        await Promise.all([client, other].map((one) => one.pay(one.voucher(1000n, 0))));
        await change('UPDATE jobs SET terms = ? WHERE job = ?', Buffer.alloc(9), client.job);

        expect(await fixture.worker.claimNow()).toMatchObject({ claimed: 1, amount: 1000n });
        expect(fixture.chain.paidBy(other.channel)).toBe(1000n);
    });

    it('goes on where nothing was changed, also after jobs without a result', async () => {
        await client.ask(1, 'one');
        await change('UPDATE jobs SET unclaimedSince = 1');
        const other = await TestClient.withJob(client.url, fixture.chain);
        await change('UPDATE jobs SET unclaimedSince = 1 WHERE job = ?', other.job);
        other.url = client.url;
        await client.register();
        await other.register();

        expect((await client.ask(2, 'two')).result?.index).toBe(2);
        expect((await other.ask(1, 'one')).result?.index).toBe(1);
    });
});
