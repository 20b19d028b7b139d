/** What goes wrong: nodes and gateways die at random times, and most of them come back. Nodes change their rates. */
import type { Events } from './events';
import type { Job } from './job';
import type { SimulatedGateway, SimulatedMarket, SimulatedNode } from './market';
import { DAY, type Model } from './model';
import type { Random } from './random';

export class Failures {
    constructor(
        private readonly model: Model,
        private readonly parts: {
            events: Events;
            random: Random;
            market: SimulatedMarket;
            leave: (job: Job) => void; // by the owner, without an order
        },
    ) {}

    schedule(): void {
        const { failures, prices } = this.model;
        const { nodes, gateways } = this.parts.market;
        this.repeat(failures.nodeDays, nodes, (node) => this.failNode(node));
        this.repeat(failures.gatewayDays, gateways, (gateway) => this.failGateway(gateway));
        this.repeat(prices.changeDays, nodes, (node) => this.changePrice(node));
    }

    /** Each of the parties acts once in so many days on average. */
    private repeat<Party>(days: number, parties: Party[], action: (party: Party) => void): void {
        const { events, random } = this.parts;
        const plan = () =>
            events.add(events.now + random.exponential((days * DAY) / parties.length), () => {
                action(parties[Math.floor(random.next() * parties.length)]);
                plan();
            });
        plan();
    }

    private failNode(node: SimulatedNode): void {
        const { failures } = this.model;
        const { events, random, market } = this.parts;
        if (!node.up) {
            return;
        }
        market.totals.nodeFailures++;
        node.up = false;
        for (const job of node.jobs.filter(({ isUsable }) => isUsable)) {
            market.change(job, events.now, () => job.loseNode(random.next()));
            market.totals.cut += job.cut;
        }
        const seconds = Math.min(failures.maxNodeSeconds, random.exponential(failures.nodeSeconds));
        events.add(events.now + seconds, () => {
            node.up = true;
            node.jobs.forEach((job) => this.recover(job));
        });
    }

    private failGateway(gateway: SimulatedGateway): void {
        const { failures } = this.model;
        const { events, random, market } = this.parts;
        if (!gateway.up) {
            return;
        }
        market.totals.gatewayFailures++;
        gateway.up = false;
        const isGone = random.next() < failures.goneShare;
        const seconds = isGone ? failures.creditSeconds : failures.takeOverSeconds;
        const jobs = gateway.jobs.filter(({ isUsable, place }) => isUsable && market.nodes[place.node].up);
        for (const job of jobs) {
            market.change(job, events.now, () => job.loseGateway(random.next(), seconds));
            market.totals.cut += job.cut;
        }
        events.add(events.now + seconds, () => {
            gateway.up = true;
            if (isGone) {
                this.abandonJobs(gateway);
            } else {
                jobs.forEach((job) => this.recover(job));
            }
        });
    }

    /** Another gateway begins in its place, without its keys. The owner leaves the jobs later. */
    private abandonJobs(gateway: SimulatedGateway): void {
        const { events, market, leave } = this.parts;
        const { totals } = market;
        for (const job of gateway.jobs.filter(({ phase, isAbandoned }) => phase === 'open' && !isAbandoned)) {
            totals.lost += job.abandon();
            totals.allowedLoss += job.allowedLoss;
            events.add(events.now + this.model.failures.leaveSeconds, () => {
                totals.operations.leavesByOwner++;
                leave(job);
            });
        }
    }

    /** Gateway and node meet again: what was owed is paid (rules 13 to 15). */
    private recover(job: Job): void {
        const { events, market } = this.parts;
        const isClientThere = market.gateways[job.place.gateway].up && !job.isAbandoned;
        if (job.phase === 'open' && job.cut > 0 && isClientThere) {
            market.totals.maxLatePart = Math.max(market.totals.maxLatePart, job.latePart);
            market.change(job, events.now, () => {
                market.totals.refused += job.recover() ? 0 : 1;
            });
        }
    }

    private changePrice(node: SimulatedNode): void {
        const { range } = this.model.prices;
        this.parts.market.totals.operations.priceChanges++;
        node.factor = 1 + range * (2 * this.parts.random.next() - 1);
    }
}
