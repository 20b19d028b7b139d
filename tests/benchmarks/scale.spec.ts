/** `npm run scale`: what a large market costs and locks, and the page that shows it. */
import { LEVELS } from '../../benchmarks/scale/fees';
import { BASE, changedSettings, DAY, type Model, SHORT } from '../../benchmarks/scale/model';
import { pageWith, readPage, readPlot, readReport } from '../../benchmarks/scale/page';
import { plotOf } from '../../benchmarks/scale/plot';
import { digestsOf, resultOf } from '../../benchmarks/scale/scenarios';
import { Simulation } from '../../benchmarks/scale/simulation';

const STEP = 10_000_000;

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

    it('serve 1.5 times the mean in the busiest hours, except a few queries after a stall', () => {
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

describe('docs/scale.md', () => {
    const stored = readReport();
    const HOW = 'to write them: npm run scale -- --record';

    it('shows a result of the model as it is', () => {
        expect({ model: stored.model, HOW }).toEqual({ model: BASE, HOW });
    });

    it('shows the scenarios as they are, each of which runs again in a small market', () => {
        expect({ digests: stored.digests, HOW }).toEqual({ digests: digestsOf(BASE), HOW });
        expect(Object.keys(stored.digests)).toEqual(stored.scenarios.map(({ name }) => name));
    });

    it('lists the settings that are not the defaults, and no other', () => {
        const names = changedSettings(BASE).map(([name]) => name);

        expect(names).toContain('worker: `limits.maxParallel`');
        expect(changedSettings({ ...BASE, job: { ...BASE.job, maxParallel: 8 } }).map(([name]) => name)).toEqual(
            names.filter((name) => !name.includes('axParallel')),
        );
    });

    it('has a base that needs no cluster: as many escrows as gateways', () => {
        expect(BASE.order).toMatchObject({ escrows: BASE.market.gateways, jobs: 1 });
        const shared = stored.scenarios.filter(({ name }) => name.startsWith('1 ') || name.startsWith('10 '));
        expect(shared.filter(({ needs }) => needs === undefined)).toEqual([]);
    });

    it('has late results and losses of more than a third of what the rules allow, and none of more', () => {
        const money = stored.scenarios.filter(({ group }) => group === 'money').map((scenario) => scenario.money);

        expect(Math.max(...money.map(({ maxLatePart }) => maxLatePart))).toBeGreaterThan(0.3);
        expect(Math.max(...money.map(({ lost, allowedLoss }) => lost / allowedLoss))).toBeGreaterThan(0.3);
        expect(money.filter(({ lost, allowedLoss }) => lost > allowedLoss)).toEqual([]);
    });

    it('shows the tables and the plot of the stored result', () => {
        expect(readPage()).toBe(pageWith(readPage(), stored));
        expect(readPlot()).toBe(plotOf(stored));
    });

    it('costs at most a hundredth of the price and locks at most 0.3 of the turnover, over a whole day', () => {
        const day = stored.scenarios.find(({ name }) => name === 'jobs of 10,000 queries')!;

        expect(day.hours).toBe(24);
        expect(Math.max(...LEVELS.map((level) => day.cost[level].part))).toBeLessThanOrEqual(0.01);
        expect(day.lockedPart).toBeLessThanOrEqual(0.3);
        expect(stored.scenarios.filter(({ money }) => money.underpaid > 0 || !money.conserved)).toEqual([]);
    });
});
