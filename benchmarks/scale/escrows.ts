/**
 * The client's escrows. Each takes one order at a time, because it takes each seqno once: the next order waits until
 * the channels of the last one are seen (offchain/gateway/spending.ts).
 */
import type { SimulatedChain } from './chain';
import type { Events } from './events';
import type { Job } from './job';
import type { SimulatedGateway, Totals } from './market';
import type { Model } from './model';

interface OpenRequest {
    kind: 'open';
    gateway: SimulatedGateway;
    node: number;
}

type OrderRequest = OpenRequest | { kind: 'leave'; job: Job };

interface EscrowQueue {
    busy: boolean;
    requests: OrderRequest[];
}

/** What happens once the chain has taken an order. */
interface OrderEffects {
    open(request: OpenRequest): void;
    leave(job: Job): void;
}

export class Escrows {
    private readonly queues: EscrowQueue[];

    constructor(
        private readonly model: Model,
        private readonly parts: { events: Events; chain: SimulatedChain; totals: Totals; effects: OrderEffects },
    ) {
        this.queues = Array.from({ length: model.order.escrows }, () => ({ busy: false, requests: [] }));
    }

    ask(escrow: number, request: OrderRequest): void {
        const queue = this.queues[escrow];
        queue.requests.push(request);
        if (!queue.busy) {
            this.sendNext(queue);
        }
    }

    /** An order opens as many waiting jobs as the model allows, or makes one job leave. */
    private sendNext(queue: EscrowQueue): void {
        const { events, chain, totals } = this.parts;
        const { requests } = queue;
        queue.busy = requests.length > 0;
        if (!queue.busy) {
            return;
        }
        const begunAt = events.now;
        const sent = requests.splice(0, this.sizeOfNext(requests));
        const fate = chain.order(begunAt);
        events.add(fate.seenAt, () => {
            if (fate.isTaken) {
                if (!chain.isStalledBetween(begunAt, fate.seenAt)) {
                    totals.timedOrders++;
                    totals.orderSeconds += fate.seenAt - begunAt;
                }
                this.take(sent);
            } else {
                totals.lapsed++;
                requests.unshift(...sent);
            }
            this.sendNext(queue);
        });
    }

    private sizeOfNext(requests: OrderRequest[]): number {
        if (requests[0].kind === 'leave') {
            return 1;
        }
        const firstLeave = requests.findIndex(({ kind }) => kind === 'leave');
        return Math.min(this.model.order.jobs, firstLeave < 0 ? requests.length : firstLeave);
    }

    private take(requests: OrderRequest[]): void {
        const { totals, effects } = this.parts;
        const { operations } = totals;
        let opened = 0;
        for (const request of requests) {
            if (request.kind === 'leave') {
                operations.leaves++;
                effects.leave(request.job);
            } else {
                totals.opened++;
                opened++;
                effects.open(request);
            }
        }
        if (opened > 0) {
            operations.orders[opened] = (operations.orders[opened] ?? 0) + 1;
        }
    }
}
