/**
 * Finds jobs that the chain knows and the store does not, because the store is lost or an old copy. They are found in
 * the orders that the escrow took, as every endpoint lists them: one may hide some, or list others without an end. A
 * job that a worker knows is settled with it; the others are left and refunded.
 */
import { Channel, channelCodes, jobHash, jobNumber, JobParameters, readOrder, Terms } from '@cocoon-market/wrappers';
import { Address } from '@ton/core';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Accepted } from '../chain';
import { reasonOf } from '../process/errors';
import { StoredJob } from '../store/gateway';
import type { JobBook } from './book';
import type { GatewayContext } from './context';
import { Cut } from './cut';
import type { GatewayJob } from './job';
import { Candidate, termsAt } from './nodes';

const BATCH = 25; // jobs whose accounts are read at once
const SEARCH_MS = 1_800_000; // for the lists of all orders: an endpoint may make up one without an end
const ENOUGH = 2; // lists of orders, one of which may hide some
const LAST_MS = 30_000; // for the last list, where there is only one other
const ACCOUNT_MS = 60_000; // that each of several endpoints has for accounts: a public one gives one a second
const MAX_LOGGED = 3; // orders of a search that are of no use

interface LostJob {
    parameters: JobParameters;
    deposit: bigint; // nanoTON
    channel: Address;
}

/**
 * Adds the lost jobs of this gateway's keys to the store, and those that are not over to the book. Throws once `signal`
 * is aborted.
 */
export async function findLost(context: GatewayContext, book: JobBook, signal: AbortSignal): Promise<GatewayJob[]> {
    const { log } = context;
    const lost = await unknownJobs(context, signal);
    const found: GatewayJob[] = [];
    for (let from = 0; from < lost.length; from += BATCH) {
        const some = lost.slice(from, from + BATCH).flat();
        const existing = await areShown(
            context,
            some.map(({ channel }) => channel),
        );
        const readings = some.map((job, i) => ({ job, exists: existing[i] }));
        // An account that exists is the first of its job: whatever interrupts this, the next search goes on after it.
        readings.sort((a, b) => numberOf(a.job) - numberOf(b.job) || Number(b.exists) - Number(a.exists));
        for (const { job, exists } of readings) {
            const stored = await (exists ? describeExisting(context, job) : describeEnded(context, job));
            await context.store.addJob(stored);
            if (exists) {
                log.warn(
                    { job: stored.number, phase: stored.phase },
                    'a job that this store did not know was found on chain',
                );
                found.push(book.add(stored));
            }
        }
    }
    return found;
}

const numberOf = ({ parameters }: LostJob): number => parameters.job;

/** For each channel, whether it exists: by half at least of several endpoints that answer, or by the only one. */
async function areShown({ escrow }: GatewayContext, channels: readonly Address[]): Promise<boolean[]> {
    return Promise.all(
        channels.map(async (channel) => {
            const each = await escrow.accountsAt(channel, ACCOUNT_MS);
            const all = each.length === 0 ? await escrow.accounts([channel]) : each;
            return 2 * all.filter(({ state }) => state === 'active').length >= all.length;
        }),
    );
}

/**
 * The lost jobs, each with one account for every code of channels. The oldest is the first, so that the store never has
 * a gap below its newest job, where the next search ends.
 */
async function unknownJobs(context: GatewayContext, signal: AbortSignal): Promise<LostJob[][]> {
    const { escrow, store, log } = context;
    const newest = await store.newestJob();
    const highest = newest === undefined || newest.phase === 'failed' ? -1 : newest.number;
    let logged = 0;
    const warn = (details: object, message: string) => void (logged++ < MAX_LOGGED && log.warn(details, message));
    const search = new Cut([signal], SEARCH_MS);
    const lists = escrow.orders(search.signal).map((list) => ordersIn(context, list, { highest, warn }));
    const found = await listed(lists, search.signal).finally(() => search.now());
    const jobs = new Map<number, Map<string, LostJob>>(); // by number and channel, without those of the store
    for (const { parameters, deposit } of found.flat()) {
        const { job: number } = parameters;
        for (const code of await channelCodes()) {
            const { address: channel } = await Channel.ofJob(escrow.address, parameters, code);
            if (!(await store.hasChannel(channel.hash))) {
                const accounts = jobs.get(number) ?? new Map<string, LostJob>();
                jobs.set(number, accounts.set(channel.toRawString(), { parameters, deposit, channel }));
            }
        }
    }
    return [...jobs].sort(([a], [b]) => a - b).map(([, accounts]) => [...accounts.values()]);
}

