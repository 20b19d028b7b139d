// Longer than 350 lines because queries, money and session of one job change together.
/** One job in memory: its terms, the queries that may use its money, and the money it owes. */
import { type JobParameters, type SigningKey, type Terms, Verifier } from '@cocoon-market/wrappers';
import { Address } from '@ton/core';
import { JobState, openSession, RENT, Session, withProcess } from '../link';
import type { GatewayStore, JobChange, JobPhase, StoredEnding, StoredJob } from '../store/gateway';
import { BYTES } from '../tokens';
import type { PaidChannel } from './channels';
import type { JobLink } from '../payer/jobLink';
import type { JobParts } from './jobParts';
import type { Ledger } from '../payer/ledger';
import { JobMoney } from '../payer/money';
import { undeliveredObjection } from '../payer/stored';
import { NotStored } from './notStored';
import { requireMember } from './member';
import { lackOf, type OfferFacts, type Needs } from './needs';
import { type Nodes, NodeUnfit } from './nodes';
import { WorkerRefusal } from '../payer/workerErrors';

const MAX_HIGHEST = 0xff00_0000; // no job comes so far in its query numbers, and above it enough remain

interface Reservation {
    ceiling: bigint; // nanoTON
    lease: Lease | undefined;
    brokeOff: boolean; // nobody knows its ending, and its worker is asked for it
    received: number; // bytes of its answer that are kept meanwhile
    concurrent: number; // the most queries without an ending at one time, this one among them
    apiKey?: string | undefined; // name of the key that asked it
}

/**
 * A query's number and money. A job makes one for a new query ({@link GatewayJob.allocate}), or for a query that was
 * left without an ending ({@link GatewayJob.takeLease}). Only the task that holds it can book the ending.
 */
export class Lease {
    private ended = false;

    constructor(
        readonly job: GatewayJob,
        readonly number: number,
        readonly ceiling: bigint, // nanoTON
    ) {}

    /**
     * The query has an ending, durably, and its money is paid or free; a result is being paid. `cost`: nanoTON, of the
     * key that pays it. Throws {@link NotStored}.
     */
    async end(ending: StoredEnding, cost = this.costOf(ending)): Promise<void> {
        this.use();
        await this.store(ending, cost);
    }

    private async store(ending: StoredEnding, cost: bigint): Promise<void> {
        const { model, worker } = this.job.stored;
        const isUsed = ending.phase === 'result' || cost > 0n;
        const used = isUsed ? { model, worker, cost, tokens: ending.tokens } : undefined;
        await this.job.store.endQuery(this.job.number, this.number, { ...ending, used }).catch((error: unknown) => {
            throw new NotStored(() => this.store(ending, cost), error);
        });
        this.job.release(this);
        this.job.onEnded(this.number, cost, used);
        if (ending.phase === 'result') {
            this.job.money.payResult();
        }
    }

    // A refused receipt pays nothing more, and its meters may be paid already.
    private costOf({ phase, entry }: StoredEnding): bigint {
        const meter = phase === 'refused' ? this.job.ledger.meterOf(this.number) : 0n;
        return entry?.price ?? (meter < this.ceiling ? meter : this.ceiling);
    }

    /** The number was never sent: its money is free. */
    drop(): void {
        this.use();
        this.job.release(this);
    }

    /** The store did not take the query, so it was never sent: its money is free, and the budget of its key. */
    dropNotStored(): void {
        this.drop();
        this.job.onEnded(this.number, 0n);
    }

    private use(): void {
        if (this.ended) {
            throw new Error(`Query ${this.number} of job ${this.job.number} has ended already`);
        }
        this.ended = true;
    }
}

