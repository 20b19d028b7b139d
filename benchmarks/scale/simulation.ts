/**
 * A day of the market. Jobs, orders, claims and failures happen one by one. Queries do not: each minute draws how many
 * of them each job serves. What gateways do is what offchain/gateway/{pool,opener,spending,closing}.ts do.
 */
import { SimulatedChain } from './chain';
import { Events } from './events';
import type { OperationCounts } from './fees';
import { Job } from './job';
import { DAY, depositOf, HOUR, type Model, nodesOf, priceOf } from './model';
import { Random } from './random';
import { isClaimDue, mayRefund } from './rules';

const MINUTE = 60;

/** A minute of the day, for the plot. */
export interface Minute {
    hour: number;
    unserved: number; // part of the queries
    waiting: number; // jobs that gateways wait for
    locked: number; // nanoTON in channels
}

export interface Totals {
    queries: number; // that were served
    unserved: number; // that found no job with room
    turnover: number; // nanoTON of their prices
    operations: OperationCounts;
    opened: number; // jobs
    lapsed: number; // orders that the chain did not take in time
    orderSeconds: number; // in which escrows were busy with orders that were taken
    nodeFailures: number;
    gatewayFailures: number;
    cut: number; // queries that ran when their node or gateway failed
    lost: number; // nanoTON that nodes lost with gateways that never came back
    allowedLoss: number; // nanoTON that the rules allow them to lose: a step for each of those queries
    ended: number; // jobs that ended
    underpaid: number; // jobs that ended with less than their results, beyond what the rules allow
    uncovered: number; // times that a job promised more than it had (rule 2)
    refused: number; // jobs whose late results the gateway would refuse to pay (rule 14)
    conserved: boolean; // deposits are what was paid, what went home and what is locked
    minutes: Minute[];
}

interface Node {
    up: boolean;
    factor: number; // of its rates
    jobs: Job[];
}

interface Gateway {
    number: number;
    up: boolean;
    jobs: Job[];
    demand: number; // queries a second
    coming: number; // jobs that it has asked for
    nodes: number[]; // that it uses
}

type Request = { kind: 'open'; gateway: Gateway; node: number } | { kind: 'leave'; job: Job };

interface Escrow {
    number: number;
    busy: boolean;
    queue: Request[];
}

export class Simulation {
    private readonly random: Random;
    private readonly events = new Events();
    private readonly chain: SimulatedChain;
    private readonly nodes: Node[];
    private readonly gateways: Gateway[];
    private readonly escrows: Escrow[];
    private readonly promised: Float64Array; // nanoTON of all vouchers, by escrow and node
    private readonly totals: Totals;
    private locked = 0;
    private deposited = 0;
    private paid = 0;
    private returned = 0;

    constructor(private readonly model: Model) {
        const { market, order, job } = model;
        this.random = new Random(model.seed);
        this.chain = new SimulatedChain(model);
        this.nodes = Array.from({ length: nodesOf(model) }, () => ({ up: true, factor: 1, jobs: [] }));
        const each = this.nodes.length / market.gateways;
        const used = Math.min(job.nodes, this.nodes.length);
        this.gateways = Array.from({ length: market.gateways }, (_, number) => ({
            number,
            up: true,
            jobs: [],
            demand: 0,
            coming: 0,
            // Its own nodes, and the first of the next gateway.
            nodes: Array.from({ length: used }, (_, i) => (Math.round(number * each) + i) % this.nodes.length),
        }));
        this.escrows = Array.from({ length: order.escrows }, (_, number) => ({ number, busy: false, queue: [] }));
        this.promised = new Float64Array(order.escrows * this.nodes.length);
        this.totals = {
            ...{ queries: 0, unserved: 0, turnover: 0, opened: 0, lapsed: 0, orderSeconds: 0 },
            ...{ nodeFailures: 0, gatewayFailures: 0, cut: 0, lost: 0, allowedLoss: 0 },
            ...{ ended: 0, underpaid: 0, uncovered: 0, refused: 0, conserved: false, minutes: [] },
            operations: {
                ...{ orders: [], leaves: 0, leavesByOwner: 0, refunds: 0, wallets: 0, claims: 0, lastClaims: 0 },
                priceChanges: 0,
            },
        };
    }

    run(): Totals {
        const { fromHour, hours } = this.model;
        const start = fromHour * HOUR;
        const end = start + hours * HOUR;
        this.events.runUntil(start);
        this.warmUp(start);
        this.scheduleFailures();
        for (let at = start + MINUTE; at <= end; at += MINUTE) {
            this.events.runUntil(at);
            this.minute(at);
        }
        const held = this.nodes.flatMap(({ jobs }) => jobs).reduce((sum, job) => sum + job.deposit - job.claimed, 0);
        this.totals.conserved = held === this.locked && this.deposited === this.paid + this.returned + this.locked;
        return this.totals;
    }

