/** One soak: load, kills at random moments, the end, and what must then hold. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Check } from './checks';
import { endRun } from './ending';
import { type Answered, Load, type LoadReport } from './load';
import { type Kill, killsOf, LAST_KILL, randomOf, survivors, victims, type Victim } from './plan';
import { type Sample, sampleOf, type Trend, trendOf } from './samples';
import { until } from './settle';
import { type Shape, World } from './world';

const SAMPLE_MS = 2000;
const POLL_MS = 200;
const SAY_MS = 10_000;
const MIN_KILLS = 5; // of a short run, about

const SHAPE: Shape = { workers: [['worker-1'], ['worker-2']], gateways: ['gateway'] };

export interface SoakOptions {
    minutes: number; // of load
    seed: number;
    folder: string; // for keys, stores, logs and the chain
    apps: number; // that ask at once
    killEveryMs: number;
    say: (line: string) => void;
}

export interface SoakReport {
    seed: number;
    minutes: number;
    load: LoadReport;
    kills: Record<Victim, number>;
    receipts: number; // seen on the wire
    vouchers: number; // acknowledged on the wire
    trends: Partial<Record<Victim, Trend>>;
    checks: Check[];
    passed: boolean;
}

/** Runs a soak. Throws if it cannot be set up; what goes wrong later is a breach in the report. */
export async function soak({ minutes, seed, folder, apps, killEveryMs, say }: SoakOptions): Promise<SoakReport> {
    const begin = performance.now();
    const tell = (line: string) => say(`${((performance.now() - begin) / 1000).toFixed(0).padStart(5)} s  ${line}`);
    const random = randomOf(seed);
    const durationMs = minutes * 60_000;
    const kills = killsOf(random, durationMs, Math.min(killEveryMs, durationMs / MIN_KILLS));
    const world = await World.open(folder, SHAPE, seed, tell);
    try {
        tell(`${apps} apps ask for ${minutes} min, ${kills.length} kills`);
        const answers: Answered[] = [];
        const onAnswer = (answer: Answered) => answers.push(answer);
        const samples = await runLoad(world, {
            load: new Load(random, { urls: world.gateways.map(({ url }) => url), apps, onAnswer }),
            kills,
            durationMs,
            tell,
        });
        const checks = await endRun(world, { load: samples.report, answers, tell });
        const failures = world.all.flatMap((each) => each.failures).map(({ text }) => text);
        checks.push({ name: 'no process ended by itself', breaches: failures });
        const trends = Object.fromEntries(victims.map((name) => [name, trendOf(samples.of[name])]));
        const steep = survivors.filter((name) => !trends[name].isFlat).map((name) => describe(name, trends[name]));
        checks.push({ name: 'memory and handles are flat', breaches: steep });
        await world.processes.endpoint.stop();
        return {
            seed,
            minutes,
            load: samples.report,
            kills: Object.fromEntries(victims.map((name) => [name, world.processes[name].kills])) as never,
            receipts: world.wire.receipts,
            vouchers: world.wire.vouchers,
            trends,
            checks,
            passed: checks.every(({ breaches }) => breaches.length === 0),
        };
    } finally {
        world.abort();
    }
}

type Samples = Record<Victim, Sample[]>;

interface LoadRun {
    load: Load;
    kills: readonly Kill[];
    durationMs: number;
    tell: (line: string) => void;
}

async function runLoad(
    { processes, wire }: World,
    { load, kills, durationMs, tell }: LoadRun,
): Promise<{ of: Samples; report: LoadReport }> {
    const of = Object.fromEntries(victims.map((name) => [name, []])) as unknown as Samples;
    await until(async () => load.report.answered > 0); // kills before it would say little
    const start = performance.now();
    const elapsed = () => performance.now() - start;
    const ending = new AbortController();
    const killing = killAll(processes, kills, { elapsed, durationMs, signal: ending.signal });
    let saidAt = 0;
    try {
        while (elapsed() < durationMs) {
            await sleep(Math.min(SAMPLE_MS, durationMs - elapsed()));
            for (const name of victims) {
                const { pid } = processes[name];
                const sample = pid === undefined ? undefined : sampleOf(pid, elapsed());
                of[name].push(...(sample === undefined ? [] : [sample]));
            }
            if (elapsed() - saidAt >= SAY_MS) {
                saidAt = elapsed();
                const { answered, refused } = load.report;
                const count = victims.reduce((sum, name) => sum + processes[name].kills, 0);
                const refusals = Object.values(refused).reduce((sum, times) => sum + times, 0);
                tell(`${answered} answers, ${refusals} refusals, ${wire.vouchers} vouchers, ${count} kills`);
            }
        }
    } finally {
        ending.abort();
        await Promise.all([killing, load.stop()]);
    }
    return { of, report: load.report };
}

interface KillTimes {
    elapsed: () => number; // milliseconds of the load
    durationMs: number;
    signal: AbortSignal;
}

/** Kills as planned, but later where more than one process is still on its way up: a slow machine sees fewer kills. */
async function killAll(
    processes: World['processes'],
    kills: readonly Kill[],
    { elapsed, durationMs, signal }: KillTimes,
): Promise<void> {
    const pause = (ms: number) => sleep(ms, undefined, { signal }).catch(() => undefined);
    let delay = 0; // milliseconds that the plan is late
    for (const { at, victim, downMs } of kills) {
        await pause(Math.max(0, at + delay - elapsed()));
        while (!signal.aborted && victims.filter((name) => !processes[name].isReady).length > 1) {
            await pause(POLL_MS);
        }
        delay = Math.max(delay, elapsed() - at);
        const isSpared = survivors.includes(victim) && elapsed() > durationMs / 2;
        if (signal.aborted || elapsed() > LAST_KILL * durationMs) {
            return;
        }
        if (!isSpared) {
            processes[victim].kill(downMs);
        }
    }
}

function describe(name: string, { memory, handles }: Trend): string {
    const [from, to] = memory.map((bytes) => (bytes / 2 ** 20).toFixed(0));
    return `${name}: memory from ${from} to ${to} MiB, handles from ${handles[0]} to ${handles[1]}`;
}