export class GatewayJob {
    readonly ledger: Ledger;
    readonly money: JobMoney;
    readonly channel: Address;
    readonly verifier: Verifier; // of the node's receipts
    readonly abandoned = new AbortController(); // cuts every running query when the node broke the protocol
    readonly key: SigningKey;
    readonly worker: JobLink;
    readonly store: GatewayStore;
    readonly onEnded: JobParts['onEnded'];
    running = 0; // queries
    silent = 0; // of them that their node does not begin, and whose apps have gone
    usedAt: number; // unix seconds, of the last query; or when this process took the job up
    session: Session | undefined; // undefined until the worker knows the job
    isComplete = false; // true once it is known that the store has every result that the worker has sent
    untakenSince: number | undefined; // unix seconds, since its node did not take it when it was opened, until it does
    isFirstShown = false; // to its worker, which may not see the channel yet: nobody else shows it meanwhile
    refusals = 0; // without signature, since the last result
    private readonly now: () => number;
    private listing: OfferFacts | undefined; // of the node, for the job's model; with the tokenizer of the job
    /**
     * Set when the job is opened, or loaded with queries, else when its worker says it first. By bytes a node may bill
     * several times as much.
     */
    countedBy: string | undefined;
    private attestedUntil = 0; // unix seconds, of the session's key
    private readonly reservations = new Map<number, Reservation>(); // of queries without an ending, by number
    private highest = 0; // number ever used
    private connecting: Promise<JobState> | undefined;
    private readonly idle: (() => void)[] = [];
    private wakeAll: () => void = () => undefined;
    private nextWake: Promise<void> | undefined;

    constructor(
        readonly stored: StoredJob,
        private readonly nodes: Pick<Nodes, 'sealingKey' | 'noteProcesses'>,
        parts: JobParts,
    ) {
        this.now = parts.now;
        this.usedAt = this.now();
        this.key = parts.key;
        this.worker = parts.worker;
        this.store = parts.store;
        this.onEnded = parts.onEnded;
        this.channel = new Address(0, stored.channel);
        this.verifier = new Verifier(stored.terms.receiptKey);
        this.money = new JobMoney(stored, { ...parts, requireMember: () => requireMember(parts.store) });
        this.ledger = this.money.ledger;
    }

    /** False if the node says that it does not do something that a request needs. */
    serves(needed: Needs): boolean {
        return this.listing === undefined || lackOf(this.listing, needed) === undefined;
    }

    /** The node lists something else now: whoever asks for that needs no other job there. */
    relist(listing: OfferFacts): void {
        if (this.listing !== undefined) {
            this.listing = { ...listing, tokenizer: this.listing.tokenizer };
        }
    }

    /** The tokenizer by which this job is counted: the one that the node listed when it took the job. */
    get tokenizer(): string {
        return this.countedBy ?? BYTES;
    }

    get number(): number {
        return this.stored.number;
    }

    get terms(): Terms {
        return this.stored.terms;
    }

    get phase(): JobPhase {
        return this.stored.phase;
    }

    /** What the channel was deployed with. */
    get parameters(): JobParameters {
        const { end, notice, voucherKey, payout } = this.terms;
        return { job: this.number, end, notice, voucherKey, payout };
    }

    /** The channel, and the most it can have paid: what the newest voucher says, while this store has that one. */
    get paidChannel(): PaidChannel {
        const { stored, ledger, channel, money } = this;
        const hasNewest = stored.found !== true && money.signingStop === undefined;
        return { channel, maxPaid: hasNewest ? ledger.voucher.cumulative : undefined };
    }

    /** nanoTON that a new query may reserve. */
    get available(): bigint {
        const remaining = this.unspent - this.ceilings(() => true);
        return remaining > 0n ? remaining : 0n;
    }

    /** nanoTON that queries could reserve if none did now. */
    get unspent(): bigint {
        const { cumulative } = this.ledger.voucher;
        const used = cumulative > this.ledger.results ? cumulative : this.ledger.results;
        return this.stored.funds - RENT - used;
    }

    /** nanoTON that queries reserve whose connection ended, until their worker gives their endings. */
    get withheld(): bigint {
        return this.ceilings((one) => one.brokeOff);
    }

    /** How many queries have no ending since their connection ended. */
    get brokenOff(): number {
        let count = 0;
        for (const { brokeOff } of this.reservations.values()) {
            count += brokeOff ? 1 : 0;
        }
        return count;
    }

