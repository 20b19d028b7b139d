import fc from 'fast-check';
import { ResultEntry, Ledger } from '../../../offchain/payer/ledger';

const entry = (index: number, price: bigint, cumulative: bigint): ResultEntry => ({ index, price, cumulative });

describe('Ledger of one job', () => {
    it('rule 7: owes the price of each verified result, else the meter', () => {
        const ledger = new Ledger();
        ledger.raiseMeter(1, 30n);
        ledger.raiseMeter(2, 50n);
        expect(ledger.nextVoucher()).toEqual({ cumulative: 80n, count: 0 });

        ledger.addResult(1, entry(1, 35n, 35n));
        expect(ledger.nextVoucher()).toEqual({ cumulative: 85n, count: 1 });
    });

    it('rule 7: counts results only up to the first that is missing', () => {
        const ledger = new Ledger();
        ledger.addResult(2, entry(2, 10n, 30n));
        ledger.addResult(3, entry(3, 10n, 40n));
        expect(ledger.nextVoucher().count).toBe(0);

        ledger.addResult(1, entry(1, 20n, 20n));
        expect(ledger.nextVoucher()).toEqual({ cumulative: 40n, count: 3 });
    });

    it('rule 7: pays from a quarter of a step on', () => {
        const ledger = new Ledger();
        ledger.raiseMeter(1, 24n);
        expect(ledger.isDue(100n)).toBe(false);
        ledger.raiseMeter(1, 25n);
        expect(ledger.isDue(100n)).toBe(true);
    });

    it('a meter that falls lowers nothing', () => {
        const ledger = new Ledger();
        ledger.raiseMeter(1, 25n);
        ledger.raiseMeter(1, 5n);
        expect(ledger.total).toBe(25n);
    });

    it('rule 16: what was paid for a failed query is credit for the next', () => {
        const ledger = new Ledger();
        ledger.raiseMeter(1, 40n);
        ledger.setVoucher(ledger.nextVoucher());
        ledger.dropMeter(1);
        expect(ledger.unpaid).toBe(0n);
        expect(ledger.nextVoucher()).toEqual({ cumulative: 40n, count: 0 });

        ledger.addResult(2, entry(1, 50n, 50n));
        expect(ledger.unpaid).toBe(10n);
        expect(ledger.nextVoucher()).toEqual({ cumulative: 50n, count: 1 });
    });

    it('takes only what a meter rose by, and knows it by its query', () => {
        const ledger = new Ledger();
        ledger.raiseMeter(1, 25n);
        ledger.raiseMeter(1, 40n);
        ledger.raiseMeter(2, 7n);
        expect([ledger.total, ledger.results]).toEqual([47n, 0n]);
        expect([ledger.meterOf(1), ledger.meterOf(2), ledger.meterOf(3)]).toEqual([40n, 7n, 0n]);
    });

    it('owes nothing while credit lasts, and is due from the first nanoTON on where a step is tiny', () => {
        const ledger = new Ledger();
        expect([ledger.isDue(0n), ledger.hasGrown]).toEqual([false, false]);
        ledger.raiseMeter(1, 1n);
        expect([ledger.isDue(3n), ledger.isDue(7n), ledger.isDue(8n), ledger.unpaid]).toEqual([true, true, false, 1n]);
    });

    it('has grown when either number of the next voucher is higher, and not before', () => {
        const ledger = new Ledger();
        ledger.addResult(1, entry(1, 10n, 10n));
        expect(ledger.hasGrown).toBe(true);
        ledger.setVoucher({ cumulative: 10n, count: 0 });
        expect(ledger.hasGrown).toBe(true);
        ledger.setVoucher({ cumulative: 10n, count: 1 });
        expect(ledger.hasGrown).toBe(false);
        ledger.raiseMeter(2, 1n);
        expect(ledger.hasGrown).toBe(true);
    });

    it('never says a lower count than the last voucher', () => {
        const ledger = new Ledger();
        ledger.setVoucher({ cumulative: 5n, count: 2 });
        ledger.raiseMeter(1, 9n);
        expect(ledger.nextVoucher()).toEqual({ cumulative: 9n, count: 2 });
    });

    it('knows what would be unpaid if a query cost something else than its meter', () => {
        const ledger = new Ledger();
        ledger.addResult(1, entry(1, 100n, 100n));
        ledger.raiseMeter(2, 30n);
        ledger.setVoucher({ cumulative: 110n, count: 1 });
        expect([ledger.unpaidWith(2, 50n), ledger.unpaidWith(3, 50n)]).toEqual([40n, 70n]);
    });

    it('knows what was paid for a query that has no price: its meter at most', () => {
        const ledger = new Ledger();
        ledger.addResult(1, entry(1, 100n, 100n));
        ledger.raiseMeter(2, 30n);
        expect(ledger.paidFor(2)).toBe(0n);
        ledger.setVoucher({ cumulative: 101n, count: 1 });
        expect(ledger.paidFor(2)).toBe(1n);
        ledger.setVoucher({ cumulative: 130n, count: 1 });
        expect([ledger.paidFor(2), ledger.paidFor(3)]).toEqual([30n, 0n]);
        ledger.setVoucher({ cumulative: 150n, count: 1 });
        expect(ledger.paidFor(2)).toBe(30n);
    });

    it('refuses to say less than before', () => {
        const ledger = new Ledger();
        ledger.setVoucher({ cumulative: 10n, count: 1 });
        expect(() => ledger.setVoucher({ cumulative: 9n, count: 1 })).toThrow(RangeError);
        expect(() => ledger.setVoucher({ cumulative: 10n, count: 0 })).toThrow(RangeError);
    });

    describe('rule 10: a result against its neighbours', () => {
        let ledger: Ledger;
        beforeEach(() => {
            ledger = new Ledger();
            ledger.addResult(1, entry(1, 10n, 10n));
            ledger.addResult(3, entry(3, 10n, 40n));
        });

        it('takes one that fits both', () => {
            expect(ledger.objection(entry(2, 20n, 30n))).toBeUndefined();
        });

        it('takes one far above a gap whose price begins where the earlier ones end', () => {
            expect(ledger.objection(entry(9, 10n, 20n))).toBeUndefined();
        });

        it.each([
            ['a used index', entry(1, 5n, 15n), 'already has index 1'],
            ['an index used above a gap', entry(3, 10n, 40n), 'already has index 3'],
            ['a cumulative that is not the one below plus the price', entry(2, 21n, 30n), 'not that of result 1 plus'],
            ['the same above a gap', entry(4, 10n, 51n), 'not that of result 3 plus its price'],
            ['a cumulative that does not lead to the one above', entry(2, 10n, 20n), 'is not the cumulative of that'],
            ['a cumulative below an earlier one', entry(9, 10n, 19n), 'below that of an earlier result'],
        ])('refuses %s', (_, wrong, objection) => {
            expect(ledger.objection(wrong)).toContain(objection);
        });

        it('counts those that were verified, and those that arrived together', () => {
            expect([ledger.verified, ledger.count]).toEqual([2, 1]);
            ledger.addResult(2, entry(2, 20n, 30n));
            expect([ledger.verified, ledger.count]).toEqual([3, 3]);
        });
    });

    it('rule 11: results in any order come to the same voucher', () => {
        fc.assert(
            fc.property(
                fc.array(fc.bigInt({ min: 0n, max: 1000n }), { minLength: 1, maxLength: 20 }).chain((prices) =>
                    fc.record({
                        prices: fc.constant(prices),
                        order: fc.shuffledSubarray(
                            prices.map((_, i) => i),
                            { minLength: prices.length },
                        ),
                    }),
                ),
                ({ prices, order }) => {
                    const ledger = new Ledger();
                    for (const i of order) {
                        const cumulative = prices.slice(0, i + 1).reduce((sum, price) => sum + price, 0n);
                        const one = entry(i + 1, prices[i], cumulative);
                        expect(ledger.objection(one)).toBeUndefined();
                        ledger.addResult(i + 1, one);
                    }
                    const total = prices.reduce((sum, price) => sum + price, 0n);
                    expect(ledger.nextVoucher()).toEqual({ cumulative: total, count: prices.length });
                },
            ),
        );
    });

    it('rule 7: whatever happens, vouchers only grow and never exceed all that was metered', () => {
        const step = fc.oneof(
            fc.record({
                do: fc.constant('meter' as const),
                number: fc.integer({ min: 1, max: 5 }),
                price: fc.bigInt({ min: 0n, max: 100n }),
            }),
            fc.record({ do: fc.constant('drop' as const), number: fc.integer({ min: 1, max: 5 }) }),
            fc.record({
                do: fc.constant('result' as const),
                number: fc.integer({ min: 1, max: 5 }),
                price: fc.bigInt({ min: 0n, max: 100n }),
            }),
            fc.record({ do: fc.constant('sign' as const) }),
        );
        fc.assert(
            fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
                const ledger = new Ledger();
                let last = ledger.voucher;
                let index = 0;
                let cumulative = 0n;
                let max = 0n; // the highest total ever owed
                for (const one of steps) {
                    if (one.do === 'meter') ledger.raiseMeter(one.number, one.price);
                    if (one.do === 'drop') ledger.dropMeter(one.number);
                    if (one.do === 'result') {
                        cumulative += one.price;
                        ledger.addResult(one.number, entry(++index, one.price, cumulative));
                    }
                    max = ledger.total > max ? ledger.total : max;
                    if (one.do === 'sign') ledger.setVoucher(ledger.nextVoucher());
                    expect(ledger.voucher.cumulative >= last.cumulative).toBe(true);
                    expect(ledger.voucher.count).toBeGreaterThanOrEqual(last.count);
                    expect(ledger.voucher.cumulative <= max).toBe(true);
                    last = ledger.voucher;
                }
            }),
        );
    });
});