/** The jobs of this key file above `highest` that one list of orders has; of several with one number the newest. */
async function ordersIn(
    { escrow, keys }: GatewayContext,
    list: AsyncIterable<Accepted>,
    { highest, warn }: { highest: number; warn: (details: object, message: string) => void },
): Promise<Omit<LostJob, 'channel'>[]> {
    const found = new Map<number, Omit<LostJob, 'channel'>>();
    for await (const { body } of list) {
        let order: ReturnType<typeof readOrder>;
        try {
            order = readOrder(body);
        } catch (error) {
            warn({ reason: reasonOf(error) }, 'an order of the escrow cannot be read, and is skipped');
            continue;
        }
        if (order.jobs.length > 0 && jobNumber(order.seqno, order.jobs.length - 1) <= highest) {
            break; // older orders were known when this one was stored
        }
        for (const [i, { deposit, ...job }] of order.jobs.entries()) {
            const number = jobNumber(order.seqno, i);
            if (!keys.voucher(escrow.address.hash, number).publicKey.equals(job.voucherKey)) {
                warn({ job: number }, 'a job of this escrow has a voucher key that is not of this key file');
            } else if (!found.has(number)) {
                found.set(number, { parameters: { ...job, job: number }, deposit });
            }
        }
    }
    return [...found.values()];
}

/**
 * The lists of several endpoints that are read to their end: two of them, or all. Where there is only one, the last of
 * the others has a while. Throws if none is read.
 */
async function listed<T>(lists: readonly Promise<T>[], signal: AbortSignal): Promise<T[]> {
    const read: T[] = [];
    let failure: Error | undefined;
    await new Promise<void>((resolve) => {
        let ended = 0;
        const end = () => {
            ended++;
            if (read.length === ENOUGH || ended === lists.length) {
                resolve();
            } else if (read.length > 0 && ended === lists.length - 1) {
                void sleep(LAST_MS, undefined, { signal, ref: false }).then(resolve, () => undefined);
            }
        };
        signal.addEventListener('abort', () => resolve(), { once: true });
        lists.forEach(
            (list) =>
                void list
                    .then(
                        (one) => read.push(one),
                        (error: Error) => (failure ??= error),
                    )
                    .then(end),
        );
    });
    if (signal.aborted || read.length === 0) {
        throw failure ?? new Error('The lists of all orders were not read in time, or the gateway ended before');
    }
    return read;
}

const NO_WORKER = 'http://unknown.invalid'; // a name that leads nowhere

type Description = Pick<StoredJob, 'phase' | 'model' | 'worker' | 'tier' | 'terms'>;

async function describeExisting(context: GatewayContext, job: LostJob): Promise<StoredJob> {
    const match = await atWorker(context, job);
    if (match === undefined) {
        return recordOf(context, job, { ...withoutWorker(context, job), phase: 'leaving' });
    }
    const { candidate, terms, model } = match;
    const { tier } = candidate.info.attestation;
    return recordOf(context, job, { phase: 'settling', model, worker: candidate.url, tier, terms });
}

async function describeEnded(context: GatewayContext, job: LostJob): Promise<StoredJob> {
    return recordOf(context, job, { ...withoutWorker(context, job), phase: 'ended' });
}

function withoutWorker(context: GatewayContext, { parameters }: LostJob): Omit<Description, 'phase'> {
    const worker = context.config.workers?.[0] ?? NO_WORKER;
    return { model: '', worker, tier: '', terms: unknownTerms(context, parameters) };
}

function recordOf(
    { network, now }: GatewayContext,
    { parameters, deposit, channel }: LostJob,
    description: Description,
): StoredJob {
    return {
        ...description,
        number: parameters.job,
        channel: channel.hash,
        hash: jobHash(network, channel.hash, description.terms),
        deposit,
        funds: deposit,
        validUntil: 0,
        createdAt: now(),
        voucher: null,
        note: 'found on chain by a store that did not know it',
        found: true,
    };
}

// The chain does not have a job's whole terms. A worker that has the job under the terms of now still knows it.
async function atWorker(
    { config, nodes, network, escrow }: GatewayContext,
    { parameters, channel }: LostJob,
): Promise<{ candidate: Candidate; terms: Terms; model: string } | undefined> {
    const { end, notice, voucherKey, payout } = parameters;
    for (const model of Object.keys(config.models)) {
        for (const url of await nodes.workers(model)) {
            const candidate = await nodes.check(url, model).catch(reasonOf);
            if (typeof candidate === 'string' || !Address.parse(candidate.info.payout).hash.equals(payout)) {
                continue;
            }
            const terms = termsAt(candidate, { escrow: escrow.address.hash, voucherKey, model, notice, end });
            const state = await nodes
                .link(url, [])
                .job(jobHash(network, channel.hash, terms))
                .catch(() => undefined);
            if (state !== undefined) {
                return { candidate, terms, model };
            }
        }
    }
    return undefined;
}

// Terms of a job that no worker knows: enough to leave it and to have it refunded.
function unknownTerms({ escrow }: GatewayContext, { end, notice, voucherKey, payout }: JobParameters): Terms {
    const none = Buffer.alloc(32);
    return {
        escrow: escrow.address.hash,
        provider: none,
        node: none,
        receiptKey: voucherKey,
        payout,
        voucherKey,
        model: none,
        rates: { prompt: 0n, cached: 0n, completion: 0n, reasoning: 0n },
        step: 1n,
        maxParallel: 1,
        maxAnswer: 1,
        notice,
        end,
    };
}
