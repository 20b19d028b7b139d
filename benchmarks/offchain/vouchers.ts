/**
 * How many vouchers a worker takes: verified, checked against their channel, and on the disk. Compared with as many
 * signatures that are only verified, and between numbers of open jobs. Without HTTP.
 */
import {
    signingKey,
    termsBytes,
    Verifier,
    Voucher,
    voucherFor,
    type SignedVoucher,
    type Terms,
} from '@cocoon-market/wrappers';
import { Cell } from '@ton/core';
import { randomBytes } from 'node:crypto';
import { statSync } from 'node:fs';
import pino from 'pino';
import { modelHash } from '../../offchain/link';
import { SqliteWorkerStore } from '../../offchain/store/sqliteWorker';
import { accountAddress, Channels } from '../../offchain/worker/channels';
import { Clients } from '../../offchain/worker/clients';
import type { WorkerContext } from '../../offchain/worker/context';
import { type BookFloors, WorkerBook } from '../../offchain/worker/book';
import { takeVoucher } from '../../offchain/worker/vouchers';
import { MODEL } from './backend';

const NETWORK = -3;
const AT_ONCE = 64;
const KEYS = 100; // of vouchers; the jobs share them, because to make 100,000 keys takes longer than the measurement

export interface VoucherRates {
    jobs: number; // open ones
    perSecond: number; // vouchers, each of a random job
    verifiedPerSecond: number; // signatures alone
    bytesPerJob: number; // on the disk
    memoryPerJob: number; // bytes of this process, after the vouchers
}

const keys = Array.from({ length: KEYS }, () => signingKey(randomBytes(32)));

const verifiers = keys.map(({ publicKey }) => new Verifier(publicKey));

const termsOf = (voucherKey: Buffer): Terms => ({
    ...{ escrow: randomBytes(32), provider: randomBytes(32), node: randomBytes(32), payout: randomBytes(32) },
    ...{ receiptKey: RECEIPT_KEY.publicKey, voucherKey, model: modelHash(MODEL) },
    rates: { prompt: 1n, cached: 1n, completion: 1n, reasoning: 1n },
    ...{ step: 1_000_000n, maxParallel: 64, maxAnswer: 1 << 20, notice: 3600, end: 2_000_000_000 },
});
const RECEIPT_KEY = signingKey(randomBytes(32));

/** Takes `vouchers` vouchers with `jobs` open jobs in a new store at `path`. */
export async function measureVouchers(path: string, jobs: number, vouchers: number): Promise<VoucherRates> {
    const store = await SqliteWorkerStore.open(path);
    try {
        const memoryBefore = process.memoryUsage().rss;
        const ids = await addJobs(store, jobs);
        const signed = ids.length === 1 ? signFor(ids, vouchers) : signFor(shuffled(ids, vouchers), vouchers);
        const verifiedPerSecond = await rate(signed, async ({ voucher, channel, key }) => {
            const payload = voucherFor(NETWORK, accountAddress(channel), voucher.cumulative, voucher.count);
            key.verify(Voucher.hash(payload), voucher.signature);
        });
        const { book, context } = bookOf(store);
        const perSecond = await rate(signed, ({ job, voucher }) =>
            book.use(job, async (served) => void (await takeVoucher(context, served, voucher))),
        );
        const memoryPerJob = Math.max(0, process.memoryUsage().rss - memoryBefore) / jobs;
        return { jobs, perSecond, verifiedPerSecond, bytesPerJob: statSync(path).size / jobs, memoryPerJob };
    } finally {
        await store.close();
    }
}

interface OpenJob {
    job: Buffer;
    channel: Buffer;
    key: number; // index
}

interface Sent {
    job: Buffer;
    channel: Buffer;
    key: Verifier;
    voucher: SignedVoucher;
}

async function addJobs(store: SqliteWorkerStore, count: number): Promise<OpenJob[]> {
    const all: OpenJob[] = [];
    const bags = keys.map(({ publicKey }) => termsBytes(termsOf(publicKey)));
    while (all.length < count) {
        const some = Array.from({ length: Math.min(1000, count - all.length) }, (_, i) => ({
            job: randomBytes(32),
            channel: randomBytes(32),
            key: (all.length + i) % KEYS,
        }));
        await Promise.all(
            some.map(({ job, channel, key }) =>
                store.jobs.add({
                    ...{ job, channel, terms: bags[key], client: `0:${key}`, model: MODEL, tokenizer: 'bytes' },
                    ...{ jobNumber: 1, enc: Buffer.alloc(32), wire: 'bench' },
                    snapshot: {
                        balance: 10n ** 12n,
                        paid: 0n,
                        refundAt: 2_000_000_000,
                        at: Math.floor(Date.now() / 1000),
                    },
                }),
            ),
        );
        all.push(...some);
    }
    return all;
}

function shuffled(ids: readonly OpenJob[], count: number): OpenJob[] {
    return Array.from({ length: count }, () => ids[Math.floor(Math.random() * ids.length)]);
}

function signFor(ids: readonly OpenJob[], count: number): Sent[] {
    return Array.from({ length: count }, (_, i) => {
        const { job, channel, key } = ids[i % ids.length];
        const cumulative = BigInt(i + 1);
        const payload = voucherFor(NETWORK, accountAddress(channel), cumulative, 0);
        const signature = keys[key].sign(Voucher.hash(payload));
        return { job, channel, key: verifiers[key], voucher: { cumulative, count: 0, signature } };
    });
}

/** How many of the actions run in a second, some at once. */
async function rate<T>(all: readonly T[], action: (one: T) => Promise<void>): Promise<number> {
    let next = 0;
    const start = performance.now();
    await Promise.all(
        Array.from({ length: AT_ONCE }, async () => {
            while (next < all.length) {
                await action(all[next++]);
            }
        }),
    );
    return (all.length * 1000) / (performance.now() - start);
}

/** The parts of a worker that a voucher meets; nothing reads the chain, because every channel was read just now. */
function bookOf(store: SqliteWorkerStore): { book: WorkerBook; context: WorkerContext } {
    const now = () => Math.floor(Date.now() / 1000);
    const config = { network: NETWORK, marginSeconds: 1800, chain: { freshSeconds: 3600, staleSeconds: 3600 } };
    const context = {
        config,
        store,
        now,
        log: pino({ level: 'silent' }),
        receiptKey: RECEIPT_KEY,
    } as never as WorkerContext;
    const channels = new Channels({} as never, [new Cell()], 0, now);
    const floors = { channels, clients: new Clients(1) } as never as BookFloors;
    return { book: new WorkerBook(context, floors), context };
}
