/**
 * What a worker keeps: its jobs, the newest voucher of each, and every query with its receipts and answer bytes. A
 * promise of a write resolves only when the write is on the disk, so whatever it holds may be sent.
 */
import type { SignedVoucher, TokenCounts } from '@cocoon-market/wrappers';

/** `ending`: the client needs it no more; `ended`: its channel is gone, as far as the chain's API tells. */
export type JobStage = 'open' | 'ending' | 'ended';

/** A job's channel as it was last seen on chain. */
export interface ChannelSnapshot {
    balance: bigint; // nanoTON
    paid: bigint; // nanoTON
    refundAt: number; // unix seconds
    at: number; // unix seconds
}

export interface JobInsert {
    job: Buffer; // 32 bytes
    channel: Buffer; // account
    terms: Buffer; // bag of cells
    jobNumber: number; // the escrow's
    enc: Buffer; // of the newest session
    snapshot: ChannelSnapshot;
}

export interface JobRecord extends JobInsert {
    state: JobStage;
    highest: number; // query number, 0 for none
    lowWater: number; // numbers up to this one are used, whether or not their records are still here
    index: number; // of the newest result
    cumulative: bigint; // nanoTON of all results
    voucher: SignedVoucher | undefined; // the newest
    confirmedPaid: bigint; // nanoTON that the channel has paid, as the chain's API has said again and again
    closingAt: number; // unix seconds when the last claim was handed to the wallet, 0 if none was
}

/** The receipt that ended a query. */
export type EndKind = 'result' | 'decline' | 'fail';

export interface QueryRecord {
    job: Buffer;
    number: number;
    request: Buffer; // hash
    ceiling: bigint; // nanoTON
    promptBytes: number;
    accept: Buffer | undefined; // receipt; none for a declined query
    end: { kind: EndKind; receipt: Buffer } | undefined;
    counts: TokenCounts; // the meter of what is stored
    promptKnown: boolean; // the meter holds the prompt's count
}

export interface NewQuery {
    job: Buffer;
    number: number;
    request: Buffer;
    ceiling: bigint;
    promptBytes: number;
    accept: Buffer;
}

/** More bytes of an answer and the meter that covers them. */
export interface Piece {
    job: Buffer;
    number: number;
    bytes: Buffer;
    counts: TokenCounts;
    promptKnown: boolean;
}

/** The end of an accepted query. `result` moves the job's index to `index`, which must be the next one. */
export type QueryEnd = { job: Buffer; number: number; receipt: Buffer } & (
    { kind: 'fail' } | { kind: 'result'; bytes: Buffer; counts: TokenCounts; index: number; cumulative: bigint }
);

/** A fail of a query that somebody else accepted in this node's name. */
export interface Denial {
    job: Buffer;
    number: number;
    request: Buffer; // hash
    receipt: Buffer;
}

export interface WorkerTotals {
    jobs: Record<JobStage, number>;
    results: number;
    earned: bigint; // nanoTON of all results
    unclaimed: bigint; // nanoTON of vouchers above what channels have paid
}

/**
 * A demand or a case about a query of this node. `open`: its Dispute is not there yet, or open; `absent`: none came to be;
 * the others are how it ended.
 */
export type CaseStanding = 'open' | 'innocent' | 'guilty' | 'draw' | 'absent';

export interface CaseRecord {
    dispute: Buffer; // account
    class: 'A3' | 'B1';
    job: Buffer;
    number: number;
    reportedAt: number; // unix seconds
    answerBy: number; // unix seconds, 0 until the Dispute was read
    standing: CaseStanding;
}

/** What the worker found of cases on chain. */
export interface CaseStore {
    /** The logical time up to which the node's messages were read, 0 at first. */
    readUntil(): Promise<bigint>;
    /** Keeps cases that were found, those known already as they are but for absent ones, and that messages were read until `lt`. */
    found(cases: Omit<CaseRecord, 'answerBy' | 'standing'>[], lt: bigint): Promise<void>;
    set(dispute: Buffer, change: Partial<Pick<CaseRecord, 'answerBy' | 'standing'>>): Promise<void>;
    open(): Promise<CaseRecord[]>;
}

