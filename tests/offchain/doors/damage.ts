/** Stores with every kind of row, and random changes of what they hold: one value of a row, or bytes of the file. */
import Sqlite from 'better-sqlite3';
import { readFileSync, writeFileSync } from 'node:fs';
import {
    Accept,
    Decline,
    Fail,
    Finish,
    jobHash,
    Result,
    type SignedVoucher,
    type Terms,
    termsBytes,
    Voucher,
} from '@cocoon-market/wrappers';
import { signReceipt } from '../../../offchain/link';
import { openGatewayStore, openWorkerStore } from '../../../offchain/store/open';
import { NETWORK, testKey } from '../../support/market';
import { bytesFrom } from '../../support/numbers';
import { type Below, changedBytes } from './bytes';

export const receiptKey = testKey(60);
export const voucherKey = testKey(61);
export const CHANNEL = Buffer.alloc(32, 0xc1);
const NOW = 1_800_000_000;
const bytes = (fill: number, length = 32) => Buffer.alloc(length, fill);
const rates = { prompt: 10n, cached: 1n, completion: 20n, reasoning: 30n };
export const TERMS: Terms = {
    ...{ escrow: bytes(1), provider: bytes(2), node: bytes(3), payout: bytes(4), model: bytes(5), rates },
    ...{ receiptKey: receiptKey.publicKey, voucherKey: voucherKey.publicKey, step: 1000n, maxParallel: 4 },
    ...{ maxAnswer: 10_000, notice: 3600, end: NOW + 86_400 },
};
export const JOB = jobHash(NETWORK, CHANNEL, TERMS);
/** Prices of the results 1 to 3; the newest voucher pays the first two. */
const PRICES = [10n, 20n, 30n];
export const OWED = 60n;
export const WALLET = bytes(0x33);
const COUNTS = { prompt: 1, cached: 0, completion: 1, reasoning: 0 };

export const VOUCHER: SignedVoucher = {
    ...{ cumulative: 30n, count: 2 },
    signature: voucherKey.sign(Voucher.hash({ network: NETWORK, channel: CHANNEL, cumulative: 30n, count: 2 })),
};

const requestOf = (number: number) => bytes(0x40 + number);
const acceptOf = (number: number) => {
    const values = { job: JOB, number, request: requestOf(number), ceiling: 1000n, deadline: NOW + 600 };
    return signReceipt(Accept, values, receiptKey);
};
const refusalOf = (layout: typeof Decline, number: number) =>
    signReceipt(layout, { job: JOB, number, request: requestOf(number), reason: 2, signedAt: NOW }, receiptKey);
const resultOf = (number: number, index: number) => {
    const cumulative = PRICES.slice(0, index).reduce((sum, price) => sum + price, 0n);
    const values = {
        ...{ job: JOB, number, index, content: bytes(9), ...COUNTS, price: PRICES[index - 1], cumulative },
        ...{ finishedAt: NOW, finish: Finish.Stop },
    };
    return { index, price: values.price, cumulative, receipt: signReceipt(Result, values, receiptKey) };
};
/** Numbers of the queries with a result, in the order of their indexes. */
const ANSWERED = [1, 3, 2];

/** A worker's store with a row in every table that a market fills. */
export async function fillWorkerStore(path: string): Promise<void> {
    const store = await openWorkerStore(path);
    const snapshot = { balance: 1000n, paid: 0n, refundAt: NOW + 86_400, at: NOW };
    const ofOffer = { client: '0:c1', model: 'some/model', tokenizer: 'bytes', enc: bytes(7), wire: 'cocoon-market/2' };
    const job = { job: JOB, channel: CHANNEL, terms: termsBytes(TERMS), jobNumber: 4, ...ofOffer, snapshot };
    await store.jobs.add(job);
    const ended = { ...job, job: bytes(0xee), channel: bytes(0xed), jobNumber: 8 };
    await store.jobs.add(ended);
    for (const [at, number] of ANSWERED.entries()) {
        const query = { job: JOB, number };
        const request = requestOf(number);
        await store.queries.accept({ ...query, request, ceiling: 1000n, promptEstimate: 3, accept: acceptOf(number) });
        const { index, cumulative, receipt } = resultOf(number, at + 1);
        const end = { kind: 'result' as const, ...query, bytes: bytes(number, 50), counts: COUNTS, index, cumulative };
        await store.queries.end({ ...end, receipt, finishedAt: NOW });
    }
    await store.queries.decline({ job: JOB, number: 4, request: requestOf(4), receipt: refusalOf(Decline, 4) });
    const open = { job: JOB, number: 5, request: requestOf(5), ceiling: 1000n, promptEstimate: 3, accept: acceptOf(5) };
    await store.queries.accept(open);
    await store.queries.append({ job: JOB, number: 5, bytes: bytes(5, 50), counts: COUNTS, promptKnown: true });
    await store.queries.deny({ job: bytes(0xdd), number: 6, request: requestOf(6), receipt: refusalOf(Fail, 6) });
    await store.jobs.addVoucher(JOB, VOUCHER, NOW);
    await store.jobs.setConfirmedPaid(JOB, 10n, NOW);
    await store.jobs.setLastClaims([{ job: ended.job, paidAfter: 5n }], NOW);
    await store.jobs.setState(ended.job, 'ended', NOW);
    const opened = { dispute: bytes(0xd1), class: 'A3' as const, job: JOB, number: 5, reportedAt: NOW };
    await store.cases.add([opened], 7n);
    const movement = { at: NOW, kind: 'claim' as const, account: '0:1', job: JOB, isBounced: false, order: 'order' };
    const movements = [
        { ...movement, lt: 1n, number: 0, isIncoming: false, amount: 10n },
        { ...movement, lt: 2n, number: 0, isIncoming: true, amount: 20n },
    ];
    await store.wallet.add(WALLET, movements, undefined, { lt: 2n, hash: bytes(8) });
    await store.wallet.addSweep({ hash: 'ab', seqno: 1, from: NOW, validUntil: NOW + 60, account: '0:2', amount: 3n });
    await store.retire(bytes(0xaa));
    await store.close();
}

