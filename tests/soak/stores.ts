/** What the stores of worker and gateway have, read beside the processes: SQLite files, or PostgreSQL databases. */
import { payloadOf } from '@cocoon-market/wrappers';
import { Address } from '@ton/core';
import Sqlite from 'better-sqlite3';
import { Client } from 'pg';
import { RecordType } from '../../offchain/link';
import { receiptLayouts } from '../../offchain/link/records';
import { isPostgres } from '../../offchain/process/storeAddress';
import { amountFromBytes } from '../../offchain/store/database';
import { wholeAccept, wholeEnd } from '../../offchain/store/leftOut';
import { connectionOf } from '../../offchain/store/postgresEngine';

export type ReceiptRow = [RecordType.Accept | RecordType.Result | RecordType.Decline | RecordType.Fail, Buffer];

const ENDS = { result: RecordType.Result, decline: RecordType.Decline, fail: RecordType.Fail } as const;

export interface WorkerJobRow {
    id: string; // hex
    channel: Address;
    state: string;
    index: number; // of the newest result
    cumulative: bigint;
    voucher: bigint;
    results: { index: number; price: bigint; cumulative: bigint }[]; // by their index
}

export interface WorkerRows {
    jobs: WorkerJobRow[];
    receipts: ReceiptRow[];
    unended: number;
}

export interface ClientJobRow {
    number: number;
    id: string; // hex
    channel: Address;
    voucher: bigint;
}

export interface ClientQueryRow {
    job: number;
    number: number;
    phase: string;
    index: number | null;
    price: bigint; // 0 without a result
    ceiling: bigint;
}

export interface GatewayRows {
    jobs: ClientJobRow[];
    queries: ClientQueryRow[];
    receipts: ReceiptRow[];
    usage: { queries: number; cost: bigint };
}

type Read = <Row>(statement: string) => Promise<Row[]>;

/** Runs with what reads a store. `schema`: of PostgreSQL. */
async function reading<T>(store: string, schema: string, use: (read: Read) => Promise<T>): Promise<T> {
    if (!isPostgres(store)) {
        const db = new Sqlite(store);
        try {
            return await use(async (statement) => db.prepare(statement).all() as never);
        } finally {
            db.close();
        }
    }
    const client = new Client(connectionOf(store, schema));
    client.on('error', () => undefined);
    await client.connect();
    try {
        await client.query('BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY'); // all of one moment
        return await use(async (statement) => (await client.query(statement)).rows as never);
    } finally {
        await client.end();
    }
}

const readingWorker = <T>(store: string, use: (read: Read) => Promise<T>) => reading(store, 'cocoon_worker', use);
const readingGateway = <T>(store: string, use: (read: Read) => Promise<T>) => reading(store, 'cocoon_gateway', use);

/** The newest voucher of each job, nanoTON. */
export function readVouchers(store: string): Promise<{ id: string; voucher: bigint }[]> {
    return readingWorker(store, async (read) => {
        const rows = await read<{ job: Buffer; voucherCumulative: Buffer }>(
            'SELECT job, "voucherCumulative" FROM jobs',
        );
        return rows.map((row) => ({
            id: row.job.toString('hex'),
            voucher: amountFromBytes(row.voucherCumulative),
        }));
    });
}

export function readWorkerStore(store: string): Promise<WorkerRows> {
    return readingWorker(store, async (read) => {
        const jobs = await read<{
            job: Buffer;
            channel: Buffer;
            state: string;
            index: number;
            cumulative: Buffer;
            voucherCumulative: Buffer;
        }>('SELECT job, channel, state, "index", cumulative, "voucherCumulative" FROM jobs');
        const stored = await read<{
            job: Buffer;
            number: number;
            request: Buffer;
            ceiling: Buffer;
            accept: Buffer | null;
            endKind: keyof typeof ENDS | null;
            endReceipt: Buffer | null;
        }>('SELECT job, number, request, ceiling, accept, "endKind", "endReceipt" FROM queries');
        const queries = stored.map(({ job, number, request, ceiling, accept, endKind, endReceipt }) => {
            const query = { job, number: Number(number), request, ceiling: amountFromBytes(ceiling) };
            return {
                job,
                endKind,
                accept: accept && wholeAccept(query, accept),
                endReceipt: endKind && endReceipt && wholeEnd(endKind, query, endReceipt),
            };
        });
        const results = new Map<string, WorkerJobRow['results']>();
        for (const { job, endKind, endReceipt } of queries) {
            if (endKind === 'result' && endReceipt !== null) {
                const { index, price, cumulative } = receiptLayouts[RecordType.Result].decode(payloadOf(endReceipt));
                const id = job.toString('hex');
                results.set(id, [...(results.get(id) ?? []), { index, price, cumulative }]);
            }
        }
        return {
            jobs: jobs.map((row) => ({
                id: row.job.toString('hex'),
                channel: new Address(0, row.channel),
                state: row.state,
                index: row.index,
                cumulative: amountFromBytes(row.cumulative),
                voucher: amountFromBytes(row.voucherCumulative),
                results: (results.get(row.job.toString('hex')) ?? []).sort((a, b) => a.index - b.index),
            })),
            receipts: queries.flatMap(({ accept, endKind, endReceipt }) => receiptsOf(accept, endKind, endReceipt)),
            unended: queries.filter(({ endKind }) => endKind === null).length,
        };
    });
}

export function readGatewayStore(store: string): Promise<GatewayRows> {
    return readingGateway(store, async (read) => {
        const jobs = await read<{ number: number; hash: Buffer; channel: Buffer; cumulative: Buffer | null }>(
            `SELECT number, hash, channel, cumulative FROM job WHERE phase != 'failed'`,
        );
        const queries = await read<{
            job: number;
            number: number;
            phase: string;
            accept: Buffer | null;
            receipt: Buffer | null;
            index: number | null;
            price: Buffer | null;
            ceiling: Buffer;
        }>('SELECT job, number, phase, accept, receipt, "index", price, ceiling FROM query');
        const usage = await read<{ queries: number; cost: Buffer }>('SELECT queries, cost FROM usage');
        return {
            jobs: jobs.map(({ number, hash, channel, cumulative }) => ({
                number,
                id: hash.toString('hex'),
                channel: new Address(0, channel),
                voucher: cumulative === null ? 0n : amountFromBytes(cumulative),
            })),
            queries: queries.map(({ job, number, phase, index, price, ceiling }) => ({
                ...{ job, number, phase, index },
                price: price === null ? 0n : amountFromBytes(price),
                ceiling: amountFromBytes(ceiling),
            })),
            receipts: queries.flatMap(({ phase, accept, receipt }) =>
                receiptsOf(accept, phase in ENDS ? (phase as keyof typeof ENDS) : null, receipt),
            ),
            usage: {
                queries: usage.reduce((sum, row) => sum + row.queries, 0),
                cost: usage.reduce((sum, row) => sum + amountFromBytes(row.cost), 0n),
            },
        };
    });
}

function receiptsOf(accept: Buffer | null, kind: keyof typeof ENDS | null, end: Buffer | null): ReceiptRow[] {
    return [
        ...(accept === null ? [] : [[RecordType.Accept, accept] as ReceiptRow]),
        ...(kind === null || end === null ? [] : [[ENDS[kind], end] as ReceiptRow]),
    ];
}