    /** Queries a second, of all gateways. */
    private rate(at: number): number {
        const { market, traffic } = this.model;
        const phase = (2 * Math.PI * (at - traffic.peakHour * HOUR)) / DAY;
        return (market.queriesADay / DAY) * (1 + (traffic.peak - 1) * Math.cos(phase));
    }

    /** The market has run for long: jobs are used to any part, and clients have paid at all the nodes that they use. */
    private warmUp(now: number): void {
        const { job, query, claim, order } = this.model;
        const running = (this.rate(now) * query.seconds) / this.gateways.length;
        const lasting = running / (job.busy * job.maxParallel);
        const count = Math.min(job.maxOpen, Math.ceil(lasting / (1 - job.openAhead)));
        for (const gateway of this.gateways) {
            for (const node of gateway.nodes) {
                this.promised[(gateway.number % order.escrows) * this.nodes.length + node] += depositOf(this.model);
            }
            for (let i = 0; i < count; i++) {
                const opened = this.openJob(gateway, this.pickNode(gateway)!, now);
                opened.results = Math.floor(this.random.next() * job.queries) * opened.price;
                opened.vouchers = opened.results;
                const due = Math.min(opened.vouchers, Math.floor(this.random.next() * claim.threshold));
                opened.claimed = opened.vouchers - due;
                opened.unclaimedSince = now;
                this.locked -= opened.claimed;
                this.deposited -= opened.claimed;
            }
        }
    }

    private scheduleFailures(): void {
        const { failures, prices, market } = this.model;
        const { events, random } = this;
        const every = (days: number, action: (turn: number) => void, count: number) => {
            const mean = (days * DAY) / count;
            const next = () =>
                events.add(events.now + random.exponential(mean), () => {
                    action(Math.floor(random.next() * count));
                    next();
                });
            next();
        };
        every(failures.nodeDays, (number) => this.failNode(this.nodes[number]), this.nodes.length);
        every(failures.gatewayDays, (number) => this.failGateway(this.gateways[number]), market.gateways);
        every(prices.changeDays, (number) => this.changePrice(this.nodes[number]), this.nodes.length);
    }

    // --- A minute

    private minute(now: number): void {
        const { totals } = this;
        if (!this.chain.isStalled(now)) {
            this.nodes.filter((node) => node.up).forEach((node) => this.claim(node, now));
        }
        const up = this.gateways.filter((gateway) => gateway.up);
        const demand = (this.rate(now - MINUTE / 2) * MINUTE) / Math.max(1, up.length);
        let unserved = 0;
        for (const gateway of up) {
            const left = this.serve(gateway, demand, now);
            unserved += left;
            gateway.demand = demand / MINUTE;
            // Gateways look at their pools whenever a query ends, so not all at the same time.
            this.events.add(now + this.random.next() * MINUTE, () => this.fillPool(gateway, left));
        }
        totals.unserved += unserved;
        this.closeJobs(now);
        totals.minutes.push({
            hour: now / HOUR,
            unserved: unserved / (demand * up.length),
            waiting: this.gateways.reduce((sum, { coming }) => sum + coming, 0),
            locked: this.locked,
        });
    }

    /** Shares the queries of a minute among the jobs of a gateway. Returns how many found none with room. */
    private serve(gateway: Gateway, demand: number, now: number): number {
        const { totals, nodes } = this;
        const usable = gateway.jobs.filter((job) => job.isUsable && nodes[job.place.node].up);
        const seconds = usable.map((job) => Math.min(MINUTE, now - job.openedAt));
        const whole = seconds.reduce((sum, part) => sum + part, 0);
        if (whole === 0) {
            return Math.round(demand);
        }
        const slots = usable.map((job) => job.slots(this.promisedOf(job)));
        const room = usable.map((job, i) => job.capacity(slots[i], seconds[i]));
        const wanted = seconds.map((part) => this.random.poisson((demand * part) / whole));
        // What one job cannot take goes to those that have room.
        let left = wanted.reduce((sum, count, i) => sum + Math.max(0, count - room[i]), 0);
        for (const [i, job] of usable.entries()) {
            const more = Math.max(0, Math.min(left, room[i] - wanted[i]));
            left -= more;
            const started = Math.min(wanted[i], room[i]) + more;
            const [resultsBefore, vouchersBefore] = [job.results, job.vouchers];
            if (job.isUsedUp) {
                job.settle(now);
            } else {
                job.serve(started, slots[i], seconds[i]);
            }
            totals.queries += started;
            totals.uncovered += job.isCovered ? 0 : 1;
            totals.turnover += job.results - resultsBefore;
            this.notePaid(job, vouchersBefore, now);
        }
        return left;
    }

