/** When jobs end, so that what is stored of them can be deleted: whatever one endpoint shows, and nobody claims. */
import { type Address, Cell } from '@ton/core';
import { ChainError } from '../../../offchain/chain';
import type { FakeChain } from '../support/chain';
import { DAY, TestClient } from '../support/client';
import { until } from '../support/until';
import { claimRound, type Fixture, startFixture } from '../support/worker';

const DUE = 50_000n; // nanoTON, more than the threshold

type Read = FakeChain['account'];

let fixture: Fixture;
let seconds: number;

beforeEach(async () => {
    seconds = 0;
    const claim = { seconds: 0.02, threshold: '1000', minAmount: '10' };
    const chain = { freshSeconds: 0, staleSeconds: 0, pollSeconds: 0.01, confirmSeconds: 600 };
    fixture = await startFixture({ claim, chain }, { steady: () => seconds });
});

afterEach(() => fixture.stop());

async function later(passed: number): Promise<void> {
    fixture.chain.advance(passed);
    seconds += passed;
    await claimRound();
}

const withJob = () => TestClient.withJob(fixture.worker.url, fixture.chain);
const jobs = async () => (await fixture.worker.status()).jobs;

async function hours(count: number): Promise<void> {
    for (let hour = 0; hour < count; hour++) await later(3601);
}

describe('A job that has nothing to claim', () => {
    it.each([
        ['it has paid all', true],
        ['it has never paid', false],
    ])('ends once its time is over and its channel is gone, although %s', async (_, pays) => {
        const client = await withJob();
        await client.ask(1, 'one', { pays });
        for (let reading = 0; reading < 4; reading++) await later(500);
        expect(fixture.chain.paidBy(client.channel)).toBe(pays ? client.owed() : 0n);
        fixture.chain.remove(client.channel);
        await hours(5);
        expect(await jobs()).toMatchObject({ open: 1, ended: 0 }); // it is not over

        await later(DAY);
        await hours(5);

        expect(await jobs()).toMatchObject({ open: 0, ended: 1 });
    });

    it('stays while its channel does', async () => {
        await withJob();
        await later(2 * DAY);
        await hours(5);

        expect(await jobs()).toMatchObject({ open: 1, ended: 0 });
    });
});

describe('A job whose channel is gone, as most of three endpoints show', () => {
    /** The endpoints, of which one shows the channel for ever, or answers nothing. */
    async function endpoints(at: number, isDead: boolean, client: TestClient): Promise<void> {
        const { chain } = fixture;
        const honest = chain.account.bind(chain);
        const before = await honest(client.channel);
        const shows: Read = async (address: Address) =>
            address.equals(client.channel) ? { ...before, at: chain.now() } : honest(address);
        const dead: Read = () => Promise.reject(new ChainError('It does not answer'));
        const all = [honest, honest, honest].map((one, i) => (i !== at ? one : isDead ? dead : shows));
        chain.account = all[0];
        const open = chain.open.bind(chain);
        (chain as { others?: unknown[] }).others = all.map((account) => ({ account, open }));
        chain.remove(client.channel);
    }

    it.each([
        ['the first one shows it', 0, false],
        ['the third one shows it', 2, false],
        ['the third one does not answer', 2, true],
    ])('ends after its terms, although %s for ever', async (_, at, isDead) => {
        const client = await withJob();
        await client.pay(client.voucher(DUE, 0));
        await endpoints(at, isDead, client);
        await hours(5);
        expect(await jobs()).toMatchObject({ open: 1, ended: 0 }); // its vouchers may be worth something

        await later(DAY);
        await hours(5);

        expect(await jobs()).toMatchObject({ open: 0, ended: 1 });
    });

    it('ends after its terms, although the first one shows another contract there for ever', async () => {
        const client = await withJob();
        await client.pay(client.voucher(DUE, 0));
        await endpoints(0, false, client);
        const { chain } = fixture;
        const shows = chain.account;
        chain.account = async (address) => ({
            ...(await shows(address)),
            ...(address.equals(client.channel) && { code: Cell.EMPTY }),
        });
        Object.assign(chain.others![0], { account: chain.account });
        await later(2 * DAY);
        await hours(5);

        expect(await jobs()).toMatchObject({ open: 0, ended: 1 });
    });

    it('ends by its last claim, although the first one shows it for ever', async () => {
        const client = await withJob();
        await client.ask(1, 'one');
        await client.pay(client.voucher(DUE, 1));
        const before = await fixture.chain.account(client.channel);
        await client.end();
        await until(() => !fixture.chain.accounts.has(client.channel.toRawString()));
        fixture.chain.accounts.set(client.channel.toRawString(), before);
        await endpoints(0, false, client);
        await hours(5);

        expect(await jobs()).toMatchObject({ ending: 0, ended: 1 });
        expect((await fixture.worker.status()).claimed).toBe(DUE);
    });

    it('is not reopened by the first one, which shows it for ever', async () => {
        const client = await withJob();
        await client.pay(client.voucher(DUE, 0));
        await endpoints(0, false, client);
        await later(2 * DAY);
        await hours(5);
        await client.ask(1, 'one');

        expect(await jobs()).toMatchObject({ open: 0, ended: 1 });
    });
});
