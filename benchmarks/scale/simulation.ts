/**
 * A day of the market. Jobs, orders, claims and failures happen one by one. Queries do not: each minute draws how many
 * of them each job serves. What gateways do is what offchain/gateway/{pool,opener,spending,closing}.ts do.
 */
import { SimulatedChain } from './chain';
import { Escrows } from './escrows';
import { Events } from './events';
import { Failures } from './failures';
import type { Job } from './job';
import { type SimulatedGateway, SimulatedMarket, type SimulatedNode, type Totals } from './market';
import { DAY, depositOf, HOUR, type Model, priceOf } from './model';
import { Random } from './random';
import { isClaimDue, mayRefund } from './rules';

const MINUTE = 60;

export class Simulation {
    private readonly random: Random;
    private readonly events = new Events();
    private readonly chain: SimulatedChain;
    private readonly market: SimulatedMarket;
    private readonly escrows: Escrows;
    private readonly failures: Failures;

    constructor(private readonly model: Model) {
        const { events } = this;
        const leave = (job: Job) => this.leave(job);
        this.random = new Random(model.seed);
        this.chain = new SimulatedChain(model);
        this.market = new SimulatedMarket(model);
        const { totals } = this.market;
        const effects = { leave, open: (request: { gateway: SimulatedGateway; node: number }) => this.open(request) };
        this.escrows = new Escrows(model, { events, chain: this.chain, totals, effects });
        this.failures = new Failures(model, { events, random: this.random, market: this.market, leave });
    }

    run(): Totals {
        const { events, market, model } = this;
        const start = model.fromHour * HOUR;
        const end = start + model.hours * HOUR;
        events.runUntil(start);
        this.warmUp(start);
        this.failures.schedule();
        for (let at = start + MINUTE; at <= end; at += MINUTE) {
            events.runUntil(at);
            this.passMinute(at);
        }
        return { ...market.totals, conserved: market.isConserved };
    }

    /** Queries a second, of all gateways. */
    private rate(at: number): number {
        const { market, traffic } = this.model;
        const phase = (2 * Math.PI * (at - traffic.peakHour * HOUR)) / DAY;
        return (market.queriesADay / DAY) * (1 + (traffic.peak - 1) * Math.cos(phase));
    }

    /** The market has run for long: jobs are used to any part, and clients have paid at all the nodes that they use. */
    private warmUp(now: number): void {
        const { job, query, claim } = this.model;
        const { market, random } = this;
        const running = (this.rate(now) * query.seconds) / market.gateways.length;
        const lasting = running / (job.busy * job.maxParallel);
        const count = Math.min(job.maxOpen, Math.ceil(lasting / (1 - job.openAhead)));
        for (const gateway of market.gateways) {
            gateway.nodes.forEach((node) => market.presumePaid(gateway, node, depositOf(this.model)));
            for (let i = 0; i < count; i++) {
                const opened = market.openJob(gateway, this.pickNode(gateway)!, now);
                const results = Math.floor(random.next() * job.queries) * opened.price;
                market.presume(opened, results, Math.min(results, Math.floor(random.next() * claim.threshold)));
            }
        }
    }

    // --- A minute

    private passMinute(now: number): void {
        const { market, random, events } = this;
        if (!this.chain.isStalled(now)) {
            market.nodes.filter(({ up }) => up).forEach((node) => this.claimAll(node, now));
        }
        const gateways = market.gateways.filter(({ up }) => up);
        const queries = (this.rate(now - MINUTE / 2) * MINUTE) / Math.max(1, gateways.length);
        let allUnserved = 0;
        for (const gateway of gateways) {
            const unserved = this.serve(gateway, queries, now);
            allUnserved += unserved;
            gateway.demand = queries / MINUTE;
            // Gateways look at their pools whenever a query ends, so not all at the same time.
            events.add(now + random.next() * MINUTE, () => this.fillPool(gateway, unserved));
        }
        market.totals.unserved += allUnserved;
        this.closeJobs(now);
        const part = gateways.length === 0 ? 0 : allUnserved / (queries * gateways.length);
        market.totals.minutes.push({ hour: now / HOUR, unserved: part, locked: market.locked });
    }

