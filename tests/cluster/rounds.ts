/**
 * Kills as planned, and measures how long it takes until everything answers again. A round ends as soon as an app has
 * an answer. A process that stays away for longer is watched while the next rounds go on.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Answered } from '../soak/load';
import type { World } from '../soak/world';
import { type Ownership, readOwnership, type Tables } from './members';
import type { Blow, Round } from './plan';

const TAKEOVER_MS = 10_000;
const POLL_MS = 100;
const WATCH_MS = 250; // between two looks into the database
const MAX_WAIT_MS = 90_000; // then nothing answers any more
const FIRST_ANSWER_MS = 20_000; // a job that no query needs in this time is not measured
const EXCUSED_MS = 20_000; // after a blow: a process that was waiting for it has ended by then
const EXCUSES = /store|lease|database|PGSQL|in use|EPIPE|ECONN/i; // of a process whose database died, or that was stopped

/** Milliseconds from a kill, or from the restart of what nothing else stood in for. */
export interface Times {
    count: number;
    median: number;
    p95: number;
    max: number;
}

/** A blow that has fallen. */
interface Fallen extends Blow {
    round: number;
    at: number; // milliseconds of performance.now()
    from: number; // when others can take over: at once, or once something is back
    tables: Tables | undefined; // of the victim; undefined for the database
    pid: number | undefined;
    jobs: string[]; // open ones that the victim had
}

const kindOf = (name: string) => name.replace(/-\d+$/, '');

export class Rounds {
    done = 0;
    /** What took too long. */
    readonly late: string[] = [];
    private readonly measured = new Map<string, number[]>();
    private readonly fallen: Fallen[] = [];
    private readonly watching: Promise<void>[] = [];

    constructor(
        private readonly world: World,
        private readonly answers: readonly Answered[],
        private readonly allowanceMs: number,
    ) {}

    /** Resolves when an app has an answer again; with false when none has for long. */
    async run(round: Round): Promise<boolean> {
        this.done++;
        const blows: Fallen[] = [];
        for (const blow of round) {
            await sleep(blow.atMs);
            if (!(await this.waitFor(() => this.isMet(blow, blows.length > 0)))) {
                this.late.push(`round ${this.done}: ${blow.victim} or what stands in for it did not come back`);
                return false;
            }
            const fallen = await this.prepare(blow);
            blows.push(fallen);
            this.fallen.push(fallen);
            const process = this.world.processes[blow.victim];
            if (blow.kind === 'kill') {
                process.kill(blow.downMs);
            } else {
                process.pause(blow.downMs);
            }
            if (fallen.tables !== undefined && fallen.jobs.length > 0) {
                this.watching.push(this.watch(fallen, fallen.tables));
            }
        }
        return this.flow(blows);
    }

    /** Resolves when everything is up and nothing is watched any more. */
    async end(): Promise<void> {
        await Promise.all(this.watching);
        if (!(await this.waitFor(() => this.world.all.every(({ isReady }) => isReady)))) {
            const names = this.world.all.filter(({ isReady }) => !isReady).map(({ name }) => name);
            this.late.push(`at the end ${names.join(', ')} did not come back`);
        }
    }

    /** Statistics by what was measured. */
    times(): Record<string, Times> {
        return Object.fromEntries([...this.measured].map(([name, values]) => [name, timesOf(values)]));
    }

    /** Ends that no blow explains: a database that died ends all, and a process that was stopped ends itself. */
    unexcused(): string[] {
        const isExcused = (name: string, at: number) =>
            this.fallen.some(
                (blow) =>
                    (blow.victim === 'database' || (blow.kind === 'pause' && blow.victim === name)) &&
                    at >= blow.at &&
                    at <= blow.at + blow.downMs + EXCUSED_MS,
            );
        return this.world.all.flatMap(({ name, failures }) =>
            failures.filter(({ at, text }) => !isExcused(name, at) || !EXCUSES.test(text)).map(({ text }) => text),
        );
    }

    // The second blow of a round may meet what stands in for the first.
    private isMet({ victim }: Blow, isSecond: boolean): boolean {
        const { processes } = this.world;
        return (
            processes[victim].isReady && (isSecond || this.othersOf(victim).every((name) => processes[name].isReady))
        );
    }

    private othersOf(victim: string): string[] {
        const names = Object.keys(this.world.processes);
        return names.filter((name) => name !== victim && kindOf(name) === kindOf(victim));
    }

