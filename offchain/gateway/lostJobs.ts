/**
 * Finds jobs that the chain knows and the store does not, because the store is lost or an old copy. They are found in
 * the orders that the escrow took. A job that a worker knows is settled with it; the others are left and refunded.
 */
import { Channel, channelCodes, jobHash, jobNumber, JobParameters, readOrder, Terms } from '@cocoon-market/wrappers';
import { Address } from '@ton/core';
import { reasonOf } from '../process/errors';
import { StoredJob } from '../store/gateway';
import type { JobBook } from './book';
import type { GatewayContext } from './context';
import type { GatewayJob } from './job';
import { Candidate, termsAt } from './nodes';

const BATCH = 25; // jobs whose accounts are read at once

interface LostJob {
    parameters: JobParameters;
    deposit: bigint; // nanoTON
    channel: Address;
}

/** Adds the lost jobs of this gateway's keys to the store, and those that are not over to the book. */
export async function findLost(context: GatewayContext, book: JobBook): Promise<GatewayJob[]> {
    const { escrow, log } = context;
    const lost = await unknownJobs(context);
    const found: GatewayJob[] = [];
    for (let from = 0; from < lost.length; from += BATCH) {
        const some = lost.slice(from, from + BATCH).flat();
        const accounts = await escrow.accounts(some.map(({ channel }) => channel));
        const readings = some.map((job, i) => ({ job, exists: accounts[i].state === 'active' }));
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

/**
 * The lost jobs, each with one account for every code of channels. The oldest is the first, so that the store never has
 * a gap below its newest job, where the next search ends.
 */
async function unknownJobs({ escrow, store, keys, log }: GatewayContext): Promise<LostJob[][]> {
    const newest = await store.newestJob();
    const highest = newest === undefined || newest.phase === 'failed' ? -1 : newest.number;
    const codes = await channelCodes();
    const all: LostJob[][] = []; // without the accounts that the store has
    for await (const { body } of escrow.orders()) {
        let order: ReturnType<typeof readOrder>;
        try {
            order = readOrder(body);
        } catch (error) {
            log.warn({ reason: reasonOf(error) }, 'an order of the escrow cannot be read, and is skipped');
            continue;
        }
        if (order.jobs.length > 0 && jobNumber(order.seqno, order.jobs.length - 1) <= highest) {
            break; // older orders were known when this one was stored
        }
        for (const [i, { deposit, ...job }] of order.jobs.entries()) {
            const number = jobNumber(order.seqno, i);
            if (!keys.voucher(escrow.address.hash, number).publicKey.equals(job.voucherKey)) {
                log.warn({ job: number }, 'a job of this escrow has a voucher key that is not of this key file');
                continue;
            }
            const parameters = { ...job, job: number };
            const channels = await Promise.all(codes.map((code) => Channel.ofJob(escrow.address, parameters, code)));
            const accounts = channels.map(({ address: channel }) => ({ parameters, deposit, channel }));
            const exists = await Promise.all(accounts.map(({ channel }) => store.hasChannel(channel.hash)));
            all.push(accounts.filter((_, account) => !exists[account]));
        }
    }
    return all.filter((accounts) => accounts.length > 0).sort(([a], [b]) => numberOf(a) - numberOf(b));
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
