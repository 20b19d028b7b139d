/**
 * The store of a worker: its jobs, the newest voucher of each, and every query with its receipts and answer bytes. The
 * promise of a write resolves when the write is on the disk, so what it holds may be sent.
 */
import type { JudgedClass, SignedVoucher, TokenCounts } from '@cocoon-market/wrappers';
import type { Cluster } from './cluster';
import type { EarningsStore } from './earnings';
import type { JobSums } from './jobSums';
import type { WalletStore } from './wallet';

/**
 * `ending`: the client no longer needs the job; `ended`: its channel no longer exists, as far as the chain's API shows.
 */
export type JobStage = 'open' | 'ending' | 'ended';

/** A job's channel as it was last read from the chain. */
export interface ChannelSnapshot {
    balance: bigint; // nanoTON
    paid: bigint; // nanoTON
    refundAt: number; // unix seconds
    at: number; // unix seconds
}

export interface JobInsert {
    job: Buffer; // 32 bytes
    channel: Buffer; // account
    terms: Buffer; // see termsBytes of the wrappers
    client: string; // raw address of the escrow of the terms
    model: string; // name of the model of the terms
    tokenizer: string; // that counts what no server counts, as offered when the job was taken
    jobNumber: number; // of the escrow
    enc: Buffer; // of the newest session
    wire: string; // version of the wire in that session
    snapshot: ChannelSnapshot;
}

export interface JobRecord extends JobInsert {
    member: number; // of the cluster, which alone changes the job
    state: JobStage;
    highest: number; // query number, 0 for none
    lowWater: number; // numbers up to this one are used, whether or not their records are still stored
    index: number; // of the newest result
    cumulative: bigint; // nanoTON of all results
    voucher: SignedVoucher | undefined; // the newest
    confirmedPaid: bigint; // nanoTON that the channel has paid, confirmed by several readings
    lastClaimAt: number; // unix seconds when the last claim was handed to the wallet, 0 for none
    lastClaimPaid: bigint; // nanoTON that the channel has paid in all after that claim
    claimed: bigint; // nanoTON of its confirmed claims
    unclaimedSince: number; // unix seconds of the first voucher after everything was paid, or of the last claim
}

/** A page of jobs of this process: at most `limit`, in the order of their hashes, later than `cursor`. */
export interface JobPage {
    cursor?: Buffer | undefined;
    limit: number;
    /** Also those of other members of the cluster. */
    ofAll?: boolean;
    onDamaged?: OnDamaged | undefined;
}

/** Called for each job whose row cannot be read, which is then left out. Without it, such a row is an error. */
export type OnDamaged = (job: Buffer, error: unknown) => void;

/** The place of an ended job in the order of ends. `at`: unix seconds. */
export interface EndCursor {
    at: number;
    job: Buffer;
}

export interface LostPage {
    byLastClaim: boolean;
    since: number;
    cursor: EndCursor | undefined;
    limit: number;
    onDamaged?: OnDamaged | undefined;
}

/** A job whose last claim is handed to the wallet. `paidAfter`: nanoTON that its channel will have paid in all. */
export interface LastClaim {
    job: Buffer;
    paidAfter: bigint;
}

