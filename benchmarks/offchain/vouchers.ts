/**
 * How many vouchers a worker takes: verified, checked against their channel, and on the disk. Compared with as many
 * signatures that are only verified, by the same threads, and between numbers of open jobs. Without HTTP.
 */
import type { SignedVoucher } from '@cocoon-market/wrappers';
import { Cell } from '@ton/core';
import { join } from 'node:path';
import pino from 'pino';
import { SqliteWorkerStore } from '../../offchain/store/sqliteWorker';
import { type BookFloors, WorkerBook } from '../../offchain/worker/book';
import { Channels } from '../../offchain/worker/channels';
import { DisputedJobs } from '../../offchain/worker/disputedJobs';
import { Clients } from '../../offchain/worker/clients';
import type { WorkerContext } from '../../offchain/worker/context';
import { Processes } from '../../offchain/worker/processes';
import { takeVoucher } from '../../offchain/worker/vouchers';
import { fillStore, keys, NETWORK, nextVoucher, type OpenJob, receiptKey, verifiers } from './openJobs';
import { USED_JOBS, type VoucherRates } from './rates';
import { spreadOf } from './spread';

const AT_ONCE = 256; // as of a worker that many clients pay at once
const LONGER = 4; // times as many vouchers of jobs in memory, and signatures: each takes a fraction of the time

interface Sent {
    job: Buffer;
    key: number;
    hash: Buffer; // that is signed
    voucher: SignedVoucher;
}

type Round = Pick<VoucherRates, 'perSecond' | 'usedPerSecond' | 'coldPerSecond' | 'verifiedPerSecond'>;

interface Store {
    path: string;
    jobs: OpenJob[];
    bytesPerJob: number;
    rounds: Round[];
}

/** Takes `vouchers` vouchers in each way, with each number of open jobs in turn, round by round. */
export async function measureVouchers(
    folder: string,
    openJobs: readonly number[],
    { vouchers, rounds, say }: { vouchers: number; rounds: number; say: (text: string) => void },
): Promise<VoucherRates[]> {
    const stores: Store[] = [];
    for (const count of openJobs) {
        say(`a store with ${count} open jobs`);
        const path = join(folder, `${count}.sqlite`);
        stores.push({ path, ...(await fillStore(path, count)), rounds: [] });
    }
    await runRound(stores[0], vouchers); // for the compiler
    for (let round = 0; round < rounds; round++) {
        for (const store of stores) {
            store.rounds.push(await runRound(store, vouchers));
        }
        say(`vouchers, round ${round + 1} of ${rounds}`);
    }
    return stores.map(({ jobs, bytesPerJob, rounds: all }) => {
        const median = (of: (round: Round) => number) => spreadOf(all.map(of)).median;
        const isCold = all[0].coldPerSecond !== undefined;
        return {
            jobs: jobs.length,
            perSecond: median(({ perSecond }) => perSecond),
            usedPerSecond: median(({ usedPerSecond }) => usedPerSecond),
            ...(isCold ? { coldPerSecond: median(({ coldPerSecond }) => coldPerSecond!) } : {}),
            verifiedPerSecond: median(({ verifiedPerSecond }) => verifiedPerSecond),
            bytesPerJob,
        };
    });
}

/** Opens the store, so that nothing is in memory, and measures each way once. */
async function runRound({ path, jobs }: Store, vouchers: number): Promise<Round> {
    const store = await SqliteWorkerStore.open(path);
    try {
        const { book, context } = await bookOf(store);
        const take = ({ job, voucher }: Sent) =>
            book.use(job, async (served) => {
                if (served.damage !== undefined) {
                    throw new Error(`The benchmark's store is damaged: ${served.damage}`);
                }
                served.channel.note(served.channel.snapshot); // as if it had been read just now
                await takeVoucher(context, served, voucher);
            });
        const each = shuffled(jobs).slice(0, vouchers);
        const cold = await rate(each.map(sign), take);
        const perSecond = await rate(signRandom(jobs, vouchers), take);
        const used = each.slice(0, USED_JOBS);
        for (const { job } of used) {
            await book.use(job, async () => undefined);
        }
        const usedPerSecond = await rate(signRandom(used, LONGER * vouchers), take);
        const verifiedPerSecond = await rate(signRandom(used, LONGER * vouchers), async ({ key, hash, voucher }) => {
            await verifiers[key].verifyAside(hash, voucher.signature);
        });
        return {
            perSecond,
            usedPerSecond,
            verifiedPerSecond,
            ...(jobs.length >= USED_JOBS ? { coldPerSecond: cold } : {}),
        };
    } finally {
        await store.close();
    }
}

const signRandom = (jobs: readonly OpenJob[], count: number): Sent[] =>
    Array.from({ length: count }, () => sign(jobs[Math.floor(Math.random() * jobs.length)]));

/** The next voucher of a job. */
function sign(open: OpenJob): Sent {
    const { job, key } = open;
    open.promised += 1n;
    const hash = nextVoucher(open);
    return { job, key, hash, voucher: { cumulative: open.promised, count: 1, signature: keys[key].sign(hash) } };
}

function shuffled<T>(all: readonly T[]): T[] {
    return all
        .map((one) => ({ one, place: Math.random() }))
        .sort((a, b) => a.place - b.place)
        .map(({ one }) => one);
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

/** The parts of a worker that a voucher meets. None reads the chain, because every channel counts as read just now. */
async function bookOf(store: SqliteWorkerStore): Promise<{ book: WorkerBook; context: WorkerContext }> {
    const now = () => Math.floor(Date.now() / 1000);
    const config = {
        network: NETWORK,
        marginSeconds: 1800,
        claim: { threshold: 0n },
        chain: { freshSeconds: 3600, staleSeconds: 3600 },
    };
    const log = pino({ level: 'silent' });
    const processes = await Processes.read(store);
    const context = { config, store, processes, now, log, receiptKey } as never as WorkerContext;
    const channels = new Channels({} as never, [new Cell()], new DisputedJobs(0n, log, now), 0, now);
    const floors = { channels, clients: new Clients(1) } as never as BookFloors;
    return { book: new WorkerBook(context, floors), context };
}
