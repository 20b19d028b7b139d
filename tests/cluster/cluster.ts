/** One run of a cluster: load, rounds in which processes are killed, the end, and what must then hold. */
import { type Check, lostVouchers } from '../soak/checks';
import { endRun } from '../soak/ending';
import { type Answered, Load, type LoadReport } from '../soak/load';
import { randomOf } from '../soak/plan';
import { until } from '../soak/settle';
import { readVouchers } from '../soak/stores';
import { type Shape, World } from '../soak/world';
import { type Round, roundsOf } from './plan';
import { Rounds, type Times } from './rounds';

const SAY_ROUNDS = 5; // between two lines of progress
const APP_TIMEOUT_MS = 10_000;

export interface ClusterOptions {
    rounds: number;
    seed: number;
    folder: string; // for keys, stores, logs and the chain
    processes: number; // gateways, and as many workers
    apps: number; // that ask at once
    allowanceMs: number; // beyond 10 s, for a machine that is busy
    signal?: AbortSignal; // ends the run after the round that runs, with all checks
    say: (line: string) => void;
}

export interface ClusterReport {
    seed: number;
    rounds: number;
    seconds: number; // of the rounds
    load: LoadReport;
    kills: Record<string, number>; // by victim
    pauses: Record<string, number>;
    times: Record<string, Times>; // by what was killed
    receipts: number; // seen on the wire
    vouchers: number; // acknowledged on the wire
    checks: Check[];
    passed: boolean;
}

function shapeOf(processes: number): Shape & { database: string } {
    const names = (kind: string) => Array.from({ length: processes }, (_, i) => `${kind}-${i + 1}`);
    return { workers: [names('worker')], gateways: names('gateway'), database: 'database' };
}

/** Runs it. Throws if it cannot be set up; what goes wrong later is a breach in the report. */
export async function runCluster(options: ClusterOptions): Promise<ClusterReport> {
    const { seed, folder, processes, apps, say } = options;
    const begin = performance.now();
    const tell = (line: string) => say(`${((performance.now() - begin) / 1000).toFixed(0).padStart(5)} s  ${line}`);
    const random = randomOf(seed);
    const shape = shapeOf(processes);
    const { database } = shape;
    const plan = roundsOf(random, options.rounds, { processes: [...shape.gateways, ...shape.workers[0]], database });
    const world = await World.open(folder, shape, seed, tell);
    try {
        tell(`${apps} apps ask, ${plan.length} rounds`);
        const answers: Answered[] = [];
        const load = new Load(random, {
            ...{ urls: world.gateways.map(({ url }) => url), apps, timeoutMs: APP_TIMEOUT_MS },
            onAnswer: (answer) => answers.push(answer),
        });
        const rounds = new Rounds(world, answers, options.allowanceMs);
        const startedAt = performance.now();
        const lost = await runAll(world, { plan, rounds, load, tell, signal: options.signal }).finally(() =>
            load.stop(),
        );
        const seconds = Math.round((performance.now() - startedAt) / 1000);
        const checks: Check[] = [
            { name: 'answers go on within 10 s of a kill, and a stated allowance', breaches: rounds.late },
            { name: 'no acknowledged voucher was lost in any round', breaches: lost },
            ...(await endRun(world, { load: load.report, answers, tell })),
            { name: 'no process ended by itself without a cause', breaches: rounds.unexcused() },
        ];
        await world.processes[database].stop();
        await world.processes.endpoint.stop();
        const counts = (count: 'kills' | 'pauses') =>
            Object.fromEntries(world.all.map((each) => [each.name, each[count]]).filter(([, times]) => times !== 0));
        return {
            ...{ seed, rounds: rounds.done, seconds, load: load.report, times: rounds.times() },
            kills: counts('kills'),
            pauses: counts('pauses'),
            receipts: world.wire.receipts,
            vouchers: world.wire.vouchers,
            checks,
            passed: checks.every(({ breaches }) => breaches.length === 0),
        };
    } finally {
        world.abort();
    }
}

interface Run {
    plan: readonly Round[];
    rounds: Rounds;
    load: Load;
    tell: (line: string) => void;
    signal: AbortSignal | undefined;
}

/** Returns the vouchers that were lost, by round. */
async function runAll({ wire, workers }: World, { plan, rounds, load, tell, signal }: Run): Promise<string[]> {
    const lost: string[] = [];
    const told = new Set<string>(); // breaches
    await until(async () => load.report.answered > 0); // kills before it would say little
    for (const round of plan) {
        if (signal?.aborted === true || !(await rounds.run(round))) {
            break; // or nothing answers any more
        }
        const acknowledged = new Map(wire.acknowledged);
        let stored: Awaited<ReturnType<typeof readVouchers>> = [];
        await until(async () => (stored = await readVouchers(workers[0].store)) !== undefined);
        const missing = lostVouchers(acknowledged, stored);
        lost.push(...missing.map((breach) => `round ${rounds.done}: ${breach}`));
        const breaches = [...rounds.late, ...lost, ...wire.breaches];
        breaches.filter((breach) => !told.has(breach)).forEach((breach) => tell(`✗ ${breach}`));
        breaches.forEach((breach) => told.add(breach));
        if (rounds.done % SAY_ROUNDS === 0) {
            const refusals = Object.values(load.report.refused).reduce((sum, times) => sum + times, 0);
            tell(
                `${rounds.done} rounds, ${load.report.answered} answers, ${refusals} refusals, ${wire.vouchers} vouchers, ` +
                    `${breaches.length} breaches`,
            );
        }
    }
    await rounds.end(); // while apps ask
    return lost;
}