/** This store may not be the newest that its receipt key has used, so the key must not sign with it. */
export class StaleStore extends Error {
    constructor(message: string) {
        super(
            `${message}. It may have signed what this store does not know, and must sign no more: cocoon worker restore`,
        );
        this.name = 'StaleStore';
    }
}

/** One conformance suite (tests/offchain/store/conformance.ts) says what every implementation does. */
export interface WorkerStore {
    job(job: Buffer): Promise<JobRecord | undefined>;
    jobOfChannel(channel: Buffer): Promise<JobRecord | undefined>;
    /**
     * At most `limit` jobs that have vouchers above what is surely paid, or are ending, in the order of their hashes, after
     * `after`.
     */
    claimable(after: Buffer | undefined, limit: number): Promise<JobRecord[]>;
    /**
     * The same of jobs that have ended since `since` (unix seconds): by a last claim of this worker (`own`), as far as it was
     * told, or by none.
     */
    lost(own: boolean, since: number, after: Buffer | undefined, limit: number): Promise<JobRecord[]>;
    totals(): Promise<WorkerTotals>;
    /** Throws when the job or its channel is there already. */
    addJob(job: JobInsert): Promise<void>;
    setSession(job: Buffer, enc: Buffer): Promise<void>;
    setSnapshot(job: Buffer, seen: ChannelSnapshot): Promise<void>;
    /** `paid`: nanoTON that the channel has surely paid. */
    setConfirmedPaid(job: Buffer, paid: bigint): Promise<void>;
    /** `at`: unix seconds when the jobs' last claims are handed to the wallet, 0 when a channel is still there long after. */
    setClosing(jobs: readonly Buffer[], at: number): Promise<void>;
    /** Never leads back from `ended`, which `revive` alone does; `at` (unix seconds) is when it was found. */
    setState(job: Buffer, state: JobStage, at: number): Promise<void>;
    /** Opens a job again that ended and whose channel is there; one that was to end goes on to. */
    revive(job: Buffer, state: Exclude<JobStage, 'ended'>, seen: ChannelSnapshot): Promise<void>;
    /** Keeps the voucher unless it is below the one kept in either number; says whether it did. */
    addVoucher(job: Buffer, voucher: SignedVoucher): Promise<boolean>;

    query(job: Buffer, number: number): Promise<QueryRecord | undefined>;
    answer(job: Buffer, number: number): Promise<Buffer>;
    /** At most `limit` accepted queries without an end, by job and number, after `after`. */
    unended(limit: number, after?: { job: Buffer; number: number }): Promise<QueryRecord[]>;
    /** Throws when the number was used. */
    accept(query: NewQuery): Promise<void>;
    /** Throws when the number was used. */
    decline(query: { job: Buffer; number: number; request: Buffer; receipt: Buffer }): Promise<void>;
    append(piece: Piece): Promise<void>;
    /** Throws when the query has an end, or a result's index is not the next. */
    end(end: QueryEnd): Promise<void>;
    /**
     * Keeps a fail of a query that this store never accepted; its number is used then, whether or not the job is known.
     * Throws when the store knows that the query was accepted, or may have forgotten it.
     */
    deny(denial: Denial): Promise<void>;
    /** The fail that {@link deny} kept. */
    denial(query: Omit<Denial, 'receipt'>): Promise<Buffer | undefined>;
    readonly cases: CaseStore;
    /**
     * Drops queries and answers of jobs that were seen to have ended before `before` (unix seconds) and have no open case,
     * so that they are in none of the store's files any more; says of how many jobs.
     */
    prune(before: number): Promise<number>;
    /**
     * To be called before the key (32 bytes) signs: from now on the file at `mark` keeps up with what this store holds.
     *
     * @throws {StaleStore} if the key was retired here, or the file says that it used a newer store or another one
     */
    guard(receiptKey: Buffer, mark: string): Promise<void>;
    /** The key signs with this store no more. */
    retire(receiptKey: Buffer): Promise<void>;
    close(): Promise<void>;
}
