/** The parties of a market with their jobs and coins, and what is counted. Others decide when something happens. */
import type { OperationCounts } from './fees';
import { Job } from './job';
import { depositOf, type Model, nodesOf } from './model';

/** A minute of the day, for the plot. */
interface Minute {
    hour: number;
    unserved: number; // part of the queries
    locked: number; // nanoTON in channels
}

export interface Totals {
    queries: number; // that were served
    unserved: number; // that found no job with room
    turnover: number; // nanoTON of their prices
    operations: OperationCounts;
    opened: number; // jobs
    lapsed: number; // orders that the chain did not take in time
    timedOrders: number; // orders that were taken and met no stall
    orderSeconds: number; // in which escrows were busy with these
    nodeFailures: number;
    gatewayFailures: number;
    cut: number; // queries that ran when their node or gateway failed
    lost: number; // nanoTON that nodes lost with gateways that never came back
    allowedLoss: number; // nanoTON that the rules allow them to lose: a step for each of those queries
    ended: number; // jobs that ended
    underpaid: number; // jobs that ended with less than their results, beyond what the rules allow
    uncovered: number; // times that a job promised more than it had (rule 2)
    refused: number; // jobs whose late results the gateway would refuse to pay (rule 14)
    maxLatePart: number; // the most that late results were, as a part of what rule 14 lets a gateway pay
    conserved: boolean; // deposits are what was paid, what went home and what is locked
    minutes: Minute[];
}

export interface SimulatedNode {
    up: boolean;
    factor: number; // of its rates
    jobs: Job[];
}

export interface SimulatedGateway {
    number: number;
    up: boolean;
    jobs: Job[];
    demand: number; // queries a second
    coming: number; // jobs that it has asked for
    nodes: number[]; // that it uses
}

export class SimulatedMarket {
    readonly nodes: SimulatedNode[];
    readonly gateways: SimulatedGateway[];
    readonly totals: Totals = {
        ...{ queries: 0, unserved: 0, turnover: 0, opened: 0, lapsed: 0, timedOrders: 0, orderSeconds: 0 },
        ...{ nodeFailures: 0, gatewayFailures: 0, cut: 0, lost: 0, allowedLoss: 0 },
        ...{ ended: 0, underpaid: 0, uncovered: 0, refused: 0, maxLatePart: 0, conserved: false, minutes: [] },
        operations: {
            ...{ orders: [], leaves: 0, leavesByOwner: 0, refunds: 0, wallets: 0, claims: 0, lastClaims: 0 },
            priceChanges: 0,
        },
    };
    private readonly promised: Float64Array; // nanoTON of all vouchers, by escrow and node
    private lockedCoins = 0;
    private deposited = 0;
    private paid = 0;
    private returned = 0;

    constructor(private readonly model: Model) {
        const { market, order, job } = model;
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
        this.promised = new Float64Array(order.escrows * this.nodes.length);
    }

    /** nanoTON in channels. */
    get locked(): number {
        return this.lockedCoins;
    }

    /** True if no coin came from nowhere or went nowhere. */
    get isConserved(): boolean {
        const jobs = this.nodes.flatMap((node) => node.jobs);
        const inChannels = jobs.reduce((sum, job) => sum + job.deposit - job.claimed, 0);
        return inChannels === this.locked && this.deposited === this.paid + this.returned + this.locked;
    }

    escrowOf({ number }: SimulatedGateway): number {
        return number % this.model.order.escrows;
    }

    openJob(gateway: SimulatedGateway, node: number, now: number): Job {
        const { factor, jobs } = this.nodes[node];
        const place = { gateway: gateway.number, node, escrow: this.escrowOf(gateway), factor };
        const job = new Job(this.model, place, depositOf(this.model), now);
        gateway.jobs.push(job);
        jobs.push(job);
        this.lockedCoins += job.deposit;
        this.deposited += job.deposit;
        return job;
    }

    /** A job that was used and paid before the simulation begins. */
    presume(job: Job, results: number, due: number): void {
        job.results = results;
        job.vouchers = results;
        job.claimed = results - due;
        this.lockedCoins -= job.claimed;
        this.deposited -= job.claimed;
    }

    /** The escrow of a gateway has paid so much at a node before the simulation begins. */
    presumePaid(gateway: SimulatedGateway, node: number, amount: number): void {
        this.promised[this.escrowOf(gateway) * this.nodes.length + node] += amount;
    }

    /** nanoTON that all vouchers of a job's escrow have promised its node. */
    promisedOf({ place: { escrow, node } }: Job): number {
        return this.promised[escrow * this.nodes.length + node];
    }

    /** Does something with a job's results and vouchers, and counts what changed. */
    change(job: Job, now: number, action: () => void): void {
        const { results, vouchers, claimed } = job;
        action();
        this.totals.turnover += job.results - results;
        if (job.vouchers > vouchers && vouchers === claimed) {
            job.unclaimedSince = now;
        }
        this.promised[job.place.escrow * this.nodes.length + job.place.node] += job.vouchers - vouchers;
    }

    /** The channel pays what vouchers promise. */
    claim(job: Job): void {
        this.lockedCoins -= job.due;
        this.paid += job.due;
        job.claimed = job.vouchers;
    }

    /**
     * The rest goes home and the account ends. Now it shows whether the node has what its results are worth. The lists
     * of jobs keep it until {@link forgetEnded}.
     */
    end(job: Job): void {
        const rest = job.deposit - job.claimed;
        this.lockedCoins -= rest;
        this.returned += rest;
        job.phase = 'ended';
        this.totals.ended++;
        if (job.results - job.claimed > job.allowedLoss) {
            this.totals.underpaid++;
        }
    }

    forgetEnded(owner: { jobs: Job[] }): void {
        owner.jobs = owner.jobs.filter(({ phase }) => phase !== 'ended');
    }
}
