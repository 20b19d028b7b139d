/** Long computations in pieces: in each turn of the event loop, all of them together do a bounded amount of work. */
import { setImmediate } from 'node:timers';

interface Waiting {
    amount: number;
    begin: () => void;
}

/** UTF-16 units of text that are cut into tokens in one turn, in some 20 ms; other work counts by its time. */
const UNITS_PER_TURN = 32 * 1024;

export class LoopShare {
    private remaining: number; // of this turn
    private readonly waiting: Waiting[] = []; // in the order in which they came, so that each gets its turn
    private isScheduled = false;

    constructor(private readonly perTurn = UNITS_PER_TURN) {
        this.remaining = perTurn;
    }

    /**
     * Takes the room for one piece of work. Undefined if this turn has it, else resolves in a turn that has it. A piece
     * that is larger than a turn gets a turn of its own.
     */
    take(amount: number): Promise<void> | undefined {
        this.schedule();
        if (this.waiting.length === 0 && this.hasRoom(amount)) {
            this.remaining -= amount;
            return undefined;
        }
        return new Promise((begin) => this.waiting.push({ amount, begin }));
    }

    private hasRoom(amount: number): boolean {
        return this.remaining >= amount || this.remaining === this.perTurn;
    }

    private schedule(): void {
        if (!this.isScheduled) {
            this.isScheduled = true;
            setImmediate(() => this.beginTurn());
        }
    }

    private beginTurn(): void {
        this.isScheduled = false;
        this.remaining = this.perTurn;
        while (this.waiting.length > 0 && this.hasRoom(this.waiting[0].amount)) {
            const { amount, begin } = this.waiting.shift()!;
            this.remaining -= amount;
            begin();
        }
        if (this.remaining < this.perTurn) {
            this.schedule();
        }
    }
}

/** The share of what strangers send to this process. */
export const eventLoop = new LoopShare();
