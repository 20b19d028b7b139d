/** One run of the benchmark. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Contest, openContest } from './contestants';
import { load } from './load';
import { type BenchRow, type Case, measure, memoriesOf, WARM_UP } from './measure';
import { type BenchReport, type CaseRows, machine } from './report';
import { measureVouchers } from './vouchers';

const CHUNKS = 50;

/** The query of docs/scale.md: 300 tokens, 50 a second. So each token travels by itself, as it does in a market. */
const QUERY = { chunks: 300, paceMs: 20, concurrency: 32 };

export interface RunOptions {
    rounds: number;
    /** Part of the requests that are made; below 1 the figures say little. */
    scale: number;
    openJobs: number[];
    /** Milliseconds between two tokens of a paced query; those of docs/scale.md unless given. */
    paceMs?: number;
    say: (text: string) => void;
}

const casesOf = (scale: number): Case[] => {
    const part = (requests: number) => Math.max(2, Math.round(requests * scale));
    const warmUp = (concurrency: number) => part(10 * concurrency + 20);
    return [
        {
            title: `streams of ${CHUNKS} chunks`,
            ...{ stream: true, chunks: CHUNKS, concurrencies: [1, 8, 32] },
            requests: (concurrency) => part(concurrency === 1 ? 60 : 20 * concurrency),
            warmUp,
        },
        {
            title: `answers of ${CHUNKS} tokens without streaming`,
            ...{ stream: false, chunks: CHUNKS, concurrencies: [8], requests: () => part(160), warmUp },
        },
        {
            title: 'streams of 2,000 chunks',
            ...{ stream: true, chunks: 2000, concurrencies: [4], requests: () => part(16), warmUp: () => part(8) },
        },
    ];
};

export async function runBench({
    rounds,
    scale,
    openJobs,
    paceMs = QUERY.paceMs,
    say,
}: RunOptions): Promise<BenchReport> {
    const folder = mkdtempSync(join(tmpdir(), 'bench-'));
    try {
        const contest = await openContest(folder, say);
        try {
            for (const contestant of contest.contestants) {
                say(`warm-up of ${contestant.name}`);
                const requests = Math.round(WARM_UP.requests * scale);
                await load({ ...contestant, ...WARM_UP, requests, chunks: CHUNKS, stream: true });
            }
            const cases: CaseRows[] = [];
            for (const one of casesOf(scale)) {
                say(one.title);
                cases.push({ title: one.title, rows: await measure(contest, one, { rounds, say }) });
            }
            const memory = memoriesOf(contest.contestants[0]);
            say('commits and bytes of one stream');
            const perStream = await measureStream(contest, Math.max(20, Math.round(100 * scale)));
            say('the query of docs/scale.md');
            const concurrency = Math.max(2, Math.round(QUERY.concurrency * scale));
            const query = await measureQuery(contest, { rounds, paceMs, concurrency, say });
            const options = { vouchers: Math.round(5000 * scale), rounds, say };
            const vouchers = await measureVouchers(folder, openJobs, options);
            return { machine: machine(), rounds, cases, perStream, query, memory, vouchers };
        } finally {
            await contest.close();
        }
    } finally {
        rmSync(folder, { recursive: true });
    }
}

async function measureStream(contest: Contest, requests: number): Promise<BenchReport['perStream']> {
    const [ours] = contest.contestants;
    const options = { concurrency: 1, requests, chunks: CHUNKS, stream: true };
    const commits = await commitsOf(contest, requests, () => load({ ...ours, ...options }));
    const bytes = await contest.wireBytes((gateway) => load({ ...gateway, ...options }));
    return {
        wireBytesPerToken: bytes / requests / CHUNKS,
        commits,
    };
}

/** Of ours alone: what a query costs that comes at the pace of a model. */
async function measureQuery(
    contest: Contest,
    { rounds, say, ...pace }: { rounds: number; paceMs: number; concurrency: number; say: (text: string) => void },
): Promise<BenchReport['query']> {
    const { chunks } = QUERY;
    const { paceMs, concurrency } = pace;
    const one: Case = {
        title: 'paced',
        ...{ stream: true, chunks, paceMs, concurrencies: [concurrency], requests: () => concurrency, warmUp: () => 0 },
    };
    const ours = { contestants: contest.contestants.slice(0, 1) };
    let rows: BenchRow[] = [];
    const commits = await commitsOf(contest, rounds * concurrency, async () => {
        rows = await measure(ours, one, { rounds, say });
    });
    const [{ cpuMs, cpuMsBy }] = rows;
    return { tokens: chunks, paceMs, concurrency, cpuMs: cpuMs.median, cpuMsBy, commits };
}

/** Commits of each role for each of so many streams, which `action` makes. */
async function commitsOf(
    contest: Contest,
    streams: number,
    action: () => Promise<unknown>,
): Promise<Record<string, number>> {
    const commitsBefore = await contest.commits();
    await action();
    const commitsAfter = await contest.commits();
    return Object.fromEntries(
        Object.entries(commitsAfter).map(([role, count]) => [role, (count - commitsBefore[role]) / streams]),
    );
}
