/** The report as text for a terminal. */
import { mTon } from '../wrappers/money';
import { BatchReport, LevelReport, overFloor, ReportRow, SECTIONS } from './report';
import { Reached, WholeReport } from './targets';
import { Batch, BOUNDS } from './batches';

/** Lines of cells, columns aligned: those of words to the left, the others to the right. */
function aligned(rows: string[][], words = [0]): string[] {
    const widths = rows.reduce<number[]>((max, row) => row.map((cell, i) => Math.max(max[i] ?? 0, cell.length)), []);
    const pad = (cell: string, i: number) => (words.includes(i) ? cell.padEnd(widths[i]) : cell.padStart(widths[i]));
    return rows.map((row) => row.map(pad).join('  ').trimEnd());
}

function formatted(amount: number, unit: Reached['unit']): string {
    switch (unit) {
        case 'nanoTON':
            return `${mTon(BigInt(Math.ceil(amount)))} mTON`;
        case 'gas':
            return `${amount} gas`;
        case 'ratio':
            return amount.toFixed(3);
    }
}

/** Percent above a target, below it with a minus. */
function above(figure: number, target: number): string {
    const percent = target === 0 ? figure : (figure / target - 1) * 100;
    return `${percent > 0 ? '+' : ''}${percent.toFixed(1)} %`;
}

function targetLines(reached: Reached[]): string[] {
    const rows = reached.map(({ row, figure, unit, must, aim, reached }) => [
        row,
        formatted(figure, unit),
        `must ${formatted(must, unit)}`,
        reached ? 'reached' : 'MISSED',
        aim === undefined ? '' : `aim ${formatted(aim, unit)}`,
        aim === undefined ? above(figure, must) : above(figure, aim),
    ]);
    return aligned([['', 'figure', '', '', '', 'from aim, or must'], ...rows]);
}

function operationLines(operations: Record<string, ReportRow>): string[] {
    const head = [
        '',
        'txs',
        'gas',
        'contracts',
        'over floor',
        'compute',
        'storage',
        'action',
        'forward',
        'import',
        'fees',
        'paid by',
    ];
    const sections = Object.entries(SECTIONS).flatMap(([title, of]) => [
        [''],
        [title],
        ...Object.keys(of).map((name) => operationCells(operations[name])),
    ]);
    return aligned([head, ...sections], [0, head.length - 1]);
}

function operationCells(row: ReportRow): string[] {
    const { title, transactions, gas, contractGas, parts, fees, paid, conserved } = row;
    return [
        `  ${title}`,
        `${transactions}`,
        `${gas}`,
        `${contractGas}`,
        overFloor(row).toFixed(2),
        ...[parts.compute, parts.storage, parts.action, parts.forward, parts.import].map(mTon),
        conserved ? mTon(fees) : `${mTon(fees)} NOT CONSERVED`,
        payers(paid),
    ];
}

function payers(paid: ReportRow['paid']): string {
    return Object.entries(paid)
        .filter(([, amount]) => amount > 0n)
        .map(([name, amount]) => `${name} ${mTon(amount)}`)
        .join(', ');
}

function levelLines({
    level,
    operations,
    plain,
    library,
    rentPerYear,
    nodeRentPerYear,
    floors,
}: LevelReport): string[] {
    return [
        `Prices of ${level}, in mTON; the channel's code is in a library`,
        ...operationLines(operations),
        '',
        `rent of an open job: ${mTon(rentPerYear)} mTON a year; plain code: ${mTon(plain.rentPerYear)}; of a node: ${mTon(nodeRentPerYear)}`,
        `one job with plain code: ${mTon(plain.operations.job.fees)} mTON, opening ${mTon(plain.operations.open.fees)}`,
        `the library: ${mTon(library.rentPerYear)} mTON a year, saves ${mTon(library.savedPerJob)} mTON a job: ` +
            `pays from ${library.jobsToBreakEven} jobs a year on`,
        `gas of the floors: ${Object.entries(floors)
            .map(([name, gas]) => `${name} ${gas}`)
            .join(', ')}`,
    ];
}

function batchLines({ claims, closes, creditUsed }: BatchReport): string[] {
    const batch = (title: string, { jobs, bytes, claimsByBytes, fees }: Batch) =>
        `${title}: ${jobs.length} in ${bytes} of ${BOUNDS.bytes} bytes, which would hold ${claimsByBytes}; ` +
        `${mTon(fees / BigInt(jobs.length))} mTON each`;
    const credit = Object.entries(creditUsed).map(([order, gas]) => `${order} ${gas}`);
    return [
        'What one message carries, wallet v5',
        batch('claims', claims),
        batch('last claims', closes),
        `gas of orders before they are accepted, of a credit of ${BOUNDS.credit}: ${credit.join(', ')}`,
    ];
}

/** The whole report, the levels one after the other. */
export function reportText({ levels, batches, reached }: WholeReport): string {
    const lines = levels.flatMap((report) => [...levelLines(report), '']);
    return [
        ...lines,
        ...batchLines(batches),
        '',
        'Numbers to reach, at the prices of 2025',
        ...targetLines(reached),
    ].join('\n');
}