/** Scans find the jobs of this process. `get`, `ofChannel`, `best` and `lastEnd` find those of the whole cluster. */
export interface JobStore {
    get(job: Buffer): Promise<JobRecord | undefined>;
    ofChannel(channel: Buffer): Promise<JobRecord | undefined>;
    /** At most `limit` jobs that have not ended: those that earned the most, the best first. */
    best(limit: number): Promise<JobRecord[]>;
    /** Jobs whose client may still need them. */
    open(page: JobPage): Promise<JobRecord[]>;
    /** Jobs that are ending, or have vouchers above what the channel has confirmed to have paid. */
    claimable(page: JobPage): Promise<JobRecord[]>;
    /** Open jobs that are not claimable, and could be refunded before `at` (unix seconds). */
    overdue(page: JobPage, at: number): Promise<JobRecord[]>;
    /**
     * Jobs that have ended since `since` (unix seconds) with vouchers above what the channel has confirmed to have
     * paid, at most `limit` in the order of their ends, later than `cursor`. `byLastClaim`: those that a last claim of
     * this worker has ended, or those that it has not.
     */
    lost(search: LostPage): Promise<JobRecord[]>;
    /** Unix seconds when the last of the jobs ended whose answers are still stored; undefined if there is none. */
    lastEnd(): Promise<number | undefined>;
    /** Throws when the job or its channel exists already. */
    add(job: JobInsert): Promise<void>;
    setSession(job: Buffer, session: Pick<JobRecord, 'enc' | 'wire'>): Promise<void>;
    setSnapshot(job: Buffer, snapshot: ChannelSnapshot): Promise<void>;
    /** Stores what the channel has paid, and the confirmed claim that follows. `at`: unix seconds of the reading. */
    setConfirmedPaid(job: Buffer, paid: bigint, at: number): Promise<void>;
    /**
     * `at`: unix seconds when the jobs' last claims are handed to the wallet; 0 when a channel still exists long after.
     */
    setLastClaims(claims: readonly LastClaim[], at: number): Promise<void>;
    /**
     * Changes nothing for an ended job, which `revive` alone reopens. `at`: unix seconds when the change was found.
     * `ended` confirms a last claim of this worker. Resolves with false if that claim came too late: the movements of
     * the wallet show that its channel did not pay. Then the job has no last claim.
     */
    setState(job: Buffer, state: JobStage, at: number): Promise<boolean>;
    /** Reopens an ended job whose channel exists; `ending` if it was to end. Its last claim was none. */
    revive(job: Buffer, state: Exclude<JobStage, 'ended'>, snapshot: ChannelSnapshot): Promise<void>;
    /**
     * Stores the voucher unless one of its numbers is lower than the stored one's. Resolves with whether it did. `at`:
     * unix seconds.
     */
    addVoucher(job: Buffer, voucher: SignedVoucher, at: number): Promise<boolean>;
}

/** Identifies a query. */
export interface QueryId {
    job: Buffer;
    number: number;
}

/** The receipt that ended a query. */
export type EndKind = 'result' | 'decline' | 'fail';

export interface NewQuery extends QueryId {
    request: Buffer; // hash
    ceiling: bigint; // nanoTON
    promptEstimate: number; // tokens
    accept: Buffer; // receipt
}

export interface QueryRecord extends Omit<NewQuery, 'accept'> {
    accept: Buffer | undefined; // receipt; none for a declined query
    end: { kind: EndKind; receipt: Buffer } | undefined;
    counts: TokenCounts; // the meter of what is stored
    promptKnown: boolean; // the meter holds the prompt's count
}

/** More bytes of an answer and the meter that covers them. */
export interface Piece extends QueryId {
    bytes: Buffer;
    counts: TokenCounts;
    promptKnown: boolean;
}

/** The result that ends an accepted query. Its price joins the earnings of the day of `finishedAt`. */
export interface ResultEnd {
    kind: 'result';
    bytes: Buffer;
    counts: TokenCounts;
    index: number; // of the job, must be the next one
    cumulative: bigint; // nanoTON of all results of the job
    finishedAt: number; // unix seconds
}

/** The end of an accepted query. */
export type QueryEnd = QueryId & { receipt: Buffer } & ({ kind: 'fail' } | ResultEnd);

/**
 * A query that is not served: the receipt is its decline, or the fail of one that another holder of the key accepted.
 */
export interface UnservedQuery extends QueryId {
    request: Buffer; // hash
    receipt: Buffer;
}

export interface QueryStore {
    get(query: QueryId): Promise<QueryRecord | undefined>;
    /** What is stored of an answer, up to a piece that a disk has lost. */
    answer(query: QueryId): Promise<Buffer>;
    /** At most `limit` accepted queries of this process without an end, by job and number, later than `cursor`. */
    unended(limit: number, cursor?: QueryId): Promise<QueryRecord[]>;
    /** The accepted queries of a job without an end, by number. */
    unendedOf(job: Buffer): Promise<QueryRecord[]>;
    /** The receipt of the job's result of the highest index. */
    newestResult(job: Buffer): Promise<Buffer | undefined>;
    /** How many results of the job are stored, or of them those up to an index. */
    countResults(job: Buffer, maxIndex?: number): Promise<number>;
    /** Throws when the number was used. */
    accept(query: NewQuery): Promise<void>;
    /** Throws when the number was used. */
    decline(query: UnservedQuery): Promise<void>;
    append(piece: Piece): Promise<void>;
    /** Throws when the query has an end, or a result's index is not the next. */
    end(end: QueryEnd): Promise<void>;
    /**
     * Stores a fail of a query that this store never accepted. Its number is then used, whether or not the job is
     * known. Throws when the store accepted the query, or may have deleted it.
     */
    deny(denial: UnservedQuery): Promise<void>;
    /** The fail that {@link deny} stored. */
    denial(query: Omit<UnservedQuery, 'receipt'>): Promise<Buffer | undefined>;
}

