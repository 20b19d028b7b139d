/**
 * The report as JSON: fees and rent in nanoTON, as numbers. The figures of the first level stand at the top as well.
 */
import { LevelReport, overFloor, ReportRow } from './report';
import { WholeReport } from './targets';
import { Batch, BOUNDS } from './batches';

const BATCH = 10;

type JsonFigures = Record<string, unknown>;

function numbers(amounts: object): JsonFigures {
    return Object.fromEntries(Object.entries(amounts).map(([name, amount]) => [name, Number(amount)]));
}

function rowOf(row: ReportRow): JsonFigures {
    const { transactions, gas, contractGas, floorGas, fees, parts, paid, conserved } = row;
    return {
        transactions,
        gas: Number(gas),
        fees: Number(fees),
        conserved,
        contractGas: Number(contractGas),
        floorGas: Number(floorGas),
        overFloor: overFloor(row),
        parts: numbers(parts),
        paid: numbers(paid),
    };
}

function rowsOf(operations: Record<string, ReportRow>): JsonFigures {
    const rows = Object.entries(operations).map(([name, row]) => [name, rowOf(row)]);
    return { ...Object.fromEntries(rows), claimInBatchOf10: each(operations.claimInBatchOf10) };
}

/** One claim of the batch, rounded up, and the whole of it. */
function each(batch: ReportRow): JsonFigures {
    const whole = rowOf(batch);
    const share = (figure: number | bigint) => Math.ceil(Number(figure) / BATCH);
    return {
        transactions: share(batch.transactions),
        gas: share(batch.gas),
        fees: share(batch.fees),
        conserved: batch.conserved,
        whole,
    };
}

function levelOf(report: LevelReport): JsonFigures {
    const { level, operations, rentPerYear, nodeRentPerYear, leftAfterJob, claimOverFloor, floors, plain, library } =
        report;
    return {
        prices: level,
        operations: rowsOf(operations),
        rentPerYear: Number(rentPerYear),
        nodeRentPerYear: Number(nodeRentPerYear),
        leftAfterJob: Number(leftAfterJob),
        claimOverFloor,
        floors: numbers(floors),
        plain: { operations: rowsOf(plain.operations), rentPerYear: Number(plain.rentPerYear) },
        library: numbers(library),
    };
}

function batchOf({ jobs, bytes, claimsByBytes, transactions, gas, fees, conserved }: Batch): JsonFigures {
    const bound = claimsByBytes > jobs.length ? 'messages' : 'bytes';
    return { claims: jobs.length, bound, bytes, claimsByBytes, transactions, ...numbers({ gas, fees }), conserved };
}

export function jsonOf({ levels, batches, reached }: WholeReport): JsonFigures {
    const byName = Object.fromEntries(levels.map((report) => [report.level, levelOf(report)]));
    return {
        ...levelOf(levels[0]),
        targets: reached,
        batches: {
            claims: batchOf(batches.claims),
            closes: batchOf(batches.closes),
            gasCredit: BOUNDS.credit,
            gasCreditUsed: batches.creditUsed,
        },
        levels: byName,
    };
}