    /** Shares the queries of a minute among the jobs of a gateway. Returns how many found none with room. */
    private serve(gateway: SimulatedGateway, queries: number, now: number): number {
        const { market, random } = this;
        const usable = gateway.jobs.filter((job) => job.isUsable && market.nodes[job.place.node].up);
        const seconds = usable.map((job) => Math.min(MINUTE, now - job.openedAt));
        const allSeconds = seconds.reduce((sum, part) => sum + part, 0);
        if (allSeconds === 0) {
            return Math.round(queries);
        }
        const slots = usable.map((job) => job.slots(market.promisedOf(job)));
        const room = usable.map((job, i) => job.capacity(slots[i], seconds[i]));
        const shares = seconds.map((part) => random.poisson((queries * part) / allSeconds));
        // What one job cannot take goes to those that have room.
        let unserved = shares.reduce((sum, share, i) => sum + Math.max(0, share - room[i]), 0);
        for (const [i, job] of usable.entries()) {
            const more = Math.max(0, Math.min(unserved, room[i] - shares[i]));
            const started = Math.min(shares[i], room[i]) + more;
            unserved -= more;
            market.change(job, now, () => {
                if (job.isUsedUp) {
                    job.settle(now);
                } else {
                    job.serve(started, slots[i], seconds[i]);
                }
            });
            market.totals.queries += started;
            market.totals.uncovered += job.isCovered ? 0 : 1;
        }
        return unserved;
    }

    // --- Opening (offchain/gateway/pool.ts, opener.ts)

    /** Asks for a job if use will soon need more than the jobs have, and for others if queries found none with room. */
    private fillPool(gateway: SimulatedGateway, unserved: number): void {
        const { job, query } = this.model;
        const { market } = this;
        if (!gateway.up) {
            return;
        }
        const open = gateway.jobs.filter(({ isUsable, place }) => isUsable && market.nodes[place.node].up);
        const lasting = open.filter(({ lasts }) => lasts);
        const money = lasting.reduce((sum, { available }) => sum + available, 0);
        const isShort =
            gateway.demand * priceOf(query) * job.aheadSeconds > money ||
            gateway.demand * query.seconds > job.busy * lasting.length * job.maxParallel;
        const extra = Math.ceil((unserved * query.seconds) / MINUTE / job.maxParallel);
        const target = Math.min(Math.max(isShort ? 1 : 0, extra), job.maxOpen - open.length);
        while (gateway.coming < target) {
            const node = this.pickNode(gateway);
            if (node === undefined) {
                return;
            }
            gateway.coming++;
            this.escrows.ask(market.escrowOf(gateway), { kind: 'open', gateway, node });
        }
    }

    private open({ gateway, node }: { gateway: SimulatedGateway; node: number }): void {
        this.market.openJob(gateway, node, this.events.now);
        gateway.coming--;
        this.fillPool(gateway, 0);
    }

    /** The node of a gateway that has the fewest of its jobs; undefined if all are down. */
    private pickNode({ jobs, nodes }: SimulatedGateway): number | undefined {
        const count = new Map<number, number>();
        for (const { place } of jobs) {
            count.set(place.node, (count.get(place.node) ?? 0) + 1);
        }
        const jobsAt = (node: number) => count.get(node) ?? 0;
        return nodes
            .filter((node) => this.market.nodes[node].up)
            .reduce<number | undefined>(
                (best, node) => (best === undefined || jobsAt(node) < jobsAt(best) ? node : best),
                undefined,
            );
    }

    // --- Claims (offchain/worker/claims.ts) and ends (offchain/gateway/closing.ts)

    /** A round of a worker: what is due goes into one order of its wallet. */
    private claimAll(node: SimulatedNode, now: number): void {
        const { market } = this;
        const { operations } = market.totals;
        let count = 0;
        for (const job of node.jobs) {
            const isLast = job.phase === 'settling' || job.phase === 'leaving';
            if (!isLast && !isClaimDue(job.due, now - job.unclaimedSince, this.model.claim)) {
                continue;
            }
            count++;
            market.claim(job);
            if (isLast) {
                operations.lastClaims++;
                market.end(job);
            } else {
                operations.claims++;
            }
        }
        if (count > 0) {
            operations.wallets++;
            market.forgetEnded(node);
        }
    }

    /** Jobs whose worker does not end them are left. After the notice the rest comes back without the worker. */
    private closeJobs(now: number): void {
        const { market } = this;
        for (const gateway of market.gateways) {
            for (const job of gateway.jobs) {
                if (job.phase === 'settling' && now - job.endsAt >= this.model.order.settleSeconds) {
                    job.endsAt = Infinity; // asked once
                    this.escrows.ask(job.place.escrow, { kind: 'leave', job });
                } else if (job.phase === 'leaving' && mayRefund(now, job.refundAt) && !this.chain.isStalled(now)) {
                    market.totals.operations.refunds++;
                    market.end(job);
                    market.forgetEnded(market.nodes[job.place.node]);
                }
            }
            market.forgetEnded(gateway);
        }
    }

    private leave(job: Job): void {
        if (job.phase !== 'ended') {
            job.phase = 'leaving';
            job.refundAt = Math.min(job.refundAt, this.events.now + this.model.job.notice);
        }
    }
}
