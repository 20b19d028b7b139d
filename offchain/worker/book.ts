/**
 * The book: the jobs of this worker. It registers them, and has those in memory that are in use; the others are rows on
 * disk.
 */
import {
    channelInit,
    isWeakKey,
    jobHash,
    type Terms,
    termsBytes,
    termsFromBytes,
    tokenKinds,
    Verifier,
} from '@cocoon-market/wrappers';
import type { z } from 'zod';
import { acceptSession, type jobRequest, modelHash, sessionHash, wireVersions } from '../link';
import type { ChannelSnapshot } from '../store/worker';
import { accountAddress, type Channels, ChannelUnreadable } from './channels';
import type { Clients } from './clients';
import type { WorkerConfig } from './config';
import type { WorkerContext } from './context';
import type { Costs } from './costs';
import { stepCarriesFrames } from './credit';
import { damageOf, FORGED_VOUCHER } from './damage';
import { type ActiveQuery, WorkerJob } from './job';
import { assertStored } from './newest';
import { tokenizerOf } from './offers';
import { Refused } from './refusal';
import type { ChannelVote } from './votes';

type JobRequest = z.output<typeof jobRequest>;
type Offer = WorkerConfig['offers'][number];

const MAX_IDLE = 2000; // unused jobs in memory; each has two keys
const MIN_ANSWER = 1024; // bytes: salt, some frames and the end fit into as many

/** The floors below the book. */
export interface BookFloors {
    channels: Channels;
    clients: Clients;
    costs: Costs;
}

interface Slot {
    users: number;
    job: Promise<WorkerJob | undefined>;
}

export class WorkerBook {
    private readonly slots = new Map<string, Slot>();
    /** Ends the queries that an earlier process left open in a job, before anything else of the job is signed. */
    recovery: (job: WorkerJob) => Promise<void> = () => Promise.resolve();

    constructor(
        private readonly context: WorkerContext,
        private readonly floors: BookFloors,
    ) {}

    /**
     * Runs `action` on a job. All that do so at one time get the same object. Throws {@link Refused} for an unknown
     * job.
     */
    async use<T>(id: Buffer, action: (job: WorkerJob) => Promise<T>): Promise<T> {
        const slot = this.hold(id);
        try {
            const job = await slot.job;
            if (job === undefined) {
                throw new Refused('unknown_job', 'This job is not registered here');
            }
            return await action(job);
        } finally {
            slot.users--;
            this.dropIdle();
        }
    }

    /**
     * Registers a job or begins a new session of it, and runs `action` on it. `from`: the address that asks, which has
     * a share of the readings of unknown channels.
     */
    async register<T>(request: JobRequest, from: string, action: (job: WorkerJob) => Promise<T>): Promise<T> {
        const { jobs } = this.context.store;
        refuseTerms(this.objectionToParties(request.terms));
        const { id, channel } = await this.identify(request);
        // Terms that were agreed on stay, whatever the offers and limits are later.
        const record = await jobs.get(id);
        await (record && this.context.processes.claimJob(record));
        const offer = record === undefined ? this.offerFor(request.terms) : undefined;
        if (offer !== undefined) {
            this.context.intake.requireOpen();
        }
        for (const receipt of request.newest) {
            await assertStored(this.context, id, receipt);
        }
        if (!wireVersions.some((version) => version === request.wire)) {
            throw new Refused('bad_request', `This node speaks ${wireVersions.join(', ')}`);
        }
        await acceptSession(this.context.encryptionKey, request.enc, { job: id, wire: request.wire }).catch(() => {
            throw new Refused('bad_request', 'enc is not a key');
        });
        const added = offer && (await this.add(request, { job: id, channel, from }, offer));
        return this.use(id, async (job) => {
            if (added !== undefined) {
                job.channel.begin(added.snapshot, added.vote);
            }
            await job.channel.refresh();
            await job.session.begin(request);
            return action(job);
        });
    }

    /** Every query that runs. */
    async running(): Promise<ActiveQuery[]> {
        const jobs = await Promise.all([...this.slots.values()].map(({ job }) => job.catch(() => undefined)));
        return jobs.flatMap((job) => [...(job?.running.values() ?? [])]);
    }