    private async prepare(blow: Blow): Promise<Fallen> {
        const { victim, downMs } = blow;
        const tables = ({ worker: 'cocoon_worker', gateway: 'cocoon_gateway' } as const)[kindOf(victim)];
        const { pid } = this.world.processes[victim];
        const owners = tables && (await this.ownership(tables));
        const jobs = [...(owners?.ownerOf ?? [])].filter(([, owner]) => owner === pid).map(([job]) => job);
        const isReplaced = this.othersOf(victim).some((name) => this.world.processes[name].isReady);
        const at = performance.now();
        return { ...blow, round: this.done, at, from: isReplaced ? at : at + downMs, tables, pid, jobs };
    }

    /** Undefined while the database is away. */
    private async ownership(tables: Tables): Promise<Ownership | undefined> {
        return readOwnership(this.world.gatewayStore, tables).catch(() => undefined);
    }

    /** An app has a whole answer that it asked for after the last blow. */
    private async flow(blows: readonly Fallen[]): Promise<boolean> {
        const lastAt = blows.at(-1)!.at;
        const isAnswered = await this.waitFor(() => this.answers.slice(-20).some(({ askedAt }) => askedAt > lastAt));
        const from = Math.max(...blows.map((blow) => blow.from));
        const ms = Math.max(0, performance.now() - from);
        const name = blows.length > 1 ? 'two blows' : `a ${blows[0].kind} of a ${kindOf(blows[0].victim)}`;
        this.measure(`an answer after ${name}`, ms);
        if (!isAnswered || ms > TAKEOVER_MS + this.allowanceMs) {
            this.late.push(`round ${this.done}: ${blows.map(textOf).join(' and ')}: ${seconds(ms)} without an answer`);
        }
        return isAnswered;
    }

    /** Live processes have all open jobs of the one that was killed, and one of these jobs is used again. */
    private async watch(blow: Fallen, tables: Tables): Promise<void> {
        const { pid, jobs, kind, round } = blow;
        // A process that was stopped may wake up before another has looked, and then it has its jobs as before.
        const isAwake = () => kind === 'pause' && performance.now() > blow.at + blow.downMs;
        const isTaken = await this.waitFor(async () => {
            const now = await this.ownership(tables);
            const isHeld = (owner: number | undefined) =>
                owner === undefined || (now!.live.has(owner) && (owner !== pid || isAwake()));
            return now !== undefined && jobs.every((job) => isHeld(now.ownerOf.get(job)));
        }, WATCH_MS);
        const from = this.disturbedAt(blow);
        const ms = Math.max(0, performance.now() - from);
        const name = `a ${kind === 'kill' ? 'killed' : 'stopped'} ${kindOf(blow.victim)}`;
        this.measure(`jobs of ${name} taken over`, ms);
        if (!isTaken || ms > TAKEOVER_MS + this.allowanceMs) {
            this.late.push(`round ${round}: ${textOf(blow)}: its jobs taken over after ${seconds(ms)}`);
        }
        const end = performance.now() + FIRST_ANSWER_MS;
        const isUsed = await this.waitFor(() => this.isAnswered(blow, tables) || performance.now() > end);
        if (isUsed && performance.now() <= end) {
            this.measure(`first answer on jobs of ${name}`, Math.max(0, performance.now() - from));
        }
    }

    private isAnswered({ jobs, at }: Fallen, tables: Tables): boolean {
        if (tables === 'cocoon_worker') {
            return jobs.some((job) => (this.world.wire.served.get(job)?.askedAt ?? 0) > at);
        }
        return this.answers.some(({ askedAt, receipt }) => askedAt > at && jobs.includes(receipt.split('-')[0]));
    }

    /** When a takeover could begin: the database, or what stands in for the victim, may have died meanwhile. */
    private disturbedAt({ from, at, victim }: Fallen): number {
        const others = this.fallen.filter(
            (blow) => blow.at > at && (blow.victim === 'database' || kindOf(blow.victim) === kindOf(victim)),
        );
        return Math.max(from, ...others.map((blow) => blow.at + blow.downMs));
    }

    private measure(name: string, ms: number): void {
        this.measured.set(name, [...(this.measured.get(name) ?? []), ms]);
    }

    private async waitFor(holds: () => boolean | Promise<boolean>, pollMs = POLL_MS): Promise<boolean> {
        const end = performance.now() + MAX_WAIT_MS;
        while (performance.now() < end) {
            if (await holds()) {
                return true;
            }
            await sleep(pollMs);
        }
        return false;
    }
}

const seconds = (ms: number) => `${(ms / 1000).toFixed(1)} s`;

const textOf = ({ kind, victim, downMs }: Blow) => `a ${kind} of ${victim} for ${seconds(downMs)}`;

function timesOf(values: readonly number[]): Times {
    const sorted = [...values].sort((a, b) => a - b);
    const at = (part: number) => Math.round(sorted[Math.floor(part * (sorted.length - 1))]);
    return { count: sorted.length, median: at(0.5), p95: at(0.95), max: at(1) };
}
