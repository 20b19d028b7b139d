/** The numbers to reach, at the prices of 2025, and how near the figures are. Amounts are nanoTON. */
import { BatchReport, LevelReport } from './report';

export interface Target {
    row: string;
    of: (report: LevelReport) => number;
    unit: 'nanoTON' | 'gas' | 'ratio';
    must: number;
    aim?: number;
}

const M_TON = 1_000_000; // nanoTON in a thousandth of a TON

const fees = (name: string) => (report: LevelReport) => Number(report.operations[name].fees);

export const targets: Target[] = [
    { row: 'one job', of: fees('job'), unit: 'nanoTON', must: 12.5 * M_TON, aim: 11 * M_TON },
    { row: 'one job', of: ({ operations }) => Number(operations.job.gas), unit: 'gas', must: 21_000, aim: 18_500 },
    { row: 'open a job', of: fees('open'), unit: 'nanoTON', must: 6 * M_TON, aim: 5.1 * M_TON },
    { row: 'part payout, wallet v4r2', of: fees('claimFromV4'), unit: 'nanoTON', must: 5.4 * M_TON },
    { row: 'part payout, wallet v5r1', of: fees('claim'), unit: 'nanoTON', must: 5.8 * M_TON },
    {
        row: 'part payout, each of ten',
        of: ({ operations }) => Number(operations.claimInBatchOf10.fees) / 10,
        unit: 'nanoTON',
        must: 4 * M_TON,
        aim: 3.5 * M_TON,
    },
    { row: 'payer gone', of: fees('payerGone'), unit: 'nanoTON', must: 7 * M_TON, aim: 6 * M_TON },
    { row: 'payee gone', of: fees('payeeGone'), unit: 'nanoTON', must: 10 * M_TON, aim: 8.5 * M_TON },
    {
        row: 'rent of an open job a year',
        of: (report) => Number(report.rentPerYear),
        unit: 'nanoTON',
        must: 1.5 * M_TON,
        aim: 1.3 * M_TON,
    },
    { row: 'left after a job', of: ({ leftAfterJob }) => Number(leftAfterJob), unit: 'nanoTON', must: 0 },
    {
        row: "a payee's claim in the channel, over its floor",
        of: ({ claimOverFloor }) => claimOverFloor,
        unit: 'ratio',
        must: 1.25,
        aim: 1.15,
    },
];

export interface Reached extends Omit<Target, 'of'> {
    figure: number;
    reached: boolean;
}

/** All that the benchmark says; `reached` belongs to the first level. */
export interface WholeReport {
    levels: LevelReport[];
    batches: BatchReport;
    reached: Reached[];
}

/** How far a report of the prices of 2025 is from each target. */
export function reach(report: LevelReport): Reached[] {
    return targets.map(({ of, ...target }) => {
        const figure = of(report);
        return { ...target, figure, reached: figure <= target.must };
    });
}
