/** Rules 2, 4, 5, 12 and 17 of docs/protocol.md with numbers that can be computed by hand. */
import { Allowance } from '../../../offchain/worker/allowance';
import {
    answerTokens,
    billedCounts,
    frameTokens,
    maySend,
    promptBoundPrice,
    stepCarriesFrames,
    tokensFor,
    unmeteredBound,
} from '../../../offchain/worker/credit';
import { QueryCost } from '../../../offchain/worker/queryCost';

/** 2, 3, 5 and 4 nanoTON a token. */
const RATES = { prompt: 2_000_000n, cached: 3_000_000n, completion: 5_000_000n, reasoning: 4_000_000n };
const NONE = { prompt: 0, cached: 0, completion: 0, reasoning: 0 };
const MAX = 0xffff_ffff;

describe('Credit by numbers', () => {
    it('what may be sent before the next voucher: a step for each query that runs, and not one nanoTON more', () => {
        const running = [
            { sent: 30n, unmetered: 20n },
            { sent: 10n, unmetered: 0n },
        ];
        const state = { step: 100n, ended: 50n, paid: 10n, running };
        expect([maySend(state, 100n), maySend(state, 101n)]).toEqual([true, false]);
        expect([maySend({ ...state, running: [], paid: 50n }, 0n), maySend({ ...state, running: [] }, 0n)]).toEqual([
            ...[true, false],
        ]);
    });

    it('tokens that an amount pays', () => {
        expect([tokensFor(-1n, 1n), tokensFor(-1n, 0n), tokensFor(0n, 1n), tokensFor(0n, 0n)]).toEqual([0, 0, 0, MAX]);
        expect([tokensFor(9n, 5_000_000n), tokensFor(10n, 5_000_000n), tokensFor(1n, 1n)]).toEqual([1, 2, 1_000_000]);
        expect([tokensFor(BigInt(MAX) + 1n, 1_000_000n), tokensFor(BigInt(MAX), 1_000_000n)]).toEqual([MAX, MAX]);
    });

    it('a prompt at the higher of its two rates', () => {
        expect(promptBoundPrice(10, RATES)).toBe(30n);
        expect(promptBoundPrice(10, { ...RATES, cached: 1n })).toBe(20n);
        expect(promptBoundPrice(0, RATES)).toBe(0n);
    });

    it('tokens of an answer within a ceiling, after the prompt', () => {
        expect([29n, 30n, 34n, 35n, 134n, 135n].map((ceiling) => answerTokens(ceiling, 10, RATES))).toEqual([
            ...[0, 0, 0, 1, 20, 21],
        ]);
    });

    it('tokens of a frame, and the smallest step that carries one', () => {
        expect([10n, 100n, 1000n, 1009n].map((step) => frameTokens(step, RATES))).toEqual([1, 2, 20, 20]);
        expect([199n, 200n].map((step) => stepCarriesFrames(step, RATES))).toEqual([false, true]);
    });

    it('what no count covers: the prompt and the answer beyond its counts, at most half a step', () => {
        const counts = { ...NONE, prompt: 99, completion: 3, reasoning: 1 };
        const bounds = { ...NONE, cached: 99, completion: 7, reasoning: 2 };
        const bound = (promptBound: number, step = 1000n) =>
            unmeteredBound({ step, promptBound, counts, bounds }, RATES);
        expect([bound(0), bound(10), bound(158), bound(159), bound(200)]).toEqual([24n, 54n, 498n, 500n, 500n]);
        expect(bound(10, 100n)).toBe(50n);
    });
});

