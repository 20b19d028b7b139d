/** Prices and quotes with numbers that can be computed by hand. */
import { beginCell } from '@ton/core';
import { gas, larger, maxRates, mTon, noTokens, priceOf, type Rates, smaller } from '@cocoon-market/wrappers';
import type { SellingNode } from '@cocoon-market/wrappers/market';
import { chainFees, quoteOf } from '@cocoon-market/wrappers/market/quote';
import type { ChainPrices } from '@cocoon-market/wrappers/prices';

const UNIT = 1n << 16n;
const FREE: ChainPrices = {
    storage: { bit: 0n, cell: 0n },
    gas: { flatUnits: 0n, flat: 0n, unit: 0n },
    forward: { lump: 0n, bit: 0n, cell: 0n },
};
const RATES: Rates = { prompt: 2_000_000n, cached: 3_000_000n, completion: 5_000_000n, reasoning: 4_000_000n };

describe('The price of a query', () => {
    it('is the sum of counts times rates, rounded up once', () => {
        const counts = { prompt: 1, cached: 10, completion: 100, reasoning: 1000 };
        expect(priceOf(counts, RATES)).toBe(2n + 30n + 500n + 4000n);
        const one = (rate: bigint) =>
            priceOf({ ...noTokens, prompt: 1, completion: 1 }, { ...RATES, prompt: rate, completion: 0n });
        expect([0n, 1n, 999_999n, 1_000_000n, 1_000_001n].map(one)).toEqual([0n, 1n, 1n, 1n, 2n]);
    });

    it('is computed in numbers, which is several times faster, wherever these are exact', () => {
        const conversions = (count: number, rate: bigint) => {
            const made = jest.spyOn(globalThis, 'BigInt');
            priceOf({ ...noTokens, completion: count }, { ...RATES, completion: rate });
            const { length } = made.mock.calls;
            made.mockRestore();
            return length;
        };
        const last = BigInt(Number.MAX_SAFE_INTEGER) - 1_000_001n;
        expect([conversions(0, 1n), conversions(500, 400_000n), conversions(1, last)]).toEqual([1, 1, 1]);
        expect([conversions(1, last + 1n), conversions(-1, 1n)]).toEqual([4, 4]);
    });

    it('adds each kind, and is not rounded up by what numbers cannot hold', () => {
        for (const kind of ['cached', 'completion', 'reasoning'] as const) {
            const rate = RATES[kind] / 1_000_000n;
            expect(priceOf({ ...noTokens, prompt: 1000, [kind]: 1 }, RATES)).toBe(2000n + rate);
        }
        expect(priceOf({ ...noTokens, prompt: 1 }, { ...RATES, prompt: 9_007_199_254_000_000n })).toBe(9_007_199_254n);
    });

    it('is exact where numbers end, and above it', () => {
        const limit = BigInt(Number.MAX_SAFE_INTEGER);
        for (const rate of [
            limit - 1_000_001n,
            limit - 1_000_000n,
            limit - 999_999n,
            limit,
            limit + 2n,
            2n ** 64n - 1n,
        ]) {
            for (const kind of ['prompt', 'cached', 'completion', 'reasoning'] as const) {
                const rates = { prompt: 0n, cached: 0n, completion: 0n, reasoning: 0n, [kind]: rate };
                expect(priceOf({ ...noTokens, [kind]: 1 }, rates)).toBe((rate + 999_999n) / 1_000_000n);
                expect(priceOf({ ...noTokens, [kind]: 3 }, rates)).toBe((3n * rate + 999_999n) / 1_000_000n);
            }
        }
    });

    it.each(['prompt', 'cached', 'completion', 'reasoning'] as const)(
        'refuses %s tokens that are no whole number',
        (kind) => {
            expect(() => priceOf({ ...noTokens, [kind]: 1.5 }, RATES)).toThrow(RangeError);
        },
    );

    it('of negative counts is not rounded as if they were positive', () => {
        expect(priceOf({ ...noTokens, prompt: -1 }, { ...RATES, prompt: 1_500_000n })).toBe(0n);
        expect(priceOf({ ...noTokens, prompt: -3 }, RATES)).toBe(-5n);
    });

    it('is bounded by the higher rate of a prompt and of an answer', () => {
        expect(maxRates(RATES)).toEqual({ prompt: 3_000_000n, answer: 5_000_000n });
        expect(maxRates({ prompt: 7n, cached: 1n, completion: 2n, reasoning: 8n })).toEqual({ prompt: 7n, answer: 8n });
        expect([larger(1n, 2n), larger(2n, 1n), smaller(1n, 2n), smaller(2n, 1n)]).toEqual([2n, 2n, 1n, 1n]);
    });
});

