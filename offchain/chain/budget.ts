/** Limits the calls a second to an endpoint, and orders the calls that wait. */

/**
 * urgent: earns or saves money. routine: keeps the process up to date. client: caused by a client that has a job; in
 * turns with what is routine, so that no number of them keeps it waiting. stranger: caused by an unknown client. idle:
 * only tells people something; one at a time, and in turns with strangers. These two come last, but in their turn: a
 * few clients with many calls must not keep every new client out.
 */
export type Urgency = 'urgent' | 'routine' | 'client' | 'stranger' | 'idle';

const ORDER: Record<Urgency, number> = { urgent: 0, routine: 1, client: 1, stranger: 2, idle: 2 };
/** Part of a burst that is reserved for more urgent calls. */
const RESERVED: Record<Urgency, number> = { urgent: 0, routine: 0.25, client: 0.25, stranger: 0.5, idle: 0.5 };
const MAX_STRANGERS = 8; // waiting calls of strangers; more are refused at once
const MAX_PASSED = 2; // calls of clients and routine that go before one that waits as the last
const MIN_RATE = 0.95; // calls a second: the slowest public API takes one
const FIRST_RATE = 4; // calls a second after the first refusal of an endpoint without a limit
const GROWTH = 0.005; // calls a second more after each call that was served
/** Bytes of answers in a millisecond, and milliseconds of these at once: to read a million takes six milliseconds. */
const BYTES = 16_000;
const BYTES_BURST = 4000;
const LONG_PAUSE = 2000; // milliseconds, for which no call waits that may be made at another endpoint

interface Waiting {
    urgency: Urgency;
    go(): void;
    leave(): void; // without a turn
    timer: NodeJS.Timeout;
}

/** A token bucket. It slows down when the endpoint refuses calls as too many, and slowly recovers. */
export class Budget {
    private rate: number;
    private tokens: number;
    private at = performance.now();
    private pausedUntil = 0;
    private bytesUntil = 0; // when the bytes of its answers so far have come at their rate
    private waiting: Waiting[] = [];
    private wake: NodeJS.Timeout | undefined;
    private wasClient = true; // the last call of clients and routine together
    private passed = 0; // calls of clients and routine that went before those that wait as the last

    /**
     * `maxRate`: calls a second; Infinity where only the endpoint's refusals limit them. `maxBurst`: calls at once
     * after a pause; by default those of half a second.
     */
    constructor(
        private readonly maxRate: number,
        private readonly maxBurst?: number,
    ) {
        this.rate = maxRate;
        this.tokens = this.burst;
    }

    /** Milliseconds until the endpoint may be called at all. */
    get pause(): number {
        return Math.max(this.refusalPause, this.bytesUntil - BYTES_BURST - performance.now());
    }

    /** Milliseconds for which the endpoint asked to be called no more. */
    get refusalPause(): number {
        return Math.max(0, this.pausedUntil - performance.now());
    }

    /**
     * Resolves with true when the call may be made, with false when its turn did not come within `patience`
     * milliseconds, with undefined once the endpoint begins a long pause: another may serve, or the call waits again.
     */
    turn(urgency: Urgency, patience: number): Promise<boolean | undefined> {
        if (this.waiting.length === 0 && this.take(urgency)) {
            return Promise.resolve(true);
        }
        const strangers = this.waiting.filter((one) => one.urgency === 'stranger').length;
        if (urgency === 'stranger' && strangers >= MAX_STRANGERS) {
            return Promise.resolve(false);
        }
        return new Promise((resolve) => {
            const end = (isTurn: boolean | undefined) => {
                clearTimeout(one.timer);
                this.waiting = this.waiting.filter((other) => other !== one);
                if (this.waiting.length === 0) {
                    clearTimeout(this.wake); // it would keep the process alive for nobody
                }
                resolve(isTurn);
            };
            const timer = setTimeout(() => end(false), patience);
            const one: Waiting = { urgency, go: () => end(true), leave: () => end(undefined), timer };
            this.waiting.push(one);
            this.waiting.sort((a, b) => ORDER[a.urgency] - ORDER[b.urgency]);
            this.serve();
        });
    }

    /** Milliseconds that a call would wait for its turn, of all that wait now. */
    delay(urgency: Urgency): number {
        const earlier = this.waiting.filter((one) => ORDER[one.urgency] <= ORDER[urgency]).length;
        return this.due(urgency) + (earlier / this.rate) * 1000;
    }

    /** True if nothing waits and more than half of a burst is left: an endpoint with one call at a time spares none. */
    get hasSpare(): boolean {
        this.refill();
        return this.waiting.length === 0 && this.pause === 0 && this.tokens >= 1 + this.burst / 2;
    }

    /** Takes one call at once. Only while {@link hasSpare}. */
    takeSpare(): void {
        this.tokens -= 1;
    }

    /** Notes that the endpoint refused a call as one too many. `pauseMs`: milliseconds that it asks to wait. */
    slowDown(pauseMs: number): void {
        this.refill();
        const slower = this.rate === Infinity ? FIRST_RATE : this.rate * 0.75;
        this.rate = Math.min(this.maxRate, Math.max(MIN_RATE, slower));
        this.tokens = 1;
        this.pausedUntil = Math.max(this.pausedUntil, performance.now() + pauseMs);
        this.leaveLongPause();
        this.serve();
    }

    /** Notes that the endpoint served a call. */
    noteServed(): void {
        if (this.rate < this.maxRate) {
            this.refill();
            this.rate = Math.min(this.maxRate, this.rate + GROWTH);
        }
    }

    /** Notes bytes of an answer. An endpoint that sends too many rests: reading them would leave time for nothing. */
    noteBytes(bytes: number): void {
        this.bytesUntil = Math.max(this.bytesUntil, performance.now()) + bytes / BYTES;
        this.leaveLongPause();
    }

    private leaveLongPause(): void {
        const leaving = this.pause > LONG_PAUSE ? this.waiting : [];
        leaving.forEach((one) => one.leave());
    }

    private get burst(): number {
        return this.rate === Infinity ? Infinity : (this.maxBurst ?? Math.max(1, this.rate / 2));
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

    /** Milliseconds until a call of this urgency may take its token. */
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
        for (let next = this.next(); next !== undefined; next = this.next()) {
            if (!this.take(next.urgency)) {
                this.wake = setTimeout(() => this.serve(), Math.ceil(this.due(next.urgency)) + 1);
                return;
            }
            const isShared = ORDER[next.urgency] === ORDER.client;
            this.wasClient = isShared ? next.urgency === 'client' : this.wasClient;
            this.passed = isShared && this.waiting.some(isLast) ? this.passed + 1 : isLast(next) ? 0 : this.passed;
            next.go();
        }
    }

    /** The call whose turn is next. */
    private next(): Waiting | undefined {
        const [first] = this.waiting;
        if (first === undefined || ORDER[first.urgency] !== ORDER.client) {
            return first;
        }
        const other: Urgency = this.wasClient ? 'routine' : 'client';
        const last = this.passed >= MAX_PASSED ? this.waiting.find(isLast) : undefined;
        return last ?? this.waiting.find(({ urgency }) => urgency === other) ?? first;
    }
}

const isLast = ({ urgency }: Waiting): boolean => ORDER[urgency] === ORDER.stranger;