    /** How many queries of an API key run. */
    runningOf(apiKey: string): number {
        let count = 0;
        for (const one of this.reservations.values()) {
            count += one.apiKey === apiKey && !one.brokeOff ? 1 : 0;
        }
        return count;
    }

    /** nanoTON that running queries of an API key reserve. */
    reservedBy(apiKey: string): bigint {
        return this.ceilings((one) => one.apiKey === apiKey && !one.brokeOff);
    }

    /** Bytes of answers whose connection ended, which are kept until their worker gives their endings. */
    get keptBytes(): number {
        let sum = 0;
        for (const { received } of this.reservations.values()) {
            sum += received;
        }
        return sum;
    }

    private ceilings(of: (reservation: Reservation) => boolean): bigint {
        let sum = 0n;
        for (const reservation of this.reservations.values()) {
            sum += of(reservation) ? reservation.ceiling : 0n;
        }
        return sum;
    }

    /** nanoTON of the job that no answer has cost yet. */
    get balance(): bigint {
        const { cumulative } = this.ledger.voucher;
        const used = cumulative > this.ledger.results ? cumulative : this.ledger.results;
        return this.stored.funds > used ? this.stored.funds - used : 0n;
    }

    /** Numbers of queries without an ending, running or lost on the wire. */
    get unfinished(): number[] {
        return [...this.reservations.keys()];
    }

    /** True while questions may be sealed to the session's key. */
    isConnected(now: number): boolean {
        return this.session !== undefined && this.attestedUntil > now;
    }

    /** True if its worker has not taken it, as far as this process knows, and nothing was asked in it. */
    get isUntaken(): boolean {
        return this.session === undefined && this.highest === 0;
    }

    /** A new query of the next number, which is above every number that gateway or worker ever used. */
    allocate(ceiling: bigint, apiKey?: string): Lease {
        this.highest += 1;
        const lease = new Lease(this, this.highest, ceiling);
        this.addReservation(this.highest, { ceiling, lease, brokeOff: false, received: 0, apiKey });
        return lease;
    }

    /** Reserves the money of a query that was running when the gateway ended; its lease is still free. */
    reserve(number: number, ceiling: bigint): void {
        this.raiseHighest(number);
        this.addReservation(number, { ceiling, lease: undefined, brokeOff: true, received: 0 });
    }

    private addReservation(number: number, reservation: Omit<Reservation, 'concurrent'>): void {
        this.reservations.set(number, { ...reservation, concurrent: 0 });
        for (const one of this.reservations.values()) {
            one.concurrent = Math.max(one.concurrent, this.reservations.size);
        }
    }

    /** Why the result of a query whose connection ended is refused, see {@link undeliveredObjection}. */
    excessObjection({ number }: Lease, price: bigint): string | undefined {
        const concurrent = this.reservations.get(number)?.concurrent ?? 1;
        return undeliveredObjection(this.ledger, { number, price }, { step: this.terms.step, concurrent });
    }

    /** The lease of a query without an ending; undefined if another task has it or the query has ended. */
    takeLease(number: number): Lease | undefined {
        const reservation = this.reservations.get(number);
        if (reservation === undefined || reservation.lease !== undefined) {
            return undefined;
        }
        return (reservation.lease = new Lease(this, number, reservation.ceiling));
    }

    /** Nobody asks for the ending of a query any more, and what came of its answer may be forgotten. */
    returnLease(number: number): void {
        const reservation = this.reservations.get(number);
        if (reservation !== undefined) {
            Object.assign(reservation, { lease: undefined, received: 0 });
        }
    }

    /** The connection of a query ended before its ending came, after so many bytes of its answer. */
    noteBrokenOff(number: number, received: number): void {
        const reservation = this.reservations.get(number);
        if (reservation !== undefined) {
            Object.assign(reservation, { brokeOff: true, received });
        }
    }

    /** No number up to this one is used again. */
    raiseHighest(number: number): void {
        this.highest = Math.max(this.highest, number);
    }

