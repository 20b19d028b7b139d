/** Rounds of the contest, taken in turn, so that a change of the machine's speed meets everyone. */
import { load } from './load';
import type { Contest, Contestant } from './contestants';
import { cpuMs, memoryOf, treeCpuMs } from './processes';
import { type Spread, spreadOf } from './spread';

/** Streams of each process before the first case. A server runs for days, and new code costs it three times as much. */
export const WARM_UP = { requests: 2000, concurrency: 32 };

/** One contestant at one number of streams at once. */
export interface BenchRow {
    contestant: Contestant['name'];
    concurrency: number;
    perSecond: Spread; // answers
    firstTokenMs: Spread; // of the rounds' medians
    cpuMs: Spread; // per answer, over all its processes
    cpuMsBy: Record<string, number>; // the medians by process
    databaseMs?: Spread; // CPU of its database, per answer; not in the others
}

export interface Case {
    title: string;
    stream: boolean;
    chunks: number;
    paceMs?: number;
    concurrencies: number[];
    requests(concurrency: number): number; // in one round
    /** Requests before the first round, for the compiler and the connections. */
    warmUp(concurrency: number): number;
}

/** The rows of a case. `say` is told how far it is. */
export async function measure(
    { contestants }: Pick<Contest, 'contestants'>,
    { stream, chunks, paceMs = 0, concurrencies, requests, warmUp }: Case,
    { rounds, say }: { rounds: number; say: (text: string) => void },
): Promise<BenchRow[]> {
    const rows: BenchRow[] = [];
    for (const concurrency of concurrencies) {
        const options = { concurrency, chunks, stream, paceMs, requests: requests(concurrency) };
        const all = new Map(contestants.map((contestant) => [contestant, [] as Round[]]));
        for (const contestant of contestants) {
            await load({ ...contestant, ...options, requests: warmUp(concurrency) });
        }
        for (let round = 0; round < rounds; round++) {
            for (const contestant of turnOf(contestants, round)) {
                all.get(contestant)!.push(await runRound(contestant, options));
            }
            say(`${concurrency} at once, round ${round + 1} of ${rounds}`);
        }
        for (const [contestant, ofOne] of all) {
            rows.push(rowOf(contestant, concurrency, ofOne));
        }
    }
    return rows;
}

/** The order of a round: each begins one after the other, because whoever follows a busy one may be slowed by it. */
export const turnOf = <T>(contestants: readonly T[], round: number): T[] => {
    const first = round % contestants.length;
    return [...contestants.slice(first), ...contestants.slice(0, first)];
};

interface Round {
    perSecond: number;
    firstTokenMs: number; // median
    cpu: Record<string, number>; // milliseconds per answer
    database: number | undefined; // milliseconds per answer
}

async function runRound(
    contestant: Contestant,
    options: { concurrency: number; requests: number; chunks: number; stream: boolean; paceMs: number },
): Promise<Round> {
    const roles = Object.entries(contestant.processes);
    const cpuOfAll = () => roles.map(([, pid]) => cpuMs(pid));
    const cpuOfDatabase = () => (contestant.database === undefined ? undefined : treeCpuMs(contestant.database));
    const databaseBefore = cpuOfDatabase();
    const cpuBefore = cpuOfAll();
    const { seconds, firstTokenMs } = await load({ ...contestant, ...options });
    const cpuAfter = cpuOfAll();
    const databaseAfter = cpuOfDatabase();
    return {
        perSecond: options.requests / seconds,
        firstTokenMs: spreadOf(firstTokenMs).median,
        cpu: Object.fromEntries(roles.map(([role], i) => [role, (cpuAfter[i] - cpuBefore[i]) / options.requests])),
        database:
            databaseAfter === undefined || databaseBefore === undefined
                ? undefined
                : (databaseAfter - databaseBefore) / options.requests,
    };
}

function rowOf(contestant: Contestant, concurrency: number, rounds: Round[]): BenchRow {
    const sum = ({ cpu }: Round) => Object.values(cpu).reduce((total, ms) => total + ms, 0);
    return {
        contestant: contestant.name,
        concurrency,
        perSecond: spreadOf(rounds.map(({ perSecond }) => perSecond)),
        firstTokenMs: spreadOf(rounds.map(({ firstTokenMs }) => firstTokenMs)),
        cpuMs: spreadOf(rounds.map(sum)),
        ...(contestant.database !== undefined && { databaseMs: spreadOf(rounds.map(({ database }) => database!)) }),
        cpuMsBy: Object.fromEntries(
            Object.keys(contestant.processes).map((role) => [
                role,
                spreadOf(rounds.map(({ cpu }) => cpu[role])).median,
            ]),
        ),
    };
}

/** Bytes of memory of each process of a contestant. */
export const memoriesOf = ({ processes }: Contestant): Record<string, number> =>
    Object.fromEntries(Object.entries(processes).map(([role, pid]) => [role, memoryOf(pid)]));
