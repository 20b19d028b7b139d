/** One run of the benchmark. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Contest, openContest } from './contestants';
import { load } from './load';
import { type Case, measure, memoriesOf } from './measure';
import { type BenchReport, type CaseRows, machine } from './report';
import { measureVouchers, type VoucherRates } from './vouchers';

const CHUNKS = 50;

export interface RunOptions {
    rounds: number;
    /** Part of the requests that are made; below 1 the figures say little. */
    scale: number;
    openJobs: number[];
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

export async function runBench({ rounds, scale, openJobs, say }: RunOptions): Promise<BenchReport> {
    const folder = mkdtempSync(join(tmpdir(), 'bench-'));
    try {
        const contest = await openContest(folder, say);
        try {
            const cases: CaseRows[] = [];
            for (const one of casesOf(scale)) {
                say(one.title);
                cases.push({ title: one.title, rows: await measure(contest, one, { rounds, say }) });
            }
            const memory = memoriesOf(contest.contestants[0]);
            say('commits and bytes of one stream');
            const perStream = await measureStream(contest, Math.max(20, Math.round(100 * scale)));
            return { machine: machine(), rounds, cases, perStream, memory, vouchers: await vouchers() };
        } finally {
            await contest.close();
        }
    } finally {
        rmSync(folder, { recursive: true });
    }

    async function vouchers(): Promise<VoucherRates[]> {
        const all: VoucherRates[] = [];
        for (const jobs of openJobs) {
            say(`vouchers with ${jobs} open jobs`);
            all.push(await measureVouchers(join(folder, `${jobs}.sqlite`), jobs, Math.round(5000 * scale)));
        }
        return all;
    }
}

async function measureStream(contest: Contest, requests: number): Promise<BenchReport['perStream']> {
    const [ours] = contest.contestants;
    const options = { concurrency: 1, requests, chunks: CHUNKS, stream: true };
    const commitsBefore = await contest.commits();
    await load({ ...ours, ...options });
    const commitsAfter = await contest.commits();
    const bytes = await contest.wireBytes((gateway) => load({ ...gateway, ...options }));
    return {
        wireBytesPerToken: bytes / requests / CHUNKS,
        commits: Object.fromEntries(
            Object.entries(commitsAfter).map(([role, count]) => [role, (count - commitsBefore[role]) / requests]),
        ),
    };
}