/** A gateway's store with a row in every table that a market fills. */
export async function fillGatewayStore(path: string): Promise<void> {
    const store = await openGatewayStore(path);
    const job = {
        ...{ number: 4, phase: 'open' as const, model: 'some/model', worker: 'http://w', tier: 'open', note: '' },
        ...{ channel: CHANNEL, hash: JOB, terms: TERMS, deposit: 1000n, funds: 1000n, validUntil: NOW, createdAt: NOW },
        ...{ voucher: null, processes: ['http://w/1'] },
    };
    await store.addJob(job);
    await store.addJob({ ...job, number: 8, phase: 'ended', channel: bytes(0xed), hash: bytes(0xee) });
    const sent = { job: 4, salt: bytes(6, 16), commitment: bytes(7), ceiling: 1000n, promptBound: 10, stopBound: 0 };
    const rest = { tokenizer: 'bytes', askedAt: NOW, apiKey: 'alice' };
    await store.saveApiKey({
        ...{ name: 'alice', hash: bytes(0xa1), daily: 5000n, monthly: null, models: ['some/model'], createdAt: NOW },
        ...{ expiresAt: null, revokedAt: null },
    });
    for (const number of [1, 2, 3, 4, 5]) {
        const query = { ...sent, ...rest, number, secret: bytes(number), request: requestOf(number) };
        await store.addQuery(query, { session: bytes(8), sealed: bytes(number, 40) });
        await store.saveAccept(4, number, acceptOf(number));
    }
    for (const [at, number] of ANSWERED.entries()) {
        const { receipt, ...entry } = resultOf(number, at + 1);
        const used = { model: job.model, worker: job.worker, cost: entry.price, tokens: COUNTS };
        await store.endQuery(4, number, { phase: 'result', receipt, entry, answer: bytes(number, 50), used });
    }
    await store.endQuery(4, 4, { phase: 'decline', receipt: refusalOf(Decline, 4) });
    await store.saveVoucher(CHANNEL, VOUCHER);
    await store.addSetback({ job: 8, worker: 'http://w', node: TERMS.node, cause: 'declined', at: NOW });
    await store.close();
}

interface Column {
    name: string;
    type: string;
    notnull: number;
    pk: number;
}

const NUMBERS = [0, 1, -1, 2, 255, 2 ** 31, 2 ** 32 - 1, 2 ** 32, Number.MAX_SAFE_INTEGER, -(2 ** 53)];
const TEXTS = ['', 'x', 'null', '[]', '{}', '0', '-1', '1e999', 'open', 'ended', 'result', 'fail', 'A1', '\u0000'];

/** The names of the tables that hold rows. */
export function tablesOf(file: Sqlite.Database): string[] {
    const names = file.prepare("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name").pluck().all();
    const count = (name: string) => file.prepare(`SELECT count(*) FROM "${name}"`).pluck().get() as number;
    return (names as string[]).filter((name) => !name.startsWith('sqlite_') && count(name) > 0);
}

/** Changes one value of a random row. False if the database itself refuses it. */
export function changeRow(file: Sqlite.Database, tables: readonly string[], below: Below): boolean {
    const table = tables[below(tables.length)];
    const columns = file.prepare(`PRAGMA table_info("${table}")`).all() as Column[];
    const count = file.prepare(`SELECT count(*) FROM "${table}"`).pluck().get() as number;
    const row = file.prepare(`SELECT * FROM "${table}" LIMIT 1 OFFSET ?`).get(below(count)) as Record<string, unknown>;
    const column = columns[below(columns.length)];
    const place = columns.map(({ name }) => `"${name}" IS ?`).join(' AND ');
    try {
        const values = columns.map(({ name }) => row[name]);
        file.prepare(`UPDATE "${table}" SET "${column.name}" = ? WHERE ${place}`).run(
            otherValue(below, column, row[column.name]),
            ...values,
        );
        return true;
    } catch (error) {
        if ((error as { code?: string }).code?.startsWith('SQLITE_CONSTRAINT') === true) return false;
        throw error;
    }
}

function otherValue(below: Below, { type, notnull, pk }: Column, value: unknown): unknown {
    if (notnull === 0 && pk === 0 && below(6) === 0) {
        return null;
    }
    switch (type) {
        case 'INTEGER': {
            const near = typeof value === 'number' ? value : 0;
            return [near + 1, near - 1, NUMBERS[below(NUMBERS.length)], below(2 ** 32)][below(4)];
        }
        case 'TEXT':
            return below(2) === 0
                ? TEXTS[below(TEXTS.length)]
                : changedBytes(below, Buffer.from(typeof value === 'string' ? value : '')).toString('utf8');
        default: {
            const old = Buffer.isBuffer(value) ? value : Buffer.alloc(0);
            return below(4) === 0 ? bytesFrom(below, old.length) : changedBytes(below, old);
        }
    }
}

/** Writes a copy of a file with a few random bytes changed. */
export function changeFile(from: string, to: string, below: Below): void {
    const contents = readFileSync(from);
    for (let times = 1 + below(4); times > 0; times--) {
        const at = below(contents.length);
        bytesFrom(below, 1 + below(8)).copy(contents, at);
    }
    writeFileSync(to, contents);
}
