/**
 * Stores that hold something else than was written. Whoever reads them refuses in words, or reads what is right; what
 * costs money follows only from what keys have signed. A short run; `npm run test:doors` changes 50,000 values.
 */
import type Sqlite from 'better-sqlite3';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Terms, termsFromBytes, Verifier } from '@cocoon-market/wrappers';
import { JobMoney } from '../../../offchain/payer/money';
import type { GatewayStore, StoredJob } from '../../../offchain/store/gateway';
import { openGatewayStore, openWorkerStore } from '../../../offchain/store/open';
import type { WorkerStore } from '../../../offchain/store/worker';
import { damageOf } from '../../../offchain/worker/damage';
import { NETWORK } from '../../support/market';
import { numbers } from '../../support/numbers';
import {
    changeFile,
    changeRow,
    CHANNEL,
    fillGatewayStore,
    fillWorkerStore,
    JOB,
    OWED,
    tablesOf,
    TERMS,
    VOUCHER,
    voucherKey,
    WALLET,
} from './damage';
import { COUNT } from './fuzz';

const FILES = Math.ceil(COUNT / 20); // each takes far longer than a row

let folder: string;

beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'cocoon-damage-'));
});

afterEach(() => rmSync(folder, { recursive: true }));

const fileOf = (store: unknown) => (store as { db: { file: Sqlite.Database } }).db.file;

/** Runs reads; returns the errors that are no refusals in words. */
async function faultsOf(reads: readonly (() => Promise<unknown>)[]): Promise<unknown[]> {
    const faults: unknown[] = [];
    for (const read of reads) {
        await read().catch((error: unknown) => {
            if (!(error instanceof Error) || error instanceof TypeError || error instanceof RangeError) {
                faults.push((error as Error).stack);
            }
        });
    }
    return faults;
}

const JOBS = [JOB, Buffer.alloc(32, 0xee)];
const PAGE = { limit: 10 };
const LOST = { since: 0, cursor: undefined, limit: 10 };

const workerReads = (store: WorkerStore, { jobs, queries, cases, earnings, wallet } = store) => [
    ...JOBS.map((job) => () => jobs.get(job)),
    ...[() => jobs.ofChannel(CHANNEL), () => jobs.best(10), () => jobs.open(PAGE), () => jobs.claimable(PAGE)],
    ...[() => jobs.lost({ ...LOST, byLastClaim: true }), () => jobs.lost({ ...LOST, byLastClaim: false })],
    ...[1, 2, 3, 4, 5].flatMap((number) => [
        () => queries.get({ job: JOB, number }),
        () => queries.answer({ job: JOB, number }),
    ]),
    ...[() => queries.unended(10), () => queries.unendedOf(JOB), () => queries.newestResult(JOB)],
    ...[() => cases.cursor(), () => cases.open(), () => earnings.days(), () => earnings.best('model', 10)],
    ...[() => earnings.row('client', '0:c1'), () => earnings.sums(), () => wallet.cursor(WALLET)],
    ...[() => wallet.movements(WALLET), () => wallet.movementsOfOrder('order'), () => wallet.sums(WALLET)],
    ...[() => wallet.openSweep(), () => jobs.lastEnd(), () => store.intake(), () => store.totals()],
];

/** What a worker would sign and claim with, where it finds no damage: it must be what was stored. */
async function expectRight(store: WorkerStore): Promise<'damaged' | 'right'> {
    let terms: Terms;
    const record = await store.jobs.get(JOB).catch(() => undefined);
    try {
        terms = termsFromBytes(record!.terms);
    } catch {
        return 'damaged';
    }
    const entry = { record: record!, terms, verifier: new Verifier(voucherKey.publicKey) };
    if ((await damageOf({ config: { network: NETWORK } as never, store }, entry).catch(String)) !== undefined) {
        return 'damaged';
    }
    const { job, channel, index, cumulative, voucher } = entry.record;
    expect({ job, channel, terms, index, cumulative }).toEqual({
        ...{ job: JOB, channel: CHANNEL, terms: TERMS, index: 3, cumulative: OWED },
    });
    expect([undefined, VOUCHER]).toContainEqual(voucher);
    return 'right';
}

const gatewayReads = (store: GatewayStore) => [
    ...[() => store.jobs(), () => store.unended(), () => store.unendedOfOthers(), () => store.ordersUnderWay()],
    ...[() => store.over(undefined, 10), () => store.job(4), () => store.newestJob(), () => store.hasChannel(CHANNEL)],
    ...[1, 2, 3, 4, 5].flatMap((number) => [() => store.storedAnswer(4, number), () => store.wholeQuery(4, number)]),
    ...[() => store.receipts(4), () => store.openQueries(4), () => store.highest(4), () => store.newestReceipts(4)],
    ...[() => store.entries(4), () => store.setbacks(0), () => store.apiKeys(), () => store.usage(0)],
    ...[() => store.openCosts(), () => store.usage(0, 'alice'), () => store.openCosts('alice')],
    ...[() => store.apiKey('alice')],
];