describe('Fees in thousandths of a TON', () => {
    it.each([
        [0n, '0.000'],
        [1n, '0.001'],
        [1000n, '0.001'],
        [1001n, '0.002'],
        [1_500_000n, '1.500'],
        [12_345_678_901n, '12345.679'],
    ])('of %s nanoTON are %s', (nano, text) => {
        expect(mTon(nano)).toBe(text);
    });
});

describe('The fees of a quote', () => {
    const code = beginCell().storeUint(1, 8).storeRef(beginCell().storeUint(2, 16).endCell()).endCell();

    it('are the gas of the job and of the order, and of a leave and a refund', () => {
        const fees = chainFees({ ...FREE, gas: { ...FREE.gas, unit: UNIT } }, code);
        expect(fees).toEqual({
            opening: 2n * BigInt(gas.GasOpenJob),
            ending: BigInt(gas.GasJobOrder) + BigInt(gas.GasRefund),
        });
    });

    it('have one message for each part of an opening, and four for an ending', () => {
        const fees = chainFees({ ...FREE, forward: { ...FREE.forward, lump: 7n } }, code);
        expect(fees).toEqual({ opening: 14n, ending: 28n });
    });

    it('grow by the cells and bits of the code twice, at an opening alone', () => {
        const prices = { ...FREE, forward: { lump: 0n, cell: 100n * UNIT, bit: UNIT } };
        const wider = beginCell().storeUint(1, 8).storeRef(code).endCell();
        const [small, large] = [chainFees(prices, code), chainFees(prices, wider)];
        expect(large.opening - small.opening).toBe(2n * (100n + 8n));
        expect(large.ending).toBe(small.ending);
        // The rest of the message has cells and bits too.
        const openingOf = (forward: object) =>
            chainFees({ ...FREE, forward: { ...FREE.forward, ...forward } }, code).opening;
        expect(openingOf({ cell: UNIT })).toBeGreaterThan(2n * 2n);
        expect(openingOf({ bit: UNIT })).toBeGreaterThan(2n * 24n);
    });
});

describe('A quote', () => {
    const node = {} as SellingNode;
    const code = beginCell().endCell();
    const tokens = { prompt: 10, completion: 20, cached: 0, reasoning: 0 };
    const quote = (request: object, basechain = FREE) =>
        quoteOf(node, RATES, { model: 'm', tokens, ...request }, { basechain, channelCode: code });

    it('is of one query a day unless it says more', () => {
        expect(quote({})).toMatchObject({ node, rates: RATES, query: 120n, answers: 120n, day: 120n });
        expect(quote({ queriesADay: 1000 })).toMatchObject({ query: 120n, answers: 120_000n, day: 120_000n });
    });

    it('advises a third more than the answers of a day, and the rent, rounded up to 0.01 TON', () => {
        // 30.006 TON of answers are 40.008 TON of a job of which a quarter is not used; the rent is 2 mTON.
        const advice = (queriesADay: number) =>
            quote({ tokens: { ...tokens, prompt: 1, completion: 0 }, queriesADay }).deposit;
        expect(advice(15_003_000_000)).toMatchObject({
            ...{ job: 40_010_000_000n, jobLimit: 40_010_000_000n },
            ...{ escrow: 80_020_000_000n, dayLimit: 80_020_000_000n, min: 0n, reserve: 0n },
        });
        expect(advice(15_003_000_001)).toMatchObject({ job: 40_020_000_000n, escrow: 80_040_000_000n });
        expect(advice(1).job).toBe(10_000_000n);
    });

    it('advises at least what an escrow opens a job with', () => {
        const basechain = { ...FREE, gas: { ...FREE.gas, unit: 1000n * UNIT } };
        const { deposit, fees, day } = quote({}, basechain);
        expect(deposit.min).toBe(1000n * BigInt(gas.GasWholeJob));
        expect(deposit.job).toBe(20_000_000n); // 14.8 mTON and the rent, rounded up
        expect(fees.opening).toBe(2000n * BigInt(gas.GasOpenJob));
        expect(day).toBe(120n + fees.opening);
        const twice = 2n * (deposit.job + fees.opening);
        expect(deposit.dayLimit).toBe(((twice + 9_999_999n) / 10_000_000n) * 10_000_000n);
    });

    it('advises a reserve of a year beside two jobs', () => {
        const { deposit } = quote({}, { ...FREE, storage: { bit: 0n, cell: 1000n } });
        expect(deposit.reserve).toBeGreaterThan(20_000_000n);
        const twice = 2n * deposit.job;
        expect(deposit.escrow).toBe(((twice + deposit.reserve + 9_999_999n) / 10_000_000n) * 10_000_000n);
        expect(deposit.dayLimit).toBe(((twice + 9_999_999n) / 10_000_000n) * 10_000_000n);
    });
});
