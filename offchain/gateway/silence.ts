/**
 * Finds out that a node does not begin an answer, or that it begins one and then stands nearly still. Such a query
 * holds its place of the job until the latest deadline, and its app, which may only have been impatient, blames nobody.
 */
import { waits } from '../link';
import type { GatewayJob } from './job';

const MIN_CHARACTERS = 2; // a second, of an answer that goes on: about a token
const MAX_SLOW = 3; // looks in a row with fewer, after which an answer stands still; if its app has gone, one
const WAITED_MS = 1000; // for an app that reads slowly, from which on a look says nothing

/** True if an answer of so many characters in so many seconds went on. */
export const hasGoneOn = (characters: number, seconds: number): boolean =>
    characters > 0 && characters >= MIN_CHARACTERS * seconds;

export class Silence {
    private readonly since = performance.now();
    private late: NodeJS.Timeout | undefined;
    private looking: NodeJS.Timeout | undefined; // since the answer began
    private characters = 0; // since the last look
    private waitedFor = false; // the app, since the last look
    private delivering = 0; // frames
    private slow = 0; // looks in a row that found too few characters
    private isCounted = false;
    private isTold = false;

    /** `onSilent`: called at most once. */
    constructor(
        private readonly job: GatewayJob,
        private readonly onSilent: () => void,
    ) {
        this.countAfter(waits.think);
    }

    /** The app has gone. */
    noteGone(): void {
        if (this.looking !== undefined) {
            if (this.slow > 0) {
                this.count();
            }
            return;
        }
        this.countAfter(waits.begin);
    }

    /** A frame came. Hands it over; while an app is waited for, nobody is blamed. */
    async deliver({ text }: { text: string }, hand: () => Promise<void>): Promise<void> {
        this.characters += text.length;
        if (this.looking === undefined) {
            this.end();
            this.looking = setInterval(() => this.look(), waits.pace * 1000).unref();
        }
        const from = performance.now();
        this.delivering++;
        try {
            await hand();
        } finally {
            this.delivering--;
            this.waitedFor ||= performance.now() - from > WAITED_MS;
        }
    }

    /** The query is over. */
    end(): void {
        clearTimeout(this.late);
        clearInterval(this.looking);
        this.uncount();
    }

    /** Counts the query that many seconds after its start, unless it begins before. */
    private countAfter(seconds: number): void {
        const remaining = this.since + seconds * 1000 - performance.now();
        clearTimeout(this.late);
        this.late = setTimeout(() => this.count(), Math.max(0, remaining)).unref();
    }

    private look(): void {
        // A node that is not paid now waits for that.
        const isFine = this.waitedFor || this.delivering > 0 || this.job.money.paused !== undefined;
        this.slow = isFine || this.characters >= MIN_CHARACTERS * waits.pace ? 0 : this.slow + 1;
        this.characters = 0;
        this.waitedFor = false;
        if (this.slow >= MAX_SLOW) {
            this.count();
        } else if (this.slow === 0) {
            this.uncount();
        }
    }

    private count(): void {
        if (!this.isCounted) {
            this.isCounted = true;
            this.job.silent++;
        }
        if (!this.isTold) {
            this.isTold = true;
            this.onSilent();
        }
    }

    private uncount(): void {
        this.job.silent -= this.isCounted ? 1 : 0;
        this.isCounted = false;
    }
}