/** What a gateway signs next for its jobs, unless it sees that the store is damaged: no more than is owed. */
async function expectNoMore(store: GatewayStore): Promise<'damaged' | 'right'> {
    let stored: StoredJob[];
    try {
        stored = await store.unended();
    } catch {
        return 'damaged';
    }
    for (const job of stored) {
        const entries = await store.entries(job.number).catch(() => undefined);
        if (entries === undefined) return 'damaged';
        const signed: bigint[] = [];
        const worker = { voucher: async () => Promise.reject(new Error('not asked')) };
        const saving = {
            saveVoucher: async (_: Buffer, { cumulative }: { cumulative: bigint }) => void signed.push(cumulative),
        };
        const parts = { key: voucherKey, worker, store: saving, requireMember: () => undefined, network: NETWORK };
        const money = new JobMoney(job, { ...parts, onUnpaid: () => undefined });
        money.restore(entries);
        await money.flush().catch(() => undefined);
        await money.stop();
        expect(signed.filter((amount) => amount > OWED)).toEqual([]);
        if (money.paused !== undefined) return 'damaged';
        expect(money.ledger.nextVoucher().cumulative).toBeLessThanOrEqual(OWED);
        expect(money.ledger.nextVoucher().count).toBeLessThanOrEqual(3);
    }
    return 'right';
}

/** Changes a value of one row, asks what `ask` says of it, and puts the value back; counts the answers. */
async function changeValues(
    file: Sqlite.Database,
    seed: number,
    ask: () => Promise<string>,
): Promise<Map<string, number>> {
    const below = numbers(seed);
    const tables = tablesOf(file);
    const counts = new Map<string, number>();
    for (let i = 0; i < COUNT; i++) {
        file.exec('SAVEPOINT change');
        const answer = changeRow(file, tables, below) ? await ask() : 'refused by the database';
        counts.set(answer, (counts.get(answer) ?? 0) + 1);
        file.exec('ROLLBACK TO change; RELEASE change');
    }
    return counts;
}

describe("A worker's store", () => {
    beforeEach(() => fillWorkerStore(join(folder, 'worker.db')));

    it('in which a value was changed is read in words, and signs nothing that contradicts what was signed', async () => {
        const store = await openWorkerStore(join(folder, 'worker.db'));
        expect(await expectRight(store)).toBe('right');

        const counts = await changeValues(fileOf(store), 41, async () => {
            expect(await faultsOf(workerReads(store))).toEqual([]);
            return expectRight(store);
        });

        expect(counts.get('damaged')).toBeGreaterThan(COUNT / 50);
        await store.close();
    }, 1_800_000);

    it('whose file has other bytes is refused, or signs nothing that contradicts what was signed', async () => {
        const below = numbers(42);
        for (let i = 0; i < FILES; i++) {
            const path = join(folder, `${i}.db`);
            changeFile(join(folder, 'worker.db'), path, below);
            const store = await openWorkerStore(path).catch((error: unknown) => {
                expect(error).toBeInstanceOf(Error);
            });
            if (store !== undefined) {
                for (const read of workerReads(store)) await read().catch(() => undefined);
                await expectRight(store);
                await store.close().catch(() => undefined);
            }
            rmSync(path);
        }
    }, 1_800_000);
});

describe("A gateway's store", () => {
    beforeEach(() => fillGatewayStore(join(folder, 'gateway.db')));

    it.each(['cumulative', 'count', 'signature'])('that lacks the %s of a voucher signs no other', async (column) => {
        const store = await openGatewayStore(join(folder, 'gateway.db'));
        fileOf(store).exec(`UPDATE job SET ${column} = NULL`);

        expect(await expectNoMore(store)).toBe('damaged');
        await store.close();
    });

    it('in which a value was changed is read in words, and pays no more than is owed', async () => {
        const store = await openGatewayStore(join(folder, 'gateway.db'));
        expect(await expectNoMore(store)).toBe('right');

        const counts = await changeValues(fileOf(store), 43, async () => {
            expect(await faultsOf(gatewayReads(store))).toEqual([]);
            return expectNoMore(store);
        });

        // Most columns say nothing of money, so few changes are told by signatures: about one of fifty.
        expect(counts.get('damaged')).toBeGreaterThan(COUNT / 100);
        await store.close();
    }, 1_800_000);

    it('whose file has other bytes is refused, or pays no more than is owed', async () => {
        const below = numbers(44);
        for (let i = 0; i < FILES; i++) {
            const path = join(folder, `${i}.db`);
            changeFile(join(folder, 'gateway.db'), path, below);
            const store = await openGatewayStore(path).catch((error: unknown) => {
                expect(error).toBeInstanceOf(Error);
            });
            if (store !== undefined) {
                for (const read of gatewayReads(store)) await read().catch(() => undefined);
                await expectNoMore(store);
                await store.close().catch(() => undefined);
            }
            rmSync(path);
        }
    }, 1_800_000);
});
