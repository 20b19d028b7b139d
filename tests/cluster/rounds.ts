/** Kills as planned, and measures how long it takes until everything answers again. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Answered } from '../soak/load';
import type { World } from '../soak/world';
import { type Ownership, readOwnership, type Tables } from './members';
import type { Blow, Round } from './plan';

const TAKEOVER_MS = 10_000;
const POLL_MS = 150;
const MAX_ROUND_MS = 90_000; // then nothing answers any more
const EXCUSED_MS = 20_000; // after a blow: a process that was waiting for it has ended by then

/** Milliseconds from a kill, or from the restart when nothing else could answer. */
export interface Times {
    count: number;
    median: number;
    p95: number;
    max: number;
}

/** A blow that has fallen. */
interface Fallen extends Blow {
    at: number; // milliseconds of performance.now()
    tables: Tables | undefined; // of the victim; undefined for the database
    pid: number | undefined;
    jobs: string[]; // open ones that the victim had
}

export class Rounds {
    done = 0;
    /** What took too long. */
    readonly late: string[] = [];
    private readonly measured = new Map<string, number[]>();
    private readonly fallen: Fallen[] = [];

    constructor(
        private readonly world: World,
        private readonly answers: readonly Answered[],
        private readonly allowanceMs: number,
    ) {}

    /** Resolves when everything is up and answers; with false when it does not for long. */
    async run(round: Round): Promise<boolean> {
        const blows: Fallen[] = [];
        for (const blow of round) {
            await sleep(blow.atMs);
            const fallen = await this.prepare(blow);
            blows.push(fallen);
            this.fallen.push(fallen);
            const process = this.world.processes[blow.victim];
            if (blow.kind === 'kill') {
                process.kill(blow.downMs);
            } else {
                process.pause(blow.downMs);
            }
        }
        this.done++;
        const waits = [this.flow(blows), ...blows.map((blow) => this.takeover(blow, blows))];
        const flows = await Promise.all(waits);
        const isUp = await this.waitFor(() => blows.every(({ victim }) => this.world.processes[victim].isReady));
        if (!isUp) {
            this.late.push(`round ${this.done}: ${namesOf(blows)} did not come back`);
        }
        return flows.every(Boolean) && isUp;
    }

    /** Statistics by what was killed. */
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
            failures.filter(({ at }) => !isExcused(name, at)).map(({ text }) => text),
        );
    }

    private async prepare(blow: Blow): Promise<Fallen> {
        const { victim } = blow;
        const tables = victim.startsWith('worker')
            ? 'cocoon_worker'
            : victim.startsWith('gateway')
              ? 'cocoon_gateway'
              : undefined;
        const { pid } = this.world.processes[victim];
        const owners = tables && (await this.ownership(tables));
        const jobs = [...(owners?.ownerOf ?? [])].filter(([, owner]) => owner === pid).map(([job]) => job);
        const at = performance.now();
        return { ...blow, at, tables, pid, jobs };
    }

    /** Undefined while the database is away. */
    private async ownership(tables: Tables): Promise<Ownership | undefined> {
        return readOwnership(this.world.gatewayStore, tables).catch(() => undefined);
    }

    /** An app has a whole answer that it asked for after the last blow. */
    private async flow(blows: readonly Fallen[]): Promise<boolean> {
        const lastAt = blows.at(-1)!.at;
        const isAnswered = await this.waitFor(() => (this.answers.at(-1)?.askedAt ?? 0) > lastAt);
        this.measure(blows, { what: `an answer after ${kindsOf(blows)}`, isDone: isAnswered });
        return isAnswered;
    }

    /** Live processes have all open jobs of the one that was killed. */
    private async takeover({ tables, pid, jobs, kind, victim }: Fallen, blows: readonly Fallen[]): Promise<boolean> {
        if (tables === undefined || jobs.length === 0) {
            return true;
        }
        const isTaken = await this.waitFor(async () => {
            const now = await this.ownership(tables);
            return (
                now !== undefined &&
                jobs.every((job) => {
                    const owner = now.ownerOf.get(job);
                    const isSame = owner === pid && kind === 'kill';
                    return owner === undefined || (!isSame && now.live.has(owner));
                })
            );
        });
        const process = victim.replace(/-\d+$/, '');
        this.measure(blows, {
            what: `jobs of a ${kind === 'kill' ? 'killed' : 'stopped'} ${process}`,
            isDone: isTaken,
        });
        return isTaken;
    }

    /** After the last restart of what nothing else stands in for. */
    private answerableFrom(blows: readonly Fallen[]): number {
        const kindOf = (name: string) => name.replace(/-\d+$/, '');
        const back = blows.map(({ victim, at, downMs }) => {
            const others = Object.keys(this.world.processes).filter(
                (name) => kindOf(name) === kindOf(victim) && !blows.some((blow) => blow.victim === name),
            );
            return others.length > 0 ? at : at + downMs;
        });
        return Math.max(...back);
    }

    private measure(blows: readonly Fallen[], { what, isDone }: { what: string; isDone: boolean }) {
        const ms = Math.max(0, performance.now() - this.answerableFrom(blows));
        this.measured.set(what, [...(this.measured.get(what) ?? []), ms]);
        if (!isDone || ms > TAKEOVER_MS + this.allowanceMs) {
            const text = isDone ? `after ${(ms / 1000).toFixed(1)} s` : `not in ${MAX_ROUND_MS / 1000} s`;
            this.late.push(`round ${this.done}: ${namesOf(blows)}: ${what} ${text}`);
        }
    }

    private async waitFor(holds: () => boolean | Promise<boolean>): Promise<boolean> {
        const end = performance.now() + MAX_ROUND_MS;
        while (performance.now() < end) {
            if (await holds()) {
                return true;
            }
            await sleep(POLL_MS);
        }
        return false;
    }
}

const namesOf = (blows: readonly Blow[]) =>
    blows.map(({ kind, victim, downMs }) => `${kind} of ${victim} for ${(downMs / 1000).toFixed(1)} s`).join(' and ');

const kindsOf = (blows: readonly Blow[]) =>
    blows.length > 1 ? 'two blows' : `a ${blows[0].kind} of ${blows[0].victim.replace(/-\d+$/, '')}`;

function timesOf(values: readonly number[]): Times {
    const sorted = [...values].sort((a, b) => a - b);
    const at = (part: number) => Math.round(sorted[Math.floor(part * (sorted.length - 1))]);
    return { count: sorted.length, median: at(0.5), p95: at(0.95), max: at(1) };
}
