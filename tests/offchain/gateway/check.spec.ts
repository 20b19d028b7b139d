import fc from 'fast-check';
import {
    checkAccept,
    checkMeter,
    checkRefusal,
    checkResult,
    isCut,
    isDoubtful,
    sentQueryOf,
    SentQuery,
    TimeObjection,
} from '../../../offchain/payer/check';
import { countTolerance } from '../../../offchain/link';
import { Finish, priceOf, Reason, Result } from '@cocoon-market/wrappers';

const NOW = 1_000_000;
const rates = { prompt: 1_000_000n, cached: 500_000n, completion: 3_000_000n, reasoning: 2_000_000n };
const clock = { now: NOW, tolerance: 60 };
const own = { completion: 100, reasoning: 10 };
const asked: SentQuery = {
    job: Buffer.alloc(32, 1),
    number: 7,
    request: Buffer.alloc(32, 2),
    ceiling: 10_000n,
    rates,
    askedAt: NOW - 500,
    promptBound: 50,
    stopBound: 0,
};
const accept = { job: asked.job, number: 7, request: asked.request, ceiling: 10_000n, deadline: NOW + 600 };
const counts = { prompt: 40, cached: 5, completion: 100, reasoning: 10 };
const result: Result = {
    job: asked.job,
    number: 7,
    index: 1,
    content: Buffer.alloc(32),
    ...counts,
    price: priceOf(counts, rates),
    cumulative: 1000n,
    finishedAt: NOW,
    finish: Finish.Stop,
};
const other = Buffer.alloc(32, 9);

