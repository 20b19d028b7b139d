/**
 * A worker's SQLite file with many open jobs, each as one in use: it has a voucher, and a query that was answered. What
 * a worker compares when it reads a job fits together: hashes, the voucher's signature, and the numbers of the result.
 */
import {
    Accept,
    type Fields,
    Finish,
    jobHash,
    type Layout,
    Result,
    SIGNATURE_BYTES,
    signingKey,
    termsBytes,
    type Terms,
    type Values,
    Verifier,
    Voucher,
    voucherFor,
} from '@cocoon-market/wrappers';
import { randomBytes } from 'node:crypto';
import { existsSync, statSync } from 'node:fs';
import { modelHash, wireVersions } from '../../offchain/link';
import { SqliteWorkerStore } from '../../offchain/store/sqliteWorker';
import { accountAddress } from '../../offchain/worker/channels';
import { MODEL } from './backend';

/** One job of the file, and the key that signs its vouchers. */
export interface OpenJob {
    job: Buffer;
    channel: Buffer;
    key: number; // index in `keys`
    promised: bigint; // nanoTON of its newest voucher
}

export const NETWORK = -3;
const KEYS = 100; // of vouchers; the jobs share them, because to make 100,000 keys takes longer than the measurement
const BATCH = 1000; // jobs that are written at once
const COUNTS = { prompt: 500, cached: 0, completion: 300, reasoning: 0 };
const PRICE = 340_000n;
const ANSWERED = 1000n * PRICE; // so that no voucher of a benchmark promises more: that reads the channel

export const keys = Array.from({ length: KEYS }, () => signingKey(randomBytes(32)));
export const verifiers = keys.map(({ publicKey }) => new Verifier(publicKey));
export const receiptKey = signingKey(randomBytes(32));

const termsOf = (voucherKey: Buffer): Terms => ({
    ...{ escrow: randomBytes(32), provider: randomBytes(32), node: randomBytes(32), payout: randomBytes(32) },
    ...{ receiptKey: receiptKey.publicKey, voucherKey, model: modelHash(MODEL) },
    rates: { prompt: 1n, cached: 1n, completion: 1n, reasoning: 1n },
    ...{ step: 1_000_000n, maxParallel: 64, maxAnswer: 1 << 20, notice: 3600, end: 2_000_000_000 },
});

/**
 * Makes a file with so many open jobs. Resolves with them, and with the bytes on the disk that each of them takes. The
 * bytes of its answer do not count, because an app decides about those.
 */
export async function fillStore(path: string, count: number): Promise<{ jobs: OpenJob[]; bytesPerJob: number }> {
    const store = await SqliteWorkerStore.open(path);
    const jobs: OpenJob[] = [];
    try {
        const terms = keys.map(({ publicKey }) => termsOf(publicKey));
        const now = Math.floor(Date.now() / 1000);
        while (jobs.length < count) {
            const batch = Array.from({ length: Math.min(BATCH, count - jobs.length) }, (_, i): OpenJob => {
                const key = (jobs.length + i) % KEYS;
                const channel = randomBytes(32);
                return { job: jobHash(NETWORK, channel, terms[key]), channel, key, promised: PRICE };
            });
            await Promise.all(batch.map((job) => addJob(store, job, { terms: termsBytes(terms[job.key]), now })));
            jobs.push(...batch);
        }
    } finally {
        await store.close();
    }
    // Closing copied the log of writes into the file. What of it is still there counts too.
    const files = [path, `${path}-wal`].filter(existsSync);
    const bytes = files.reduce((sum, file) => sum + statSync(file).size, 0);
    return { jobs, bytesPerJob: bytes / count };
}

async function addJob(
    { jobs, queries }: SqliteWorkerStore,
    { job, channel, key, promised }: OpenJob,
    { terms, now }: { terms: Buffer; now: number },
): Promise<void> {
    await jobs.add({
        ...{ job, channel, terms, client: `0:${key}`, model: MODEL, tokenizer: 'bytes', jobNumber: 1 },
        ...{ enc: randomBytes(32), wire: wireVersions[0] },
        snapshot: { balance: 10n ** 12n, paid: 0n, refundAt: 2_000_000_000, at: now },
    });
    const number = 1;
    const requested = { job, number, request: randomBytes(32), ceiling: ANSWERED };
    const accept = receiptOf(Accept, { ...requested, deadline: 2_000_000_000 });
    await queries.accept({ ...requested, promptEstimate: COUNTS.prompt, accept });
    const receipt = receiptOf(Result, { job, number, ...ENDED, ...COUNTS, ...RESULT });
    await queries.end({ kind: 'result', job, number, ...ENDED, bytes: Buffer.alloc(0), counts: COUNTS, receipt });
    const signature = keys[key].sign(nextVoucher({ channel, promised }));
    await jobs.addVoucher(job, { cumulative: promised, count: 1, signature }, now);
}

/** The hash of a voucher for what is promised, which its key signs. */
export const nextVoucher = ({ channel, promised }: Pick<OpenJob, 'channel' | 'promised'>): Buffer =>
    Voucher.hash(voucherFor(NETWORK, accountAddress(channel), promised, 1));

/** A receipt as large as a signed one; nobody reads it here. */
const receiptOf = <F extends Fields>(layout: Layout<F>, values: Values<F>): Buffer =>
    Buffer.concat([layout.encode(values), randomBytes(SIGNATURE_BYTES)]);

const ENDED = { index: 1, cumulative: ANSWERED, finishedAt: 1_800_000_000 };

const RESULT = { content: randomBytes(32), price: ANSWERED, finish: Finish.Stop };
