/** Whether this gateway can answer now, and why not. What it asks of chain and nodes is remembered for a moment. */
import type { JobBook } from './book';
import type { GatewayContext } from './context';
import type { Recovery } from './recovery';
import { steadySeconds } from '../process/clock';
import { SingleFlight } from '../process/tasks';

const REMEMBERED = 15; // seconds
const ANSWER_MS = 5_000; // for the chain, and for the nodes

export interface ReadinessView {
    ready: boolean;
    reasons: string[]; // why not
}

export class Readiness {
    private isRecovered = false;
    private last: { at: number; reasons: string[] } | undefined;
    private readonly flight = new SingleFlight<'', string[]>();

    constructor(
        private readonly context: Pick<GatewayContext, 'config' | 'escrow' | 'nodes' | 'now'>,
        private readonly book: Pick<JobBook, 'open'>,
        recovery: Pick<Recovery, 'recovered'>,
        private readonly seconds: () => number = steadySeconds,
    ) {
        void recovery.recovered.then(() => (this.isRecovered = true));
    }

    async view(): Promise<ReadinessView> {
        const recovering = this.isRecovered ? [] : ['jobs of an earlier run are still taken up'];
        const outside = await this.flight.run('', () => this.outside());
        const reasons = [...recovering, ...outside];
        return { ready: reasons.length === 0, reasons };
    }

    private async outside(): Promise<string[]> {
        if (this.last !== undefined && this.seconds() - this.last.at < REMEMBERED) {
            return this.last.reasons;
        }
        const { escrow } = this.context;
        const hasChain = holds(escrow.compareClocks().then(() => true));
        const [chain, usable] = await Promise.all([hasChain, this.hasJob() || holds(this.hasNode())]);
        const reasons = [
            ...(chain ? [] : ['the chain cannot be reached: look at "endpoint"']),
            ...(usable ? [] : ['no model has an open job or a usable node: "cocoon gateway status" says why']),
        ];
        this.last = { at: this.seconds(), reasons };
        return reasons;
    }

    private hasJob(): boolean {
        const { now } = this.context;
        return this.book.open().some((job) => job.isConnected(now()) && job.money.paused === undefined);
    }

    private async hasNode(): Promise<boolean> {
        const { config, nodes } = this.context;
        const states = await Promise.all(Object.keys(config.models).map((model) => nodes.states(model)));
        return states.flat().some(({ state }) => state.startsWith('ok'));
    }
}

// False also for an error, and for an answer that does not come.
function holds(answer: Promise<boolean>): Promise<boolean> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<boolean>((resolve) => (timer = setTimeout(() => resolve(false), ANSWER_MS)));
    return Promise.race([answer.catch(() => false), late]).finally(() => clearTimeout(timer));
}