    /** The lease's query has an ending: its money is paid or free. */
    release({ number }: Lease): void {
        this.reservations.delete(number);
    }

    /** Counts a running query. The caller sees to it that no more run than the terms allow. */
    begin(): void {
        this.usedAt = this.now();
        this.running++;
    }

    end(): void {
        this.running--;
        if (this.running === 0) {
            this.idle.splice(0).forEach((resolve) => resolve());
        }
    }

    /** Resolves when no query runs. */
    whenIdle(): Promise<void> {
        return this.running === 0 ? Promise.resolve() : new Promise((resolve) => this.idle.push(resolve));
    }

    async change(change: JobChange): Promise<void> {
        if (change.phase === 'ended' && this.phase !== 'ended') {
            await this.releaseUnfinished();
        }
        const stored = Object.fromEntries(Object.keys(change).map((key) => [key, this.stored[key as keyof JobChange]]));
        Object.assign(this.stored, change);
        try {
            await this.store.changeJob(this.stored.channel, change);
        } catch (error) {
            Object.assign(this.stored, stored);
            throw error;
        }
    }

    /**
     * The account is gone, so nothing more is paid for queries without an ending: the keys that pay them owe what was
     * paid, and get back the rest. The queries themselves stay, because an accept without an ending is evidence.
     */
    private async releaseUnfinished(): Promise<void> {
        const { model, worker } = this.stored;
        for (const number of this.unfinished) {
            const cost = this.ledger.paidFor(number);
            const used = cost > 0n ? { model, worker, cost } : undefined;
            await this.store.releaseQuery(this.number, number, used);
            this.onEnded(number, cost, used);
        }
    }

    /**
     * Shows the job to its worker and begins a session; takes over what the worker knows better. One session begins at
     * a time, because a worker keeps only the newest one of a job.
     *
     * @throws NodeUnfit, WorkerRefusal, WorkerDown, or an Error of the chain
     */
    connect(): Promise<JobState> {
        return (this.connecting ??= this.connectNow().finally(() => (this.connecting = undefined)));
    }

    /** Resolves at the next {@link wake}. */
    woken(): Promise<void> {
        return (this.nextWake ??= new Promise((resolve) => (this.wakeAll = resolve)));
    }

    /** The worker may answer now: those who wait to ask it again do so at once. */
    wake(): void {
        this.nextWake = undefined;
        this.wakeAll();
    }

    /** Stored, because a restart may not find the process that the worker's URL leads to. */
    private async noteProcesses(processes: string[]): Promise<void> {
        this.nodes.noteProcesses(this.stored.worker, processes);
        const last = this.stored.processes ?? [];
        if (processes.length !== last.length || processes.some((url, i) => url !== last[i])) {
            await this.change({ processes });
        }
    }

    private async connectNow(): Promise<JobState> {
        const { hash, terms } = this.stored;
        const { key, until, wire, listing } = await this.nodes.sealingKey(this.stored.worker, this.stored, () =>
            this.worker.node(),
        );
        const session = await openSession(key, { job: hash, wire });
        const state = await this.worker.register({
            terms,
            jobNumber: this.number,
            job: hash,
            enc: session.enc,
            wire,
            key: this.key,
            newest: await this.store.newestReceipts(this.number),
        });
        if (!state.job.equals(hash) || state.highest > MAX_HIGHEST) {
            throw new WorkerRefusal('unknown', 200, 'it answers for another job, or leaves it no numbers');
        }
        if (state.tokenizer !== (this.countedBy ??= state.tokenizer)) {
            throw new NodeUnfit(`${this.stored.worker} counts the job by another tokenizer than it listed`);
        }
        await this.noteProcesses(state.processes);
        if (state.voucher !== null) {
            await this.money.adopt(state.voucher);
        }
        this.money.noteTaken(state.voucher);
        this.raiseHighest(state.highest);
        this.session = withProcess(session, state.boot);
        this.untakenSince = undefined;
        this.attestedUntil = until;
        this.listing = { ...listing, tokenizer: state.tokenizer };
        this.wake();
        return state;
    }
}
