/** A channel that is refunded and deployed again with less: what it held before covers nothing. */
import { channelCode, Reason } from '@cocoon-market/wrappers';
import { Address } from '@ton/core';
import type { FakeChain } from '../support/chain';
import { TestClient } from '../support/client';
import { type Fixture, startFixture } from '../support/worker';

const CEILING = 100_000_000n; // nanoTON
const LESS = 10_000_000n;

let fixture: Fixture;

afterEach(() => fixture.stop());

type Read = FakeChain['account'];

/** From now on the worker has three endpoints; the first one shows the accounts as it likes. */
function threeEndpoints(first: (read: Read) => Read = (read) => read): void {
    const { chain } = fixture;
    const read = chain.account.bind(chain);
    chain.account = first(read);
    const others = [chain.account, read, read].map((account, i) => ({ account, name: `${'abc'[i]}.example` }));
    (chain as { others?: unknown[] }).others = others;
}

async function deployAgain({ terms, channel, parameters }: TestClient): Promise<void> {
    fixture.chain.remove(channel);
    fixture.chain.openChannel(new Address(0, terms.escrow), parameters, await channelCode(), LESS);
}

describe('A channel that is refunded, and deployed again with less', () => {
    it('has no query answered by what it held before', async () => {
        fixture = await startFixture();
        threeEndpoints();
        const client = await TestClient.withJob(fixture.worker.url, fixture.chain);
        expect((await client.ask(1, 'one', { ceiling: CEILING })).result).toBeDefined();
        await deployAgain(client);

        expect((await client.ask(2, 'one', { ceiling: CEILING })).decline).toMatchObject({ reason: Reason.Unfunded });
        expect((await client.ask(3, 'one', { ceiling: LESS / 2n })).result).toBeDefined();
    });

    it('has no voucher taken for what it held before', async () => {
        fixture = await startFixture();
        threeEndpoints();
        const client = await TestClient.withJob(fixture.worker.url, fixture.chain);
        await deployAgain(client);
        await client.ask(1, 'one');

        expect((await client.pay(client.voucher(CEILING, 1))).body.error?.code).toBe('bad_voucher');
    });

    it('has no query answered by what it held before once most endpoints are asked, which the first one hides', async () => {
        let seconds = 0;
        fixture = await startFixture({}, { steady: () => seconds });
        let isHiding = false;
        let before: Awaited<ReturnType<Read>>;
        const client = await TestClient.withJob(fixture.worker.url, fixture.chain);
        threeEndpoints((read) => async (address) => {
            const account = await read(address);
            before = isHiding || !address.equals(client.channel) ? before : account;
            return isHiding && address.equals(client.channel) ? { ...before, at: account.at } : account;
        });
        expect((await client.ask(1, 'one', { ceiling: CEILING })).result).toBeDefined();
        isHiding = true;
        await deployAgain(client);
        seconds += 900; // half a margin

        expect((await client.ask(2, 'one', { ceiling: CEILING })).decline).toMatchObject({ reason: Reason.Unfunded });
    });
});

describe('A client whose channel is gone', () => {
    it('uses up no calls that the worker makes for itself by its queries, only those of clients', async () => {
        fixture = await startFixture();
        const { chain } = fixture;
        const client = await TestClient.withJob(fixture.worker.url, chain);
        const read = chain.account.bind(chain);
        const urgencies: string[] = [];
        const endpoint = (urgency: string): { account: Read; as: (urgency: string) => object } => ({
            account: async (address) => {
                urgencies.push(...(address.equals(client.channel) ? [urgency] : []));
                return read(address);
            },
            as: endpoint,
        });
        (chain as { others?: unknown[] }).others = ['routine', 'routine', 'routine'].map(endpoint);
        chain.remove(client.channel);

        expect((await client.ask(1, 'one')).status).toBeGreaterThanOrEqual(400);
        expect(urgencies).toContain('client');
        expect(urgencies).not.toContain('routine');
    });
});
