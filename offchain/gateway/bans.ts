/** What this gateway remembers of how workers served it, by their URL. */

const COOL_SECONDS = 15; // a worker that was down or busy comes last for so long
const MAX_COOL_SECONDS = 600;
const MAX_FAILS = 2; // in a row, after meters were paid

interface WorkerRecord {
    bannedUntil: number; // unix seconds; not used before
    coolUntil: number; // unix seconds; used only when there is no other
    cooled: number; // times in a row, without an answer in between
    fails: number; // failed queries in a row after meters were paid
    refusedIn: Set<number>; // jobs whose money or end it refused queries for, since its last result
    banReason: string;
}

export class Bans {
    private readonly all = new Map<string, WorkerRecord>();

    /** `banSeconds`: how long a ban lasts; `now`: unix seconds. */
    constructor(
        private readonly banSeconds: number,
        private readonly now: () => number,
    ) {}

    /** Not used for the time the configuration says: it cheated, or failed twice in a row after it was paid. */
    ban(url: string, reason: string, at = this.now()): void {
        const record = this.of(url);
        record.bannedUntil = Math.max(record.bannedUntil, at + this.banSeconds);
        record.fails = 0;
        record.banReason = reason;
    }

    /** Comes last for a moment, which is twice as long each time it was tried again in vain. */
    cool(url: string): void {
        const record = this.of(url);
        if (record.coolUntil <= this.now()) {
            record.cooled++;
        }
        record.coolUntil = this.now() + Math.min(MAX_COOL_SECONDS, COOL_SECONDS * 2 ** (record.cooled - 1));
    }

    /** Counts a query that failed after meters were paid. */
    countFailure(url: string): void {
        this.of(url).fails++;
    }

    hasFailedTooOften(url: string): boolean {
        return (this.all.get(url)?.fails ?? 0) >= MAX_FAILS;
    }

    /** Notes that a worker refused a query for a job's money or end. False if it said so of another job, too. */
    isOnlyRefusalFor(url: string, job: number): boolean {
        const { refusedIn } = this.of(url);
        refusedIn.add(job);
        return refusedIn.size === 1;
    }

    /** Clears the failures of a worker whose result was verified. */
    clearFailures(url: string): void {
        const record = this.of(url);
        record.fails = 0;
        record.refusedIn.clear();
    }

    /** Comes last no longer: it gave an answer to whoever waited for it. */
    warm(url: string): void {
        const record = this.of(url);
        record.coolUntil = 0;
        record.cooled = 0;
    }

    /** Why a worker is banned now; undefined if it is not. */
    banReason(url: string): string | undefined {
        const record = this.all.get(url);
        return record !== undefined && record.bannedUntil > this.now() ? record.banReason : undefined;
    }

    isCool(url: string): boolean {
        return (this.all.get(url)?.coolUntil ?? 0) > this.now();
    }

    /** For a sort: workers that are not cool come first. */
    compare(a: string, b: string): number {
        return Number(this.isCool(a)) - Number(this.isCool(b));
    }

    /** To change it. To look at one makes none: any number of workers may be announced. */
    private of(url: string): WorkerRecord {
        const record = this.all.get(url) ?? {
            ...{ bannedUntil: 0, coolUntil: 0, cooled: 0, fails: 0, refusedIn: new Set(), banReason: '' },
        };
        this.all.set(url, record);
        return record;
    }
}