    /** How many queries run, by the hashes of their jobs (hex). Jobs without a running query may be left out. */
    async runningByJob(): Promise<Map<string, number>> {
        const slots = [...this.slots].map(async ([key, { job }]) => {
            const loaded = await job.catch(() => undefined);
            return [key, loaded?.running.size ?? 0] as const;
        });
        return new Map(await Promise.all(slots));
    }

    /** The job that the request's signature is for, which also shows the code of its channel among those accepted. */
    private async identify({
        terms,
        jobNumber,
        enc,
        wire,
        signature,
    }: JobRequest): Promise<{ id: Buffer; channel: Buffer }> {
        const { config } = this.context;
        const { end, notice, voucherKey, payout } = terms;
        const verifier = new Verifier(voucherKey);
        for (const code of this.floors.channels.codes) {
            const parameters = { end, notice, voucherKey, payout, job: jobNumber };
            const channel = channelInit(accountAddress(terms.escrow), parameters, code).address.hash;
            const id = jobHash(config.network, channel, terms);
            if (await verifier.verifyAside(sessionHash(id, { enc, wire }), signature)) {
                return { id, channel };
            }
        }
        throw new Refused(
            'bad_signature',
            'The voucher key did not sign this session for a channel of these terms with a code this node accepts',
        );
    }

    private async add(
        { terms, jobNumber, enc, wire }: JobRequest,
        { job: id, channel, from }: { job: Buffer; channel: Buffer; from: string },
        offer: Offer,
    ): Promise<{ snapshot: ChannelSnapshot; vote: ChannelVote | undefined }> {
        const { store } = this.context;
        if ((await store.jobs.ofChannel(channel)) !== undefined) {
            throw new Refused('wrong_terms', 'This channel is already used under other terms');
        }
        const { channels } = this.floors;
        const { disputes } = channels;
        const { reading, vote } = await channels.readUnknown(channel, terms, jobNumber, from);
        if (!reading.exists) {
            throw new Refused('wrong_channel', 'The channel of these terms is not on chain');
        }
        const snapshot = this.usable(reading, vote);
        if (vote?.verdict === 'disputed') {
            if (!disputes.mayTake(id)) {
                const message = 'The endpoints of this node do not agree about the channel: try again, or another node';
                throw new ChannelUnreadable(new Error('too many jobs are disputed'), message);
            }
            disputes.note(id, { vote, amount: snapshot.balance }); // before the job is stored, because a query of it may come from then on
        }
        const client = accountAddress(terms.escrow).toRawString();
        const ofOffer = { model: offer.model, tokenizer: tokenizerOf(offer) };
        const job = { job: id, channel, terms: termsBytes(terms), client, ...ofOffer, jobNumber, enc, wire, snapshot };
        await store.jobs.add(job).catch(async (error: unknown) => {
            if ((await store.jobs.get(id)) === undefined) {
                disputes.forget(id);
                throw error; // else another request of the same client was faster
            }
        });
        return { snapshot, vote };
    }

    /**
     * The channel of a new job as the first endpoint shows it, or as most do: by the word of one nobody is refused.
     *
     * @throws {Refused} if it cannot pay for a job
     */
    private usable({ balance, paid, refundAt, at }: ChannelSnapshot, vote: ChannelVote | undefined): ChannelSnapshot {
        const first = { balance, paid, refundAt, at };
        const refusal = this.refusalOf(first);
        if (refusal === undefined) {
            return first;
        }
        const ofOthers = (vote?.words ?? []).flatMap(({ snapshot }) => snapshot ?? []);
        const usable = ofOthers.filter((one) => this.refusalOf(one) === undefined);
        if (!this.floors.channels.isMajority(usable.length)) {
            throw refusal;
        }
        return usable.reduce((minimal, one) => (one.balance < minimal.balance ? one : minimal));
    }

    /** Why the channel of a new job cannot pay for one; undefined if it can. */
    private refusalOf({ balance, paid, refundAt, at }: ChannelSnapshot): Refused | undefined {
        const { marginSeconds } = this.context.config;
        const { minDeposit } = this.floors.costs;
        const objections: [boolean, string][] = [
            [paid > 0n, 'has paid vouchers of a job that is not known here'],
            [balance === 0n, 'is empty'],
            [balance < minDeposit, `holds less than ${minDeposit} nanoTON, the minimum deposit of this node`],
        ];
        const objection = objections.find(([applies]) => applies)?.[1];
        if (objection !== undefined) {
            return new Refused('wrong_channel', `The channel ${objection}`);
        }
        return refundAt - at <= marginSeconds
            ? new Refused('leaving', 'The channel can be refunded too soon')
            : undefined;
    }