    private notePaid(job: Job, vouchersBefore: number, now: number): void {
        const { escrow, node } = job.place;
        if (job.vouchers > vouchersBefore && vouchersBefore === job.claimed) {
            job.unclaimedSince = now;
        }
        this.promised[escrow * this.nodes.length + node] += job.vouchers - vouchersBefore;
    }

    private promisedOf({ place: { escrow, node } }: Job): number {
        return this.promised[escrow * this.nodes.length + node];
    }

    // --- Opening (pool.ts, opener.ts, spending.ts)

    /** Asks for a job if use will soon need more than the jobs have, and for others if queries found none with room. */
    private fillPool(gateway: Gateway, left: number): void {
        if (!gateway.up) {
            return;
        }
        const { job, query } = this.model;
        const open = gateway.jobs.filter(({ isUsable, place }) => isUsable && this.nodes[place.node].up);
        const lasting = open.filter(({ lasts }) => lasts);
        const money = lasting.reduce((sum, { available }) => sum + available, 0);
        const isShort =
            gateway.demand * priceOf(query) * job.aheadSeconds > money ||
            gateway.demand * query.seconds > job.busy * lasting.length * job.maxParallel;
        const extra = Math.ceil((left * query.seconds) / MINUTE / job.maxParallel);
        const wanted = Math.min(Math.max(isShort ? 1 : 0, extra), job.maxOpen - open.length);
        while (gateway.coming < wanted) {
            const node = this.pickNode(gateway);
            if (node === undefined) {
                return;
            }
            gateway.coming++;
            this.ask(this.escrows[gateway.number % this.escrows.length], { kind: 'open', gateway, node });
        }
    }

    /** The node of a gateway that has the fewest of its jobs; undefined if all are down. */
    private pickNode(gateway: Gateway): number | undefined {
        const count = new Map<number, number>();
        for (const { place } of gateway.jobs) {
            count.set(place.node, (count.get(place.node) ?? 0) + 1);
        }
        const nodes = gateway.nodes.filter((node) => this.nodes[node].up);
        const jobsAt = (node: number) => count.get(node) ?? 0;
        return nodes.reduce<number | undefined>(
            (best, node) => (best === undefined || jobsAt(node) < jobsAt(best) ? node : best),
            undefined,
        );
    }

    private ask(escrow: Escrow, request: Request): void {
        escrow.queue.push(request);
        if (!escrow.busy) {
            this.sendOrder(escrow);
        }
    }

    /** One order at a time, because an escrow takes each seqno once: the next one waits until the channel is seen. */
    private sendOrder(escrow: Escrow): void {
        const { events, totals, model } = this;
        const [first] = escrow.queue;
        if (first === undefined) {
            escrow.busy = false;
            return;
        }
        escrow.busy = true;
        const count = escrow.queue.findIndex(({ kind }) => kind !== first.kind);
        const alike = count < 0 ? escrow.queue.length : count;
        const requests = escrow.queue.splice(0, first.kind === 'leave' ? 1 : Math.min(alike, model.order.jobs));
        const begunAt = events.now;
        const fate = this.chain.order(begunAt);
        events.add(fate.seenAt, () => {
            if (!fate.taken) {
                totals.lapsed++;
                escrow.queue.unshift(...requests);
            } else {
                totals.orderSeconds += fate.seenAt - begunAt;
                this.take(requests);
            }
            this.sendOrder(escrow);
        });
    }

    private take(requests: Request[]): void {
        const { operations } = this.totals;
        let opened = 0;
        for (const request of requests) {
            if (request.kind === 'leave') {
                operations.leaves++;
                this.leave(request.job);
                continue;
            }
            const { gateway, node } = request;
            this.openJob(gateway, node, this.events.now);
            this.totals.opened++;
            gateway.coming--;
            opened++;
            this.fillPool(gateway, 0);
        }
        if (opened > 0) {
            operations.orders[opened] = (operations.orders[opened] ?? 0) + 1;
        }
    }

    private openJob(gateway: Gateway, node: number, now: number): Job {
        const escrow = gateway.number % this.escrows.length;
        const place = { gateway: gateway.number, node, escrow, factor: this.nodes[node].factor };
        const job = new Job(this.model, place, depositOf(this.model), now);
        gateway.jobs.push(job);
        this.nodes[node].jobs.push(job);
        this.locked += job.deposit;
        this.deposited += job.deposit;
        return job;
    }

    // --- Claims (offchain/worker/claims.ts) and ends

