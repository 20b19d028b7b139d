/** The parts of `npm run scale` at their boundaries: the rules of money, orders, and what machines need. */
import { SimulatedChain } from '../../benchmarks/scale/chain';
import { Fees, type OperationCounts } from '../../benchmarks/scale/fees';
import { Job } from '../../benchmarks/scale/job';
import { readOffchain } from '../../benchmarks/offchain/history';
import { Escrows } from '../../benchmarks/scale/escrows';
import { Events } from '../../benchmarks/scale/events';
import { cpuOf } from '../../benchmarks/scale/cpu';
import { fsyncs, machinesAt, rampSeconds } from '../../benchmarks/scale/machines';
import { SimulatedMarket } from '../../benchmarks/scale/market';
import { BASE, DAY, depositOf, type Model, priceOf } from '../../benchmarks/scale/model';
import {
    isClaimDue,
    isOrderTaken,
    maxRunning,
    mayAccept,
    mayPayLate,
    mayRefund,
    maySend,
} from '../../benchmarks/scale/rules';
import { latest, readHistory } from '../../benchmarks/history';

const TON = 1_000_000_000;
const STEP = 0.01 * TON;

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

    it('promise a job no more than its deposit, with what is not paid yet (rule 2)', () => {
        const ceiling = 3 * 340_000;
        const jobWith = (running: number, results: number, deposit: number) => {
            const job = new Job(BASE, { gateway: 0, node: 0, escrow: 0, factor: 1 }, BASE.job.rent + deposit, 0);
            return Object.assign(job, { running, results });
        };

        expect(jobWith(10, 0, 10 * ceiling).isCovered).toBe(true);
        expect(jobWith(10, 0, 10 * ceiling - 1).isCovered).toBe(false);
        expect(jobWith(10, 340_000, 10 * ceiling + 340_000).isCovered).toBe(true);
        expect(jobWith(10, 340_000, 10 * ceiling + 339_999).isCovered).toBe(false);
    });

    it('let a gateway pay late results up to a step for each query that was cut, and no more (rule 14)', () => {
        const jobWith = (results: number) => {
            const job = new Job(BASE, { gateway: 0, node: 0, escrow: 0, factor: 1 }, depositOf(BASE), 0);
            return Object.assign(job, { cut: 2, results });
        };

        expect(jobWith(2 * STEP).latePart).toBe(1);
        expect(jobWith(2 * STEP).recover()).toBe(true);
        expect(jobWith(2 * STEP + 1).recover()).toBe(false);
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

    it.each([
        { stallHours: [], timed: 3 },
        { stallHours: [0], timed: 0 },
    ])('are timed outside stalls, which begin at hours $stallHours: $timed', ({ stallHours, timed }) => {
        const model = { ...BASE, chain: { ...BASE.chain, stallHours, stallSeconds: 60 } };
        const events = new Events();
        const { totals, gateways } = new SimulatedMarket(model);
        const effects = { open: () => undefined, leave: () => undefined };
        const escrows = new Escrows(model, { events, chain: new SimulatedChain(model), totals, effects });

        for (let i = 0; i < 3; i++) {
            escrows.ask(i, { kind: 'open', gateway: gateways[0], node: 0 });
        }
        events.runUntil(300);

        expect(totals).toMatchObject({ opened: 3, timedOrders: timed });
        expect(totals.orderSeconds).toBeCloseTo(timed * 1.3);
    });

    it.each([
        { jobs: 1, orders: 6 },
        { jobs: 4, orders: 3 }, // the first does not wait, four wait together, and then one
    ])('of up to $jobs jobs open six in $orders orders', (row) => {
        const model = { ...BASE, order: { ...BASE.order, jobs: row.jobs }, chain: { ...BASE.chain, stallHours: [] } };
        const events = new Events();
        const { totals, gateways } = new SimulatedMarket(model);
        const effects = { open: () => undefined, leave: () => undefined };
        const escrows = new Escrows(model, { events, chain: new SimulatedChain(model), totals, effects });

        for (let i = 0; i < 6; i++) {
            escrows.ask(0, { kind: 'open', gateway: gateways[0], node: 0 });
        }
        events.runUntil(60);

        expect(totals).toMatchObject({ opened: 6, timedOrders: row.orders });
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

describe('Cores', () => {
    const entry = { ...readOffchain()[0], ratios: { cpuMsAt32: 9, cpuOverPlainAt32: 3 } };

    it('follow from the CPU time of a short stream, in proportion to the tokens, where no other was measured', () => {
        expect(cpuOf(entry, 300)).toMatchObject({ tokens: 50, ms: 54, plainTimes: 3, maxPlainTimes: 2.6 });
    });

    it('follow from the query of this page where it was measured, and then show those of one gateway', () => {
        const query = { tokens: 300, paceMs: 20, concurrency: 32, cpuMs: 20, cpuMsBy: { gateway: 8 }, commits: {} };
        const measured = { query, perStream: { wireBytesPerToken: 0, commits: {} }, memory: {}, vouchers: [] };
        const cpu = cpuOf({ ...entry, measured }, 300);

        expect(cpu).toMatchObject({ tokens: 300, ms: 20, gatewayMs: 8 });
        const market = { ...BASE.market, queriesADay: 1000 * DAY, gateways: 100 };
        const machines = machinesAt({ ...BASE, market, machine: { ...BASE.machine, cpu } }, 1);
        expect(machines.cores).toBeCloseTo(20);
        expect(machines.gatewayCores).toBeCloseTo(0.08);
        expect(machines.coresToReach).toBeCloseTo((20 * 2.6) / 3);
    });

    it('are not made up for an entry without CPU times', () => {
        expect(() => cpuOf({ ...entry, ratios: {} }, 300)).toThrow('no CPU time');
    });
});

describe('The credit of a new client', () => {
    it('is one more query for each step that those before it paid', () => {
        const model = { ...BASE, job: { ...BASE.job, step: 340_000 }, query: { ...BASE.query, seconds: 60 } };

        expect(rampSeconds(model, 1)).toBe(0);
        expect(rampSeconds(model, 2)).toBe(60);
        expect(rampSeconds(model, 4)).toBe(60 + 30 + 20);
    });
});