    /** Why these terms are of another worker; undefined when they are not. */
    private objectionToParties(terms: Terms): string | undefined {
        const { config, payout, receiptKey } = this.context;
        const objections: [boolean, string][] = [
            [!terms.node.equals(config.node.hash), 'node is another'],
            [!terms.provider.equals(config.provider.hash), 'provider is another'],
            [!terms.receiptKey.equals(receiptKey.publicKey), "receipt key is not this node's"],
            [!terms.payout.equals(payout.hash), "payout is not this node's"],
            [isWeakKey(terms.voucherKey), 'voucher key is weak: anyone could sign for it'],
        ];
        return objections.find(([applies]) => applies)?.[1];
    }

    /** The offer that new terms take. Throws {@link Refused} if this worker takes no new job with them. */
    private offerFor(terms: Terms): Offer {
        const offers = this.context.offers.accepted().filter(({ model }) => modelHash(model).equals(terms.model));
        const offer = offers.find(({ rates }) => tokenKinds.every((kind) => rates[kind] === terms.rates[kind]));
        if (offer === undefined) {
            throw refusedTerms(offers.length === 0 ? 'model is not offered' : 'rates are not those of the offer');
        }
        refuseTerms(this.objectionTo(terms));
        return offer;
    }

    /** Why the rest of the terms does not fit; undefined when it does. */
    private objectionTo(terms: Terms): string | undefined {
        const { limits } = this.context.config;
        const { rates, step, maxParallel, maxAnswer, notice } = terms;
        const objections: [boolean, string][] = [
            [step < limits.minStep || step > limits.maxStep, 'step is outside the limits'],
            [!stepCarriesFrames(step, rates), 'step is too small for the rates'],
            [maxParallel < 1 || maxParallel > limits.maxParallel, 'maxParallel is outside the limits'],
            [maxAnswer < MIN_ANSWER || maxAnswer > limits.maxAnswer, 'largest answer is outside the limits'],
            [notice < limits.minNotice, 'notice is shorter than the limit'],
        ];
        return objections.find(([applies]) => applies)?.[1];
    }

    private hold(id: Buffer): Slot {
        const key = id.toString('hex');
        const slot = this.slots.get(key) ?? this.load(id, key);
        slot.users++;
        this.slots.delete(key); // and in again at the end, so that the map is in the order of use
        this.slots.set(key, slot);
        return slot;
    }

    /** A job that does not exist, or could not be read, is read again at its next use. */
    private load(id: Buffer, key: string): Slot {
        const forget = () => {
            if (this.slots.get(key) === slot) {
                this.slots.delete(key);
            }
        };
        const job = this.stored(id);
        const slot = { users: 0, job };
        job.then((record) => record ?? forget(), forget);
        return slot;
    }

    private async stored(id: Buffer): Promise<WorkerJob | undefined> {
        const { jobs } = this.context.store;
        let record = await jobs.get(id);
        if (record !== undefined && !(await this.context.processes.claimJob(record))) {
            record = await jobs.get(id);
        }
        if (record === undefined) {
            return undefined;
        }
        const job = new WorkerJob(this.context, record, termsFromBytes(record.terms), this.floors);
        job.damage = await damageOf(this.context, job);
        if (job.damage !== undefined) {
            const message = 'the store is damaged, so nothing is signed for this job: run cocoon worker restore';
            this.context.log.error({ ...job.logName, damage: job.damage }, message);
        }
        if (job.damage === FORGED_VOUCHER) {
            job.update({ voucher: undefined }); // a claim with it would cost fees for nothing
        }
        await this.recovery(job); // a job that is not in memory runs no query
        return job;
    }

    private dropIdle(): void {
        for (const [key, { users }] of this.slots) {
            if (this.slots.size <= MAX_IDLE) {
                return;
            }
            if (users === 0) {
                this.slots.delete(key);
            }
        }
    }
}

function refuseTerms(objection: string | undefined): void {
    if (objection !== undefined) {
        throw refusedTerms(objection);
    }
}

const refusedTerms = (objection: string) => new Refused('wrong_terms', `These terms are not served: ${objection}`);