    /** A round of a worker: what is due goes into one order of its wallet. */
    private claim(node: Node, now: number): void {
        const { operations } = this.totals;
        let count = 0;
        for (const job of node.jobs) {
            const isLast = job.phase === 'settling' || job.phase === 'leaving';
            if (!isLast && !isClaimDue(job.due, now - job.unclaimedSince, this.model.claim)) {
                continue;
            }
            count++;
            this.locked -= job.due;
            this.paid += job.due;
            job.claimed = job.vouchers;
            if (isLast) {
                operations.lastClaims++;
                this.end(job);
            } else {
                operations.claims++;
            }
        }
        if (count > 0) {
            operations.wallets++;
            node.jobs = node.jobs.filter(({ phase }) => phase !== 'ended');
        }
    }

    /** The rest goes home and the account ends. Here it shows whether the node has what its results are worth. */
    private end(job: Job): void {
        const { totals } = this;
        const rest = job.deposit - job.claimed;
        this.locked -= rest;
        this.returned += rest;
        job.phase = 'ended';
        totals.ended++;
        if (job.results - job.claimed > job.allowedLoss) {
            totals.underpaid++;
        }
    }

    /** Jobs whose worker does not end them are left, and what was left long enough comes back without the worker. */
    private closeJobs(now: number): void {
        const { settleSeconds } = this.model.order;
        for (const gateway of this.gateways) {
            for (const job of gateway.jobs) {
                if (job.phase === 'settling' && now - job.endsAt >= settleSeconds) {
                    job.endsAt = Infinity; // asked once
                    this.ask(this.escrows[job.place.escrow], { kind: 'leave', job });
                } else if (job.phase === 'leaving' && mayRefund(now, job.refundAt) && !this.chain.isStalled(now)) {
                    this.totals.operations.refunds++;
                    this.end(job);
                    const node = this.nodes[job.place.node];
                    node.jobs = node.jobs.filter((other) => other !== job);
                }
            }
            gateway.jobs = gateway.jobs.filter(({ phase }) => phase !== 'ended');
        }
    }

    private leave(job: Job): void {
        if (job.phase !== 'ended') {
            job.phase = 'leaving';
            job.refundAt = Math.min(job.refundAt, this.events.now + this.model.job.notice);
        }
    }

    // --- Failures

    private failNode(node: Node): void {
        const { failures } = this.model;
        if (!node.up) {
            return;
        }
        this.totals.nodeFailures++;
        node.up = false;
        for (const job of node.jobs.filter(({ isUsable }) => isUsable)) {
            this.change(job, () => job.loseNode(this.random.next()));
            this.totals.cut += job.cut;
        }
        const away = Math.min(failures.maxNodeSeconds, this.random.exponential(failures.nodeSeconds));
        this.events.add(this.events.now + away, () => {
            node.up = true;
            node.jobs.forEach((job) => this.recover(job));
        });
    }

    private failGateway(gateway: Gateway): void {
        const { failures } = this.model;
        const { events, totals } = this;
        if (!gateway.up) {
            return;
        }
        totals.gatewayFailures++;
        gateway.up = false;
        const isGone = this.random.next() < failures.goneShare;
        const seconds = isGone ? failures.creditSeconds : failures.takeOverSeconds;
        const jobs = gateway.jobs.filter(({ isUsable, place }) => isUsable && this.nodes[place.node].up);
        for (const job of jobs) {
            this.change(job, () => job.loseGateway(this.random.next(), seconds));
            totals.cut += job.cut;
        }
        events.add(events.now + seconds, () => {
            gateway.up = true;
            if (!isGone) {
                jobs.forEach((job) => this.recover(job));
                return;
            }
            for (const job of gateway.jobs.filter(({ phase, isAbandoned }) => phase === 'open' && !isAbandoned)) {
                totals.lost += job.abandon();
                totals.allowedLoss += job.allowedLoss;
                events.add(events.now + failures.leaveSeconds, () => {
                    totals.operations.leavesByOwner++;
                    this.leave(job);
                });
            }
        });
    }

    private recover(job: Job): void {
        if (job.phase === 'open' && job.cut > 0 && !job.isAbandoned && this.gateways[job.place.gateway].up) {
            this.change(job, () => {
                this.totals.refused += job.recover() ? 0 : 1;
            });
        }
    }

    private change(job: Job, action: () => void): void {
        const [resultsBefore, vouchersBefore] = [job.results, job.vouchers];
        action();
        this.totals.turnover += job.results - resultsBefore;
        this.notePaid(job, vouchersBefore, this.events.now);
    }

    private changePrice(node: Node): void {
        const { range } = this.model.prices;
        this.totals.operations.priceChanges++;
        node.factor = 1 + range * (2 * this.random.next() - 1);
    }
}
