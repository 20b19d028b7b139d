/** `npm run scale`: what issue 13 demands of it, the rules of money at their boundaries, and the page that shows it. */
import { SimulatedChain } from '../../benchmarks/scale/chain';
import { Fees, LEVELS, type OperationCounts } from '../../benchmarks/scale/fees';
import { Job } from '../../benchmarks/scale/job';
import { fsyncs } from '../../benchmarks/scale/machines';
import { BASE, DAY, depositOf, type Model, priceOf, SHORT } from '../../benchmarks/scale/model';
import { pageWith, readPage, readPlot, readReport } from '../../benchmarks/scale/page';
import { plotOf } from '../../benchmarks/scale/plot';
import {
    isClaimDue,
    isOrderTaken,
    maxRunning,
    mayAccept,
    mayPayLate,
    mayRefund,
    maySend,
} from '../../benchmarks/scale/rules';
import { resultOf, runNamed } from '../../benchmarks/scale/scenarios';
import { Simulation } from '../../benchmarks/scale/simulation';
import { latest, readHistory } from '../../benchmarks/history';

const TON = 1_000_000_000;
const STEP = 0.01 * TON;

/** A twenty-fifth of the market, with as many queries for each gateway. */
function smallModel(failures: Partial<Model['failures']>, changes: Partial<Model> = {}): Model {
    return {
        ...BASE,
        ...SHORT,
        market: { queriesADay: 40_000_000, gateways: 4, providers: 12, nodesPerProvider: 10 },
        order: { ...BASE.order, escrows: 4 },
        failures: { ...BASE.failures, nodeDays: 1e6, gatewayDays: 1e6, goneShare: 0, ...failures },
        ...changes,
    };
}

describe('A billion queries a day, in the short form', () => {
    const model = { ...BASE, ...SHORT };
    const result = resultOf(model);

    it('cost at most a hundredth of their price in jobs of 10,000, at the prices of both years', () => {
        expect(model.job.queries).toBe(10_000);
        for (const level of LEVELS) {
            expect(result.cost[level].part).toBeLessThanOrEqual(0.01);
        }
    });

    it("lock at most 0.3 of a day's turnover", () => {
        expect(result.maxLockedPart).toBeLessThanOrEqual(0.3);
    });

    it('leave no node underpaid, and no coin unaccounted for', () => {
        expect(result.money).toMatchObject({ underpaid: 0, refused: 0, uncovered: 0, conserved: true });
        expect(result.money.ended).toBeGreaterThan(5_000);
        expect(result.failures.nodeFailures).toBeGreaterThan(0);
        expect(result.failures.gatewayFailures).toBeGreaterThan(0);
        expect(result.money.lost).toBeLessThanOrEqual(result.money.allowedLoss);
    });

    it('serve 1.5 times the mean in the busiest hours, but for a few queries after a stall', () => {
        expect(result.queries / ((1e9 / DAY) * 1.5 * SHORT.hours * 3600)).toBeCloseTo(1, 1);
        expect(result.unservedPart).toBeLessThan(0.01);
    });
});

describe('A simulation', () => {
    it('gives the same result for the same seed, and another for another', () => {
        const [first, second, other] = [1, 1, 2].map((seed) =>
            new Simulation({ ...smallModel({ nodeDays: 1, gatewayDays: 1 }), seed }).run(),
        );

        expect(second).toEqual(first);
        expect(other.operations).not.toEqual(first.operations);
    });

    it('loses no money in a stall of the chain, in which orders lapse and are made again', () => {
        const { lapsed, underpaid, lost, conserved, minutes } = new Simulation(smallModel({})).run();

        expect(lapsed).toBeGreaterThan(0);
        expect({ underpaid, lost, conserved }).toEqual({ underpaid: 0, lost: 0, conserved: true });
        expect(minutes.at(-1)!.unserved).toBe(0);
    });

    it('loses no money with a gateway that is killed and taken over', () => {
        const totals = new Simulation(smallModel({ gatewayDays: 0.02 })).run();

        expect(totals.gatewayFailures).toBeGreaterThan(10);
        expect(totals.cut).toBeGreaterThan(10 * totals.gatewayFailures);
        expect(totals).toMatchObject({ underpaid: 0, refused: 0, lost: 0, allowedLoss: 0, conserved: true });
    });

    it('loses at most a step for each query that ran when a client disappeared for ever', () => {
        const totals = new Simulation(smallModel({ gatewayDays: 0.02, goneShare: 1 })).run();

        expect(totals.lost).toBeGreaterThan(0);
        expect(totals.allowedLoss).toBe(totals.cut * STEP);
        expect(totals.lost).toBeLessThanOrEqual(totals.allowedLoss);
        expect(totals).toMatchObject({ underpaid: 0, conserved: true });
    });

    // A worker has 900 s to end a job. Then its client leaves, and may take the rest after the notice of 3,600 s.
    it.each([
        { away: 900 + 3_599, underpaid: false },
        { away: 900 + 3_662, underpaid: true },
    ])('with nodes that are away for $away s has underpaid nodes: $underpaid', ({ away, underpaid }) => {
        const totals = new Simulation(
            smallModel(
                { nodeDays: 0.3, nodeSeconds: 1e12, maxNodeSeconds: away },
                { job: { ...BASE.job, queries: 1_000 }, chain: { ...BASE.chain, stallHours: [] }, hours: 2 },
            ),
        ).run();

        expect(totals.operations.leaves).toBeGreaterThan(0);
        expect(totals.underpaid > 0).toBe(underpaid);
        expect(totals.conserved).toBe(true);
    });
});

