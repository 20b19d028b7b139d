/** Sums over jobs and faults, by payout, client and day. */
import type { Faults } from './cases';
import { type IndexedJob, lastOf } from './jobs';
import { dayOf } from './listings';
import { by } from './order';

/** Amounts in nanoTON. */
export interface JobSummary {
    jobs: number;
    openJobs: number;
    claims: number;
    claimed: bigint;
    claimed7Days: bigint;
    refunded: bigint;
}

export interface DayView {
    day: string;
    openings: number;
    deposits: bigint;
    claims: number;
    claimed: bigint;
    settled: number;
    refunds: number;
    refunded: bigint;
    faults: number;
    slashes: number;
    slashed: bigint;
}

const SECONDS_PER_DAY = 86_400;

/** Sums over jobs, by payout, client and day. */
export class Sums {
    lastAt = 0;
    readonly days = new Map<string, DayView>();
    private readonly byPayout = new Map<string, Entry>();
    private readonly byClient = new Map<string, Entry>();

    add(job: IndexedJob): void {
        this.lastAt = Math.max(this.lastAt, lastOf(job));
        const opened = this.day(job.openedAt);
        opened.openings++;
        opened.deposits += job.deposit ?? 0n;
        for (const { at, amount } of job.claims) {
            const day = this.day(at);
            day.claims++;
            day.claimed += amount;
        }
        if (job.endedAt !== null) {
            const day = this.day(job.endedAt);
            day.settled++;
            day.refunds += job.how === 'refunded' ? 1 : 0;
            day.refunded += job.rest ?? 0n;
        }
        entryOf(this.byPayout, job.payout).add(job);
        entryOf(this.byClient, job.client).add(job);
    }

    summaryOf(payouts: readonly string[], asOf: number): JobSummary {
        return payouts
            .flatMap((payout) => this.byPayout.get(payout) ?? [])
            .reduce((sum, entry) => plus(sum, entry.at(asOf)), NO_JOBS);
    }

    clients(asOf: number): (JobSummary & { client: string })[] {
        return [...this.byClient].map(([client, entry]) => ({ client, ...entry.at(asOf) })).sort(by('client'));
    }

    day(at: number): DayView {
        return dayIn(this.days, at);
    }
}

const NO_JOBS: JobSummary = { jobs: 0, openJobs: 0, claims: 0, claimed: 0n, claimed7Days: 0n, refunded: 0n };

function plus(one: JobSummary, other: JobSummary): JobSummary {
    return {
        ...{ jobs: one.jobs + other.jobs, openJobs: one.openJobs + other.openJobs, claims: one.claims + other.claims },
        ...{ claimed: one.claimed + other.claimed, claimed7Days: one.claimed7Days + other.claimed7Days },
        refunded: one.refunded + other.refunded,
    };
}

class Entry {
    private readonly sum = { jobs: 0, openJobs: 0, claims: 0, claimed: 0n, refunded: 0n };
    private readonly claimedByDay = new Map<number, bigint>(); // by days since 1970

    add({ claims, claimed, endedAt, rest }: IndexedJob): void {
        this.sum.jobs++;
        this.sum.openJobs += endedAt === null ? 1 : 0;
        this.sum.claims += claims.length;
        this.sum.claimed += claimed;
        this.sum.refunded += rest ?? 0n;
        for (const { at, amount } of claims) {
            const day = Math.floor(at / SECONDS_PER_DAY);
            this.claimedByDay.set(day, (this.claimedByDay.get(day) ?? 0n) + amount);
        }
    }

    at(asOf: number): JobSummary {
        const today = Math.floor(asOf / SECONDS_PER_DAY);
        let claimed7Days = 0n;
        for (let day = today - 6; day <= today; day++) {
            claimed7Days += this.claimedByDay.get(day) ?? 0n;
        }
        return { ...this.sum, claimed7Days };
    }
}

function entryOf(entries: Map<string, Entry>, key: string): Entry {
    const entry = entries.get(key) ?? new Entry();
    entries.set(key, entry);
    return entry;
}

export function emptyDay(day: string): DayView {
    const amounts = { deposits: 0n, claimed: 0n, refunded: 0n, slashed: 0n };
    return { day, openings: 0, claims: 0, settled: 0, refunds: 0, faults: 0, slashes: 0, ...amounts };
}

function dayIn(days: Map<string, DayView>, at: number): DayView {
    const name = dayOf(at);
    const day = days.get(name) ?? emptyDay(name);
    days.set(name, day);
    return day;
}

export function daysOf({ days }: Sums, { cases, slashes }: Faults): DayView[] {
    cases.forEach(({ openedAt }) => dayIn(days, openedAt).faults++);
    for (const { at, amount } of slashes) {
        const day = dayIn(days, at);
        day.slashes++;
        day.slashed += amount;
    }
    return [...days.values()].sort(by('day'));
}
