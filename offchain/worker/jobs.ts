/** The worker's jobs: registration, and which of them are in memory. A job that nobody uses costs a row on disk alone. */
import { channelInit, isWeakKey, jobHash, loadTerms, termsCell, Verifier } from '@cocoon-market/wrappers';
import type { Terms } from '@cocoon-market/wrappers';
import { Cell } from '@ton/core';
import type { z } from 'zod';
import { acceptSession, modelHash, sessionHash } from '../link';
import type { jobRequest } from '../link';
import type { ChannelSnapshot } from '../store/worker';
import { accountAddress, ChannelUnreadable } from './channels';
import type { WorkerContext } from './context';
import { stepCarriesFrames } from './credit';
import { assertKnown } from './newest';
import { Job } from './job';
import type { Running } from './job';
import { Refused } from './refusal';

export type JobRequest = z.output<typeof jobRequest>;

/** Most jobs kept in memory while nobody uses them; each holds two keys. */
const MAX_IDLE = 2000;

/** Bytes into which salt, some frames and the end fit; below it nothing can be answered. */
const MIN_ANSWER = 1024;

interface Entry {
    users: number;
    job: Promise<Job | undefined>;
}

/** Finds, registers and keeps the jobs of one worker. */
export class Jobs {
    private readonly entries = new Map<string, Entry>();

    constructor(private readonly context: WorkerContext) {}

    /** Runs `action` on a job; all that do so at one time see the same object. Throws {@link Refused} for an unknown one. */
    async use<T>(id: Buffer, action: (job: Job) => Promise<T>): Promise<T> {
        const entry = this.hold(id);
        try {
            const job = await entry.job;
            if (job === undefined) {
                throw new Refused('unknown_job', 'This job is not registered here');
            }
            return await action(job);
        } finally {
            entry.users--;
            this.dropIdle();
        }
    }

    /** Registers a job or begins a new session of it, and runs `action` on it. */
    async register<T>(request: JobRequest, action: (job: Job) => Promise<T>): Promise<T> {
        const { store } = this.context;
        const fault = this.termsFault(request.terms);
        if (fault !== undefined) {
            throw new Refused('wrong_terms', fault);
        }
        const { id, channel } = this.named(request);
        for (const receipt of request.newest) {
            await assertKnown(this.context, id, receipt);
        }
        await acceptSession(this.context.encryptionKey, request.enc, id).catch(() => {
            throw new Refused('bad_request', 'enc is no key');
        });
        const seen = (await store.jobs.get(id)) === undefined ? await this.add(request, id, channel) : undefined;
        return this.use(id, async (job) => {
            if (seen !== undefined) {
                job.sawChannel(seen);
            }
            await job.recent();
            await job.begin(request.enc);
            return action(job);
        });
    }

    /** The job that the request's signature names: it tells which of the known channel codes the channel has. */
    private named({ terms, jobNumber, enc, signature }: JobRequest): { id: Buffer; channel: Buffer } {
        const { channels, config } = this.context;
        const { end, notice, voucherKey, payout } = terms;
        const verifier = new Verifier(voucherKey);
        for (const code of channels.codes) {
            const parameters = { end, notice, voucherKey, payout, job: jobNumber };
            const channel = channelInit(accountAddress(terms.escrow), parameters, code).address.hash;
            const id = jobHash(config.network, channel, terms);
            if (verifier.verify(sessionHash(id, enc), signature)) {
                return { id, channel };
            }
        }
        throw new Refused(
            'bad_signature',
            'The voucher key did not sign this session for a channel of these terms with a code this node accepts',
        );
    }