describe('Checks of receipts', () => {
    it('rule 3: takes an accept that says what was asked', () => {
        expect(checkAccept(accept, asked, clock)).toBeUndefined();
    });

    it.each([
        ['another job', { job: other }],
        ['another number', { number: 8 }],
        ['another request', { request: other }],
        ['a higher ceiling', { ceiling: 10_001n }],
        ['a lower ceiling', { ceiling: 9_999n }],
        ['a deadline more than a minute late', { deadline: NOW + 661 }],
        ['a deadline that has passed', { deadline: NOW - 60 }],
    ])('rule 3: refuses an accept with %s', (_, change) => {
        expect(checkAccept({ ...accept, ...change }, asked, clock)).toBeDefined();
    });

    it.each([660, 540, 1])('rule 3: takes a deadline %s s away', (seconds) => {
        expect(checkAccept({ ...accept, deadline: NOW + seconds }, asked, clock)).toBeUndefined();
    });

    it.each([
        ['the chain is ahead', 1000, 1000 + 660, true],
        ['the chain is ahead and the deadline is later', 1000, 1000 + 661, false],
        ['it fits this clock alone', 1000, 660, true],
        ['the chain is behind', -1000, -1000 - 59, true],
        ['the chain is behind and it has passed', -1000, -1000 - 60, false],
        ['the clocks are the same', 0, 661, false],
    ])('rule 3: takes a deadline by this clock or by that of the chain: %s', (_, offset, seconds, isTaken) => {
        const objection = checkAccept({ ...accept, deadline: NOW + seconds }, asked, { ...clock, offset });
        expect(objection === undefined).toBe(isTaken);
    });

    it('takes of a stored query what was asked, and of its job the hash and the rates', () => {
        const { job, rates: _, ...rest } = asked;
        expect(sentQueryOf({ hash: job, terms: { rates } }, { ...rest, phase: 'open' } as typeof rest)).toEqual(asked);
    });

    it('says of a time that it does not fit this clock, which may be the one that is wrong', () => {
        const late = { ...accept, deadline: NOW + 661 };
        expect(String(checkAccept(late, asked, clock))).toBe(
            "its deadline is not within 600 s of this gateway's clock",
        );
        expect(isDoubtful(clock)).toBe(true);
        expect([-61, -60, 0, 60, 61].map((offset) => isDoubtful({ ...clock, offset }))).toEqual([
            ...[true, false, false, false, true],
        ]);
    });

    it.each([
        [Finish.Stop, false],
        [Finish.Length, false],
        [Finish.ContentFilter, false],
        [Finish.CutByClient, true],
        [Finish.CutByBackend, true],
        [Finish.CutByWorker, true],
    ])('knows of finish %s whether an answer was cut short: %s', (finish, isShort) => {
        expect(isCut(finish)).toBe(isShort);
    });

    it('refuses a decline for another request', () => {
        const decline = { job: asked.job, number: 7, request: asked.request, reason: Reason.TooBusy, signedAt: NOW };
        expect(checkRefusal(decline, asked)).toBeUndefined();
        expect(checkRefusal({ ...decline, request: other }, asked)).toBeDefined();
        expect(checkRefusal({ ...decline, number: 8 }, asked)).toBeDefined();
    });

    it.each([
        ['that falls', { ...counts, completion: 99 }, counts],
        ['above the ceiling', { prompt: 0, cached: 0, completion: 3334, reasoning: 0 }, undefined],
        ['with more completion tokens than arrived', { ...counts, completion: countTolerance(100) + 1 }, undefined],
        ['with more reasoning tokens than arrived', { ...counts, reasoning: countTolerance(10) + 1 }, undefined],
        ['with more prompt tokens than were sent', { ...counts, prompt: countTolerance(50) - 4 }, undefined],
    ])('rule 6: refuses a meter %s', (_, meter, last = { prompt: 0, cached: 0, completion: 0, reasoning: 0 }) => {
        expect(checkMeter(meter, last, own, asked)).toBeDefined();
    });

    it('rule 6: takes a meter at exactly 2 % + 16 tokens above the own count', () => {
        const meter = { prompt: 0, cached: 0, completion: 118, reasoning: 0 };
        expect(checkMeter(meter, { ...meter, completion: 0 }, own, asked)).toBeUndefined();
        expect(checkMeter({ ...meter, completion: 119 }, { ...meter, completion: 0 }, own, asked)).toBeDefined();
    });

    it('rule 6: takes a meter at each limit, and refuses it one token above', () => {
        const none = { prompt: 0, cached: 0, completion: 0, reasoning: 0 };
        const query = { ...asked, stopBound: 10 };
        const objectionTo = (meter: object, of = query) => checkMeter({ ...none, ...meter }, none, own, of);
        expect(objectionTo({ prompt: 60, cached: countTolerance(50) - 60 })).toBeUndefined();
        expect(objectionTo({ prompt: 60, cached: countTolerance(50) - 59 })).toContain(
            'more prompt tokens than were sent',
        );
        expect(objectionTo({ completion: countTolerance(110) })).toBeUndefined();
        expect(objectionTo({ completion: countTolerance(110) + 1 })).toContain('more completion tokens than arrived');
        expect(objectionTo({ reasoning: countTolerance(10) })).toBeUndefined();
        expect(objectionTo({ reasoning: countTolerance(10) + 1 })).toContain('more reasoning tokens than arrived');
        const meter = { ...none, prompt: 40, completion: 100 };
        const price = priceOf(meter, rates);
        expect(objectionTo(meter, { ...query, ceiling: price })).toBeUndefined();
        expect(objectionTo(meter, { ...query, ceiling: price - 1n })).toBe('the meter is above the ceiling');
        expect(checkMeter(meter, { ...meter, prompt: 41 }, own, query)).toBe('the meter fell');
        expect(checkMeter(meter, meter, own, query)).toBeUndefined();
    });

    it('rule 10: takes a result at its ceiling and at either end of its time', () => {
        const live = { ...clock, late: false };
        const query = { ...asked, ceiling: result.price };
        for (const finishedAt of [NOW - 60, NOW + 60]) {
            expect(checkResult({ ...result, finishedAt }, query, own, live)).toBeUndefined();
        }
    });

    it.each([
        ['the time of this clock', 1000, 60, false, true],
        ['a time after it', 1000, 61, false, false],
        ["the time of the chain's clock", 1000, 1060, false, true],
        ['a time after that', 1000, 1061, false, false],
        ['a time between the two', 1000, 500, false, false],
        ['the time of a clock that is behind', -1000, -1060, false, true],
        ['afterwards, the time of the question by this clock', 5000, -560, true, true],
        ['afterwards, a time before it', 5000, -561, true, false],
        ["afterwards, the time of the question by the chain's clock", 5000, 5000 - 560, true, true],
        ["afterwards, a time before it by the chain's clock", 5000, 5000 - 561, true, false],
    ])('rule 10: compares the time of a result with both clocks: %s', (_, offset, seconds, late, isTaken) => {
        const reading = { ...clock, offset, late };
        const objection = checkResult({ ...result, finishedAt: NOW + seconds }, asked, own, reading);
        expect(objection === undefined).toBe(isTaken);
        expect(objection instanceof TimeObjection).toBe(!isTaken);
    });

    it('rule 15: a question from after the time of the receipt does not make an older one right', () => {
        const ahead = { ...asked, askedAt: NOW + 500 };
        const late = { ...clock, late: true };
        expect(checkResult({ ...result, finishedAt: NOW - 60 }, ahead, own, late)).toBeUndefined();
        expect(checkResult({ ...result, finishedAt: NOW - 61 }, ahead, own, late)).toBeInstanceOf(TimeObjection);
    });

    it('rule 10: takes a result that says what was asked', () => {
        expect(checkResult(result, asked, own, { ...clock, late: false })).toBeUndefined();
    });

    it.each([
        ['another job', { job: other }],
        ['another number', { number: 8 }],
        ['index 0', { index: 0 }],
        ['a price that is not that of its counts', { price: result.price + 1n }],
        ['a finish that nobody knows', { finish: 77 }],
        ['a time more than a minute ahead', { finishedAt: NOW + 61 }],
        ['a time more than a minute ago', { finishedAt: NOW - 61 }],
        ['more tokens than arrived', { completion: 200, price: priceOf({ ...counts, completion: 200 }, rates) }],
    ])('rule 10: refuses a result with %s', (_, change) => {
        expect(checkResult({ ...result, ...change }, asked, own, { ...clock, late: false })).toBeDefined();
    });

    it('rule 10: refuses a result above the ceiling', () => {
        const low = { ...asked, ceiling: result.price - 1n };
        expect(checkResult(result, low, own, { ...clock, late: false })).toContain('ceiling');
    });

    it('rule 15: a result fetched afterwards may be as old as its query, not older', () => {
        const late = { ...clock, late: true };
        expect(checkResult({ ...result, finishedAt: NOW - 560 }, asked, own, late)).toBeUndefined();
        expect(checkResult({ ...result, finishedAt: NOW - 561 }, asked, own, late)).toBeDefined();
    });

    it('rules 6 and 10: no accepted meter or result ever costs more than the ceiling', () => {
        const count = fc.integer({ min: 0, max: 5000 });
        const any = fc.record({ prompt: count, cached: count, completion: count, reasoning: count });
        fc.assert(
            fc.property(any, fc.bigInt({ min: 0n, max: 20_000n }), (meter, ceiling) => {
                const query = { ...asked, ceiling, promptBound: 5000 };
                const seen = { completion: 5000, reasoning: 5000 };
                const price = priceOf(meter, rates);
                const none = { prompt: 0, cached: 0, completion: 0, reasoning: 0 };
                const priced = { ...result, ...meter, price };
                const taken =
                    checkMeter(meter, none, seen, query) === undefined ||
                    checkResult(priced, query, seen, { ...clock, late: false }) === undefined;
                expect(taken && price > ceiling).toBe(false);
            }),
        );
    });
});