describe('The rules of money', () => {
    const claim = { ...BASE.claim, threshold: TON, minAmount: 6_000_000, maxAgeSeconds: DAY };

    it('price a query as docs/protocol.md does, rounded up once', () => {
        const rates = { prompt: 0.2 * TON, completion: 0.8 * TON };

        expect(priceOf({ ...BASE.query, prompt: 500, completion: 300, rates })).toBe(0.00034 * TON);
        expect(priceOf({ ...BASE.query, prompt: 1, completion: 0, rates: { ...rates, prompt: 1_000_000 } })).toBe(1);
        expect(priceOf({ ...BASE.query, prompt: 1, completion: 0, rates: { ...rates, prompt: 1_000_001 } })).toBe(2);
    });

    it('accept a query up to the balance that vouchers have not promised (rule 2)', () => {
        const sums = { ceilings: 30, unpaid: 20, funds: 150 };

        expect(mayAccept({ ...sums, vouchers: 100 })).toBe(true);
        expect(mayAccept({ ...sums, vouchers: 101 })).toBe(false);
    });

    it('let a worker send as in the example of rule 5', () => {
        expect(maySend(0.02 * TON, 2, STEP)).toBe(true);
        expect(maySend(0.02 * TON + 1, 2, STEP)).toBe(false);
        expect(maySend(0.012 * TON, 1, STEP)).toBe(false);
        expect(maySend(0.01 * TON, 1, STEP)).toBe(true);
    });

    it('let a new client run one query, and one more for each step that was paid (rule 5)', () => {
        const credit = { step: STEP, startSteps: 1 };

        expect(maxRunning(0, 0, credit)).toBe(1);
        expect(maxRunning(0, STEP - 1, credit)).toBe(1);
        expect(maxRunning(0, STEP, credit)).toBe(2);
        expect(maxRunning(1, STEP, credit)).toBe(1);
        expect(maxRunning(STEP, 0, credit)).toBe(0);
        const job = new Job(BASE, { gateway: 0, node: 0, escrow: 0, factor: 1 }, depositOf(BASE), 0);
        expect([job.slots(0), job.slots(STEP), job.slots(TON)]).toEqual([1, 2, 64]);
    });

    it('pay late results up to a step for each query without an end (rule 14)', () => {
        expect(mayPayLate(3 * STEP, 3, STEP)).toBe(true);
        expect(mayPayLate(3 * STEP + 1, 3, STEP)).toBe(false);
    });

    it('claim at the threshold, or after a day what is worth ten claims', () => {
        expect(isClaimDue(TON, 0, claim)).toBe(true);
        expect(isClaimDue(TON - 1, 0, claim)).toBe(false);
        expect(isClaimDue(60_000_000, DAY, claim)).toBe(true);
        expect(isClaimDue(60_000_000, DAY - 1, claim)).toBe(false);
        expect(isClaimDue(59_999_999, DAY, claim)).toBe(false);
        expect(isClaimDue(5_999_999, DAY, { ...claim, threshold: 1 })).toBe(false);
    });

    it('refund from `refundAt` on, and take an order in its last second', () => {
        expect([mayRefund(99, 100), mayRefund(100, 100)]).toEqual([false, true]);
        expect([isOrderTaken(120, 120), isOrderTaken(121, 120)]).toEqual([true, false]);
    });

    it.each([
        { step: STEP, alone: true },
        { step: 400_000, alone: false },
    ])('stop a worker whose gateway died at a step of $step for each query, the last one alone: $alone', (row) => {
        const model = { ...BASE, job: { ...BASE.job, step: row.step } };
        const job = new Job(model, { gateway: 0, node: 0, escrow: 0, factor: 1 }, depositOf(model), 0);
        job.serve(300, 64, 60);
        const { running } = job;

        const ended = job.loseGateway(1, 3600);

        expect(running).toBeGreaterThan(30);
        expect(running - ended === 1).toBe(row.alone);
        expect(job.unpaid).toBeGreaterThan(0);
        expect(maySend(job.unpaid, running, row.step)).toBe(true);
        expect(job.recover()).toBe(true);
        expect(job.unpaid).toBe(0);
    });

    it('pay a job that is used up to the last nanoTON, and never promise more than its deposit', () => {
        const job = new Job(BASE, { gateway: 0, node: 0, escrow: 0, factor: 1 }, depositOf(BASE), 0);
        let queries = 0;
        while (!job.isUsedUp) {
            const slots = job.slots(TON);
            const started = job.capacity(slots, 60);
            job.serve(started, slots, 60);
            queries += started;
            expect(job.isCovered).toBe(true);
            expect(job.vouchers).toBeLessThanOrEqual(depositOf(BASE));
        }
        job.settle(0);

        // All but what could not be promised: the ceiling of the last query is three times its price.
        expect(queries).toBe(10_000 - 2);
        expect(job.results).toBe(queries * 340_000);
        expect(job.unpaid).toBe(0);
    });
});

