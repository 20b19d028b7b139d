import { pricesOf } from '@cocoon-market/wrappers';
import type { PriceLevel } from '@cocoon-market/localnet';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { networkConfig } from '../../../localnet/config';
import { claimCost } from '../../../offchain/worker/costs';
import { TestClient } from '../support/client';
import { type Fixture, type Overrides, startFixture } from '../support/worker';

const pricesAt = (level: PriceLevel) => pricesOf(networkConfig(level)).basechain;

/** nanoTON of the newest record of what a claim costs, at the prices of 2025. */
function measured(): bigint {
    const history = JSON.parse(readFileSync(join(__dirname, '../../../benchmarks/gas.json'), 'utf8')) as {
        fees?: { claim?: number };
    }[];
    return BigInt(history.flatMap(({ fees }) => fees?.claim ?? []).at(-1)!);
}

describe('What a claim costs', () => {
    let fixture: Fixture | undefined;

    /** A worker at these prices whose client has signed a voucher of so much. */
    async function claimed(level: PriceLevel, amount: bigint, minAmount?: string): Promise<number> {
        const prices = async () => pricesAt(level);
        const overrides = { claim: { minAmount, threshold: '1' }, limits: { minDeposit: '0' } } as Overrides;
        fixture = await startFixture(overrides);
        Object.assign(fixture.chain, { prices });
        await fixture.restart(overrides);
        const client = await TestClient.withJob(fixture.worker.url, fixture.chain, {}, 1_000_000_000n);
        await client.pay(client.voucher(amount, 0));
        return (await fixture.worker.claimNow()).claimed;
    }

    afterEach(async () => {
        await fixture?.stop();
        fixture = undefined;
    });

    it('is what was measured, or a few hundredths more', () => {
        const cost = claimCost(pricesAt('2025'));
        expect(cost).toBeGreaterThanOrEqual(measured());
        expect(cost).toBeLessThan((measured() * 105n) / 100n);
    });

    it.each<[PriceLevel, number]>([
        ['2025', 0],
        ['2026', 1],
    ])('at the prices of %s decides whether 0.005 TON are claimed', async (level, claims) => {
        expect(await claimed(level, 5_000_000n)).toBe(claims);
    });

    it('is at most 0.02 TON, whatever an API says of the prices, so that vouchers of more are claimed', async () => {
        const prices = async () => {
            const { gas, ...others } = pricesAt('2025');
            return { ...others, gas: { ...gas, unit: gas.unit * 10_000n } };
        };
        fixture = await startFixture({ claim: { minAmount: undefined, threshold: '1' } });
        Object.assign(fixture.chain, { prices });
        const client = await TestClient.withJob(fixture.worker.url, fixture.chain, {}, 1_000_000_000n);
        await client.pay(client.voucher(20_000_000n, 0));

        expect((await fixture.worker.claimNow()).claimed).toBe(1);
    });

    it('is what the configuration says where it says so', async () => {
        expect(await claimed('2025', 5_000_000n, '5000000')).toBe(1);
    });

    it('fifty times is the smallest deposit of a job, which clients are told', async () => {
        const overrides = { limits: { minDeposit: undefined }, claim: { minAmount: undefined } } as Overrides;
        fixture = await startFixture(overrides);
        Object.assign(fixture.chain, { prices: async () => pricesAt('2025') });
        await fixture.restart(overrides);
        await fixture.worker.claimNow();

        expect(fixture.worker.nodeInfo.limits.minDeposit).toBe(50n * claimCost(pricesAt('2025')));
    });

    it('is what most endpoints say, so that one of three has no deposit refused as too small', async () => {
        const overrides = { limits: { minDeposit: undefined }, claim: { minAmount: undefined } } as Overrides;
        fixture = await startFixture(overrides);
        const { chain } = fixture;
        const account = chain.account.bind(chain);
        const dear = async () => {
            const { gas, ...others } = pricesAt('2025');
            return { ...others, gas: { ...gas, unit: gas.unit * 10_000n } };
        };
        const honest = async () => pricesAt('2025');
        const others = [dear, honest, honest].map((prices) => ({ account, prices }));
        Object.assign(chain, { prices: dear, others });
        await fixture.restart(overrides);
        await fixture.worker.claimNow();

        expect(fixture.worker.nodeInfo.limits.minDeposit).toBe(50n * claimCost(pricesAt('2025')));
        others[2].prices = () => Promise.reject(new Error('the API does not answer'));
        await fixture.restart(overrides);
        await fixture.worker.claimNow();
        expect(fixture.worker.nodeInfo.limits.minDeposit).toBe(50n * claimCost(pricesAt('2025')));
    });

    it('is as before while the chain does not say', async () => {
        const overrides = { limits: { minDeposit: undefined } } as Overrides;
        fixture = await startFixture(overrides);
        Object.assign(fixture.chain, { prices: () => Promise.reject(new Error('the API does not answer')) });
        await fixture.restart(overrides);
        await fixture.worker.claimNow();

        expect(fixture.worker.nodeInfo.limits.minDeposit).toBe(50_000_000n);
    });
});