describe('Billed counts by numbers', () => {
    const even = { prompt: 1_000_000n, cached: 1_000_000n, completion: 1_000_000n, reasoning: 1_000_000n };
    const ended = {
        meter: { prompt: 10, cached: 2, completion: 5, reasoning: 1 },
        accepted: { completion: 1000, reasoning: 1000 },
        ...{ promptBound: 100, promptKnown: true, allCounted: true, cut: false, promptEstimate: 44 },
        textEstimate: { completion: 20, reasoning: 10 },
        ceiling: 1n << 60n,
        usage: undefined as object | undefined,
    };
    const billed = (changes: Partial<typeof ended>, rates = even) => billedCounts({ ...ended, ...changes }, rates);
    const counts = (prompt: number, cached: number, completion: number, reasoning: number) => ({
        ...{ prompt, cached, completion, reasoning },
    });

    it('of an answer that was counted are its meter, and of one that was not are its texts, unless it was cut', () => {
        expect(billed({})).toEqual(ended.meter);
        expect(billed({ allCounted: false })).toEqual(counts(10, 2, 20, 10));
        expect(billed({ allCounted: false, cut: true })).toEqual(ended.meter);
    });

    it.each([
        ['reported', true, { prompt: 20, cached: 5 }, [20, 5]],
        ['reported as cached alone', true, { prompt: 0, cached: 4 }, [10, 4]],
        ['not reported, and known', true, { prompt: 0, cached: 0 }, [10, 2]],
        ['not reported, and not known', false, {}, [44, 2]],
        ['reported above what was sent', true, { prompt: 120, cached: 30 }, [70, 30]],
        ['reported with more cached tokens than were sent', true, { prompt: 50, cached: 150 }, [10, 90]],
    ])('have the prompt as it was %s', (_case, promptKnown, usage, [prompt, cached]) => {
        expect(billed({ promptKnown, usage })).toEqual(counts(prompt, cached, 5, 1));
    });

    it('share reported tokens by the texts if reasoning arrived and was not counted by itself', () => {
        const usage = { prompt: 20, completion: 30 };
        expect(billed({ usage })).toEqual(counts(20, 2, 20, 10));
        expect(billed({ usage: { ...usage, reasoning: 3 } })).toEqual(counts(20, 2, 30, 3));
        for (const completion of [20, 0]) {
            expect(billed({ usage, textEstimate: { completion, reasoning: 0 } })).toEqual(counts(20, 2, 30, 1));
        }
    });

    it('of pieces that nobody counted are in sum what was reported: first without what lies above the meter', () => {
        const of = (completion: number, reasoning: number, textEstimate = { completion: 1, reasoning: 0 }) =>
            billed({ allCounted: false, usage: { prompt: 20, completion, reasoning }, textEstimate });
        expect(of(6, 2)).toEqual(counts(20, 2, 6, 2));
        expect(of(2, 7)).toEqual(counts(20, 2, 5, 4));
        expect(of(9, 0)).toEqual(counts(20, 2, 8, 1));
        expect(of(6, 0)).toEqual(counts(20, 2, 5, 1));
        expect(of(2, 1)).toEqual(counts(20, 2, 2, 1)); // fewer than pieces: both in proportion
        expect(of(0, 0)).toEqual(counts(20, 2, 0, 0));
    });

    it('are reduced to the ceiling in the order completion, reasoning, prompt, cached, never below the meter', () => {
        const usage = { prompt: 20, cached: 5, completion: 10, reasoning: 8 };
        const within = (ceiling: bigint, rates = even) => billed({ usage, ceiling }, rates);
        expect(within(43n)).toEqual(counts(20, 5, 10, 8));
        expect(within(42n)).toEqual(counts(20, 5, 9, 8));
        expect(within(40n)).toEqual(counts(20, 5, 7, 8));
        expect(within(36n)).toEqual(counts(20, 5, 5, 6));
        expect(within(30n)).toEqual(counts(19, 5, 5, 1));
        expect(within(20n)).toEqual(counts(10, 4, 5, 1));
        expect(within(33n, { ...even, completion: 0n })).toEqual(counts(20, 5, 10, 8));
        expect(within(30n, { ...even, completion: 0n })).toEqual(counts(20, 5, 10, 5));
    });

    it('that a backend reported below its pieces are not raised to them by the ceiling', () => {
        const low = { allCounted: false, textEstimate: { completion: 1, reasoning: 0 }, ceiling: 24n };
        const meter = { ...ended.meter, completion: 1, reasoning: 5 };
        expect(billed({ ...low, usage: { prompt: 20, completion: 2, reasoning: 1 } })).toEqual(counts(19, 2, 2, 1));
        expect(billed({ ...low, meter, usage: { prompt: 20, completion: 1, reasoning: 2 } })).toEqual(
            counts(19, 2, 0, 3),
        );
    });
});

describe('The cost of a running query', () => {
    const answer = {
        counts: { ...NONE, completion: 3 },
        bounds: { ...NONE, completion: 7 },
        promptKnown: false,
        prices: 0,
        price() {
            this.prices++;
            return 15n;
        },
    };

    it('is that of its counts and of what no count covers, and is computed once for each change', () => {
        const cost = new QueryCost(answer as never, 10, { step: 1000n, rates: RATES });
        expect(cost.now()).toMatchObject({ sent: 15n, unmetered: 50n });
        cost.now();
        expect(answer.prices).toBe(1);

        answer.promptKnown = true;
        expect(cost.now()).toMatchObject({ unmetered: 20n });
        answer.bounds = { ...NONE, completion: 8 };
        expect(cost.now()).toMatchObject({ unmetered: 25n });
        answer.counts = { ...NONE, completion: 8 };
        expect(cost.now()).toMatchObject({ unmetered: 0n });
        expect(answer.prices).toBe(4);
    });
});

describe('The receipts that bring nothing', () => {
    let now: number;

    beforeEach(() => {
        now = 5_000;
        jest.spyOn(performance, 'now').mockImplementation(() => now);
    });

    afterEach(() => jest.restoreAllMocks());

    const spent = (times: number) => {
        const allowance = new Allowance();
        for (let i = 0; i < times; i++) allowance.spend();
        return allowance;
    };

    it('are 64 at once, and one more for each ten minutes', () => {
        expect([spent(63).isEmpty, spent(64).isEmpty]).toEqual([false, true]);
        const allowance = spent(70);
        now += 599_999;
        expect(allowance.isEmpty).toBe(true);
        now += 1;
        expect(allowance.isEmpty).toBe(false);
        allowance.spend();
        now += 599_999;
        expect(allowance.isEmpty).toBe(true);
        now += 2 * 600_000 - 599_999;
        allowance.spend();
        expect(allowance.isEmpty).toBe(false);
        allowance.spend();
        expect(allowance.isEmpty).toBe(true);
    });

    it('are one more for each that earns, and 64 after any time', () => {
        const allowance = spent(64);
        allowance.earn();
        expect(allowance.isEmpty).toBe(false);
        allowance.spend();
        expect(allowance.isEmpty).toBe(true);
        now += 1e12;
        for (let i = 0; i < 10; i++) allowance.earn();
        for (let i = 0; i < 63; i++) allowance.spend();
        expect(allowance.isEmpty).toBe(false);
        allowance.spend();
        expect(allowance.isEmpty).toBe(true);
    });

    it('that are spent when there are none leave what was earned in part', () => {
        const allowance = spent(64);
        now += 300_000;
        allowance.spend();
        now += 300_000;
        expect(allowance.isEmpty).toBe(false);
    });
});
