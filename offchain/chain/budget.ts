/** How many calls a second an endpoint gets, and whose turn it is when it takes no more. */

/** Who asks: what earns or saves money, what keeps a process up to date, and what somebody unknown caused. */
export type Urgency = 'claim' | 'routine' | 'stranger';

const ORDER: Record<Urgency, number> = { claim: 0, routine: 1, stranger: 2 };
/** Part of a burst that stays for those who are more urgent. */
const RESERVED: Record<Urgency, number> = { claim: 0, routine: 0.25, stranger: 0.5 };
const MAX_STRANGERS = 8; // that wait; more are refused at once
const LEAST = 0.95; // calls a second: the slowest public API takes one
const FIRST = 4; // calls a second once an endpoint without a limit has refused a call
const GROWTH = 0.005; // calls a second more after each call that was served

interface Waiting {
    urgency: Urgency;
    go(): void;
    timer: NodeJS.Timeout;
}

/** A token bucket. It slows down when the endpoint says that it was too fast, and slowly comes back. */
export class Budget {
    private rate: number;
    private tokens: number;
    private at = performance.now();
    private pausedUntil = 0;
    private waiting: Waiting[] = [];
    private wake: NodeJS.Timeout | undefined;

    /**
     * `most`: calls a second; Infinity where only the endpoint itself says when it is too much. `bursts`: calls at once,
     * after a pause; half a second's unless given.
     */
    constructor(
        private readonly max: number,
        private readonly bursts?: number,
    ) {
        this.rate = max;
        this.tokens = this.burst;
    }

    /** Milliseconds until the endpoint may be called at all. */
    get pause(): number {
        return Math.max(0, this.pausedUntil - performance.now());
    }

    /** Resolves with true when a call may go out, with false when its turn did not come within `patience` milliseconds. */
    turn(urgency: Urgency, patience: number): Promise<boolean> {
        if (this.waiting.length === 0 && this.take(urgency)) {
            return Promise.resolve(true);
        }
        const strangers = this.waiting.filter((one) => one.urgency === 'stranger').length;
        if (urgency === 'stranger' && strangers >= MAX_STRANGERS) {
            return Promise.resolve(false);
        }
        return new Promise((resolve) => {
            const end = (came: boolean) => {
                clearTimeout(one.timer);
                this.waiting = this.waiting.filter((other) => other !== one);
                resolve(came);
            };
            const one: Waiting = { urgency, go: () => end(true), timer: setTimeout(() => end(false), patience) };
            this.waiting.push(one);
            this.waiting.sort((a, b) => ORDER[a.urgency] - ORDER[b.urgency]);
            this.serve();
        });
    }

    /** The endpoint refused a call because there were too many. `after`: milliseconds that it asks to wait. */
    slow(after: number): void {
        this.refill();
        const slower = this.rate === Infinity ? FIRST : this.rate * 0.75;
        this.rate = Math.min(this.max, Math.max(LEAST, slower));
        this.tokens = 1;
        this.pausedUntil = Math.max(this.pausedUntil, performance.now() + after);
        this.serve();
    }

    /** The endpoint served a call. */
    served(): void {
        if (this.rate < this.max) {
            this.refill();
            this.rate = Math.min(this.max, this.rate + GROWTH);
        }
    }

    private get burst(): number {
        return this.rate === Infinity ? Infinity : (this.bursts ?? Math.max(1, this.rate / 2));
    }

    private refill(): void {
        const now = performance.now();
        const from = Math.max(this.at, Math.min(now, this.pausedUntil));
        if (this.rate === Infinity) {
            this.tokens = Infinity;
        } else if (now > from) {
            this.tokens = Math.min(this.burst, this.tokens + ((now - from) / 1000) * this.rate);
        }
        this.at = now;
    }

    /** Milliseconds until this one may take its token. */
    private due(urgency: Urgency): number {
        this.refill();
        const needed = this.rate === Infinity ? 1 : 1 + (this.burst - 1) * RESERVED[urgency];
        const missing = needed - this.tokens;
        return this.pause + (missing <= 1e-9 ? 0 : (missing / this.rate) * 1000);
    }

    private take(urgency: Urgency): boolean {
        if (this.due(urgency) > 0) {
            return false;
        }
        this.tokens -= 1;
        return true;
    }

    private serve(): void {
        clearTimeout(this.wake);
        while (this.waiting.length > 0 && this.take(this.waiting[0].urgency)) {
            this.waiting[0].go();
        }
        if (this.waiting.length > 0) {
            this.wake = setTimeout(() => this.serve(), Math.ceil(this.due(this.waiting[0].urgency)) + 1);
        }
    }
}