describe('Orders', () => {
    const chainWith = (chain: Partial<Model['chain']>) =>
        new SimulatedChain({ ...BASE, chain: { ...BASE.chain, ...chain } });

    it('show their channels after two blocks, at the next poll', () => {
        // Read and sent in 0.2 s, taken by the block of 0.4 s that ends at 0.8 s, deployed by the one that ends at
        // 1.2 s, seen by the poll one second after the order was sent, whose answer takes 0.1 s.
        const { isTaken, at, seenAt } = chainWith({ stallHours: [] }).order(0);

        expect(isTaken).toBe(true);
        expect(at).toBeCloseTo(0.8);
        expect(seenAt).toBeCloseTo(1.3);
    });

    it.each([
        { stallSeconds: 118, isTaken: true },
        { stallSeconds: 122, isTaken: false },
    ])('that meet a stall of $stallSeconds s are taken, because they are valid for 120 s: $isTaken', (row) => {
        const chain = chainWith({ stallHours: [1], stallSeconds: row.stallSeconds });

        expect(chain.order(3_600).isTaken).toBe(row.isTaken);
    });

    it('and claims cost what benchmarks/gas.json says', () => {
        const { fees, fees2026 } = latest(readHistory());
        const none: OperationCounts = {
            ...{ orders: [], leaves: 0, leavesByOwner: 0, refunds: 0, priceChanges: 0 },
            ...{ wallets: 0, claims: 0, lastClaims: 0 },
        };
        for (const [level, measured] of [
            ['2025', fees],
            ['2026', fees2026],
        ] as const) {
            const of = new Fees(level);
            expect([1, 2, 3, 4].map((jobs) => Math.abs(of.order(jobs) - ordersOf(measured)[jobs - 1]) < 2)).toEqual(
                Array(4).fill(true),
            );
            expect(of.ofClaims({ ...none, wallets: 1, claims: 1 })).toBeCloseTo(measured.claim);
            expect(of.ofClaims({ ...none, wallets: 1, claims: 10 })).toBeCloseTo(measured.claimInBatchOf10);
            expect(of.ofClaims({ ...none, wallets: 1, lastClaims: 10 }) / measured.closeTen).toBeCloseTo(1, 1);
            expect(of.ofClient({ ...none, leaves: 2 })).toBe(2 * measured.leaveBySpendKey);
        }
    });

    const ordersOf = (fees: Record<string, number>) => [fees.open, fees.openTwo, fees.openThree, fees.openFour];
});

describe('fsyncs', () => {
    it('are one for each write when writes are rare, and at most one for each time that an fsync takes', () => {
        expect(fsyncs(1, 0.001)).toBeCloseTo(1, 2);
        expect(fsyncs(1_000_000, 0.001)).toBeCloseTo(1000, -1);
    });
});

describe('docs/scale.md', () => {
    const stored = readReport();
    const HOW = 'to write them: npm run scale -- --record';

    it('shows a result of the model as it is', () => {
        expect({ model: stored.model, HOW }).toEqual({ model: BASE, HOW });
        const name = '8 queries a job, 16 jobs a gateway';
        expect({ result: stored.scenarios.find((scenario) => scenario.name === name), HOW }).toEqual({
            result: runNamed(name, BASE),
            HOW,
        });
    });

    it('shows the tables and the plot of the stored result', () => {
        expect(readPage()).toBe(pageWith(readPage(), stored));
        expect(readPlot()).toBe(plotOf(stored));
    });

    it('holds what issue 13 demands, over a whole day', () => {
        const day = stored.scenarios.find(({ name }) => name === 'jobs of 10,000 queries')!;

        expect(day.hours).toBe(24);
        expect(Math.max(...LEVELS.map((level) => day.cost[level].part))).toBeLessThanOrEqual(0.01);
        expect(day.lockedPart).toBeLessThanOrEqual(0.3);
        expect(stored.scenarios.filter(({ money }) => money.underpaid > 0 || !money.conserved)).toEqual([]);
    });
});