/**
 * The state of a demand or case about a query of this node. `open`: its Dispute does not exist yet, or is open;
 * `absent`: it never came to exist; the others are its outcome.
 */
export type CaseStanding = 'open' | 'innocent' | 'guilty' | 'draw' | 'absent';

export interface CaseRecord {
    dispute: Buffer; // account
    class: JudgedClass;
    job: Buffer;
    number: number;
    reportedAt: number; // unix seconds
    answerBy: number; // unix seconds, 0 until the Dispute was read
    standing: CaseStanding;
}

/** A case that a message of the provider announces. */
export interface NewCase extends Omit<CaseRecord, 'answerBy' | 'standing'> {
    follows?: boolean; // its account follows from the rest, so another case of this account was made up
}

/** The cases about this node on chain. */
export interface CaseStore {
    /** The logical time up to which the provider's messages were read, 0 at first. */
    cursor(): Promise<bigint>;
    /**
     * Stores new cases, reopens absent ones, and moves the cursor to `lt`. A case that follows takes the place of one
     * with its account that was made up. Other known cases do not change.
     */
    add(cases: NewCase[], lt: bigint): Promise<void>;
    set(dispute: Buffer, change: Partial<Pick<CaseRecord, 'answerBy' | 'standing'>>): Promise<void>;
    open(): Promise<CaseRecord[]>;
}

/** Of all jobs that were ever served. */
export interface WorkerTotals extends Pick<JobSums, 'results' | 'earned' | 'unclaimed' | 'confirming' | 'claimed'> {
    jobs: Record<JobStage, number>;
}

/** This store may not be the newest that its receipt key has used, so the key must not sign with it. */
export class StaleStore extends Error {
    constructor(reason: string) {
        super(
            `${reason}. The key may have signed what this store does not hold, so it must not sign: cocoon worker restore`,
        );
        this.name = 'StaleStore';
    }
}

/** Every implementation passes one suite, tests/offchain/store/conformance.ts. */
/** `paused`: no new jobs and queries; `draining`: also, jobs are ended as soon as nothing of them runs. */
export type IntakeMode = 'open' | 'paused' | 'draining';

export interface WorkerStore {
    /** This process among those that share the store. */
    readonly cluster: Cluster;
    readonly jobs: JobStore;
    readonly queries: QueryStore;
    readonly cases: CaseStore;
    readonly earnings: EarningsStore;
    readonly wallet: WalletStore;
    totals(): Promise<WorkerTotals>;
    /**
     * Takes the jobs of a process that stopped. From then on that process commits nothing. False if it lives again, or
     * another process was faster.
     *
     * @throws {StaleStore} as {@link followOthers}
     */
    takeOver(member: number): Promise<boolean>;
    /** Takes a job that a takeover left behind, because it had ended and was paid. False if another process has it. */
    adopt(job: Buffer, member: number): Promise<boolean>;
    /** What the operator has the worker take; `open` unless it says something else. */
    intake(): Promise<IntakeMode>;
    setIntake(mode: IntakeMode): Promise<void>;
    /**
     * Deletes queries and answers of jobs that ended before `endedBefore` (unix seconds) and have no open case, so that
     * no file of the store holds them. Resolves with the number of these jobs.
     */
    prune(endedBefore: number): Promise<number>;
    /** Bytes that new answers take before they need more of this machine's disk, because others were deleted there. */
    reusableBytes(): number;
    /**
     * Must be called before the key (32 bytes) signs. From then on the file at `mark` follows what this store holds.
     *
     * @throws {StaleStore} if the key was retired here, or the file shows that the key used a newer store or another
     * one
     */
    guard(receiptKey: Buffer, mark: string): Promise<void>;
    /**
     * Has the file of {@link guard} follow what the other processes of the cluster have signed.
     *
     * @throws {StaleStore} if the store has less than the file says, or the key was retired: this process must end
     */
    followOthers(): Promise<void>;
    /** The key no longer signs with this store. */
    retire(receiptKey: Buffer): Promise<void>;
    close(): Promise<void>;
}