    private async add({ terms, jobNumber, enc }: JobRequest, id: Buffer, channel: Buffer): Promise<ChannelSnapshot> {
        const { store, channels, config, costs } = this.context;
        if ((await store.jobs.ofChannel(channel)) !== undefined) {
            throw new Refused('wrong_terms', 'This channel is already used under other terms');
        }
        const seen = await channels.readUnknown(channel, terms, jobNumber).catch((error: unknown) => {
            throw error instanceof ChannelUnreadable ? new Refused('internal', error.message, 503) : error;
        });
        if (seen.gone) {
            throw new Refused('wrong_channel', 'The channel of these terms is not on chain');
        }
        if (seen.paid > 0n) {
            throw new Refused('wrong_channel', 'The channel has paid vouchers of a job that is not known here');
        }
        if (seen.balance === 0n) {
            throw new Refused('wrong_channel', 'The channel is empty');
        }
        if (seen.balance < costs.minDeposit) {
            const reason = `The channel holds less than ${costs.minDeposit} nanoTON, the minimum deposit of this node`;
            throw new Refused('wrong_channel', reason);
        }
        if (seen.refundAt - seen.at <= config.marginSeconds) {
            throw new Refused('leaving', 'The channel can be refunded too soon');
        }
        const { gone: _gone, confirmed: _confirmed, ...state } = seen;
        const job = { job: id, channel, terms: termsCell(terms).toBoc(), jobNumber, enc, snapshot: state };
        await store.jobs.add(job).catch(async (error: unknown) => {
            if ((await store.jobs.get(id)) === undefined) {
                throw error; // else another request of the same client was faster
            }
        });
        return state;
    }

    /** Why this worker does not serve these terms. */
    private termsFault(terms: Terms): string | undefined {
        const { config, payout, receiptKey } = this.context;
        const { limits } = config;
        const offer = config.offers.find(({ model }) => modelHash(model).equals(terms.model));
        const rates = offer && (['prompt', 'cached', 'completion', 'reasoning'] as const);
        const faults: [boolean, string][] = [
            [!terms.node.equals(config.node.hash), 'node is another'],
            [!terms.provider.equals(config.provider.hash), 'provider is another'],
            [!terms.receiptKey.equals(receiptKey.publicKey), "receipt key is not this node's"],
            [!terms.payout.equals(payout.hash), "payout is not this node's"],
            [isWeakKey(terms.voucherKey), 'voucher key is weak: anyone could sign for it'],
            [offer === undefined, 'model is not offered'],
            [
                rates?.some((kind) => terms.rates[kind] !== offer!.rates[kind]) === true,
                'rates are not those of the offer',
            ],
            [terms.step < limits.minStep || terms.step > limits.maxStep, 'step is outside the limits'],
            [!stepCarriesFrames(terms.step, terms.rates), 'step is too small for the rates'],
            [terms.parallel < 1 || terms.parallel > limits.maxParallel, 'parallel is outside the limits'],
            [
                terms.maxAnswer < MIN_ANSWER || terms.maxAnswer > limits.maxAnswer,
                'largest answer is outside the limits',
            ],
            [terms.notice < limits.minNotice, 'notice is shorter than the limit'],
        ];
        const found = faults.find(([wrong]) => wrong);
        return found && `These terms are not served: ${found[1]}`;
    }

    /** Every query that runs. */
    async running(): Promise<Running[]> {
        const jobs = await Promise.all([...this.entries.values()].map(({ job }) => job.catch(() => undefined)));
        return jobs.flatMap((job) => [...(job?.running.values() ?? [])]);
    }

    private hold(id: Buffer): Entry {
        const key = id.toString('hex');
        const entry = this.entries.get(key) ?? this.load(id, key);
        entry.users++;
        this.entries.delete(key); // and in again at the end, so that the map's order is that of use
        this.entries.set(key, entry);
        return entry;
    }

    /** What is not there, or could not be read, is read again by who asks next. */
    private load(id: Buffer, key: string): Entry {
        const forget = () => {
            if (this.entries.get(key) === entry) {
                this.entries.delete(key);
            }
        };
        const job = this.stored(id);
        const entry = { users: 0, job };
        job.then((found) => found ?? forget(), forget);
        return entry;
    }

    private async stored(id: Buffer): Promise<Job | undefined> {
        const record = await this.context.store.jobs.get(id);
        return record && new Job(this.context, record, loadTerms(Cell.fromBoc(record.terms)[0]));
    }

    private dropIdle(): void {
        for (const [key, { users }] of this.entries) {
            if (this.entries.size <= MAX_IDLE) {
                return;
            }
            if (users === 0) {
                this.entries.delete(key);
            }
        }
    }
}
