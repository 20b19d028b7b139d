/** What the gateway must not forget: its jobs, its vouchers, every query's number and how it ended. */
import type { SignedVoucher, Terms, TokenCounts } from '@cocoon-market/wrappers';
import type { HeldLease } from './cluster';
import type { PeopleStore, UsedQuery } from './people';
import type { RequestClaims } from './requestClaims';

/**
 * `ordered`: the order is on disk and may be on its way; `open`: the channel exists; `settling`: the worker was asked
 * to end it; `leaving`: the client leaves, pays no more, and waits for the refund; `settled`: the worker was paid all;
 * `ended`: the account no longer exists; `failed`: the order was not taken.
 */
export type JobPhase = 'ordered' | 'open' | 'settling' | 'leaving' | 'settled' | 'ended' | 'failed';

/** One job and the order that opens it. */
export interface StoredJob {
    number: number; // see jobNumber() of the wrappers
    phase: JobPhase;
    model: string;
    worker: string; // URL
    tier: string; // of attestation
    channel: Buffer; // account
    hash: Buffer; // what names the job in receipts
    terms: Terms;
    deposit: bigint; // nanoTON
    funds: bigint; // nanoTON, balance + paid as the chain said
    validUntil: number; // unix seconds, of the order
    createdAt: number; // unix seconds
    voucher: SignedVoucher | null; // the newest
    note: string; // why it is in this phase
    breachAt?: number | null; // unix seconds when its node broke the protocol
    processes?: string[] | undefined; // URLs of the worker's processes, as it last said; the one that has the job first
    found?: boolean; // on chain, by a store that did not know it: others may have vouchers of it
    member?: number; // the process that has the job; the store sets it
}

/** What of a job changes. */
export type JobChange = Partial<Pick<StoredJob, 'phase' | 'funds' | 'note' | 'breachAt' | 'processes'>>;

/** `open`: without an ending; `void`: the worker never took it; `refused`: its receipt broke the protocol. */
export type QueryPhase = 'open' | 'result' | 'fail' | 'decline' | 'void' | 'refused';

/** One query, from the moment before it is sent until it has an ending. */
export interface StoredQuery {
    job: number;
    number: number;
    salt: Buffer;
    commitment: Buffer;
    secret: Buffer | null; // opens request and answer; forgotten when the query ends
    request: Buffer; // hash
    ceiling: bigint; // nanoTON
    promptBound: number; // tokens
    stopBound: number; // tokens
    tokenizer: string; // that counts the answer
    askedAt: number; // unix seconds
    apiKey?: string; // name of the key that pays it
}

/** What it takes to open a query to somebody else. */
export interface WholeQuery {
    session: Buffer;
    salt: Buffer;
    commitment: Buffer;
    secret: Buffer;
    sealed: Buffer; // the request
    answer: Buffer; // as it came
    result: Buffer; // receipt
}

/** What the node signed of one query. It is evidence, so it stays as long as the store. */
export interface StoredReceipts {
    number: number;
    phase: QueryPhase;
    accept: Buffer | null;
    receipt: Buffer | null; // that ended it, also one that was refused
}

/** A query and what the node signed of it. */
export interface StoredAnswer extends StoredReceipts {
    request: Buffer; // hash
    ceiling: bigint; // nanoTON
    promptBound: number; // tokens
    stopBound: number; // tokens
    tokenizer: string;
    askedAt: number; // unix seconds
    index: number | null; // of a result
}

/** How a query ended. */
export interface StoredEnding {
    phase: Exclude<QueryPhase, 'open'>;
    accept?: Buffer;
    receipt?: Buffer; // result, fail, decline, or what was refused
    entry?: { index: number; price: bigint; cumulative: bigint };
    answer?: Buffer; // of a result; stored only if the whole query is
    tokens?: TokenCounts; // as the result says
    used?: UsedQuery; // of a query that cost something or has a result
    breach?: { at: number; reason: string }; // why the receipt is refused; the job is left in the same transaction
}

/** A job that its node ended before it was worth its opening. */
export interface Setback {
    job: number;
    worker: string; // URL
    node: Buffer; // account
    cause: string;
    at: number; // unix seconds
}

/**
 * Everything durable of a gateway; each promise resolves after its COMMIT. Several processes may share a database. Each
 * is a member with a number, and each job is one member's: only that one signs its vouchers and numbers its queries.
 */
export interface GatewayStore extends PeopleStore {
    /** Which process answers a request; left out if this one has the store alone. */
    readonly claims?: RequestClaims | undefined;
    /**
     * Moves the unended jobs of a lapsed member to this one; resolves with them. None if that member lives again, or
     * another was faster.
     */
    takeOver(member: number): Promise<StoredJob[]>;
    /**
     * Stores an order of this process before it is sent. Its channel's address tells it from an earlier order of the
     * same seqno. `lease`: of the escrow's orders; without it nothing is stored.
     */
    addJob(job: StoredJob, lease?: HeldLease): Promise<void>;
    changeJob(channel: Buffer, change: JobChange): Promise<void>;
    /** Every job that was ever ordered, by number, of all processes. */
    jobs(): Promise<StoredJob[]>;
    /** The jobs of this process that have not ended, by number; among them those whose order failed. */
    unended(): Promise<StoredJob[]>;
    /** The jobs of other processes that have not ended, by number; among them those whose order failed. */
    unendedOfOthers(): Promise<StoredJob[]>;
    /** The orders of all processes whose outcome is not stored. */
    ordersUnderWay(): Promise<Pick<StoredJob, 'channel' | 'validUntil'>[]>;
    /**
     * At most `limit` jobs that have ended or failed, of this process and of those that no longer exist: the newest
     * first, and after the oldest the newest again.
     */
    over(cursor: StoredJob | undefined, limit: number): Promise<StoredJob[]>;
    /**
     * Gives an ended or failed job to this process, as it is changed. False if it is no longer as it was read, or its
     * process may live.
     */
    revive(job: StoredJob, change: JobChange): Promise<boolean>;
    /** The job of this number, whoever has it; one that failed only if there is no other. */
    job(number: number): Promise<StoredJob | undefined>;
    /** The job of the highest number, whoever has it; one that failed only if there is no other. */
    newestJob(): Promise<StoredJob | undefined>;
    hasChannel(channel: Buffer): Promise<boolean>;
    /** Stores a voucher. Throws if the stored one says more, or there is no such job: it must not leave then. */
    saveVoucher(channel: Buffer, voucher: SignedVoucher): Promise<void>;
    /**
     * Stores a query before it is sent. `whole`: what it takes to open it later.
     *
     * @throws if the number was ever used in this job
     */
    addQuery(query: StoredQuery, whole?: Pick<WholeQuery, 'session' | 'sealed'>): Promise<void>;
    /** Stores the node's accept, for a demand if nothing follows. */
    saveAccept(job: number, number: number, accept: Buffer): Promise<void>;
    endQuery(job: number, number: number, ending: StoredEnding): Promise<void>;
    /**
     * A query without an ending costs its key no more than `used`, because its job has ended. It stays without an
     * ending.
     */
    releaseQuery(job: number, number: number, used: UsedQuery | undefined): Promise<void>;
    /** What the node signed of a job's queries, by number. */
    receipts(job: number): Promise<StoredReceipts[]>;
    /** A query of a job with its receipts; undefined if there is none. */
    storedAnswer(job: number, number: number): Promise<StoredAnswer | undefined>;
    /** A query that has a result and was stored whole; undefined otherwise. */
    wholeQuery(job: number, number: number): Promise<WholeQuery | undefined>;
    /**
     * Deletes whole queries that were asked before `cutoff` (unix seconds). Afterwards none of the store's files has
     * them, or the secret of a query that has ended.
     */
    forget(cutoff: number): Promise<void>;
    openQueries(job: number): Promise<StoredQuery[]>;
    /** The highest number ever used in this job, 0 for none. */
    highest(job: number): Promise<number>;
    /** The tokenizer that counted the newest query of this job; undefined for none. */
    tokenizer(job: number): Promise<string | undefined>;
    /** The receipts of the highest ended query and of the newest result of a job; one if they are the same. */
    newestReceipts(job: number): Promise<Buffer[]>;
    /** Index, price and cumulative of every verified result, by index. */
    entries(job: number): Promise<{ index: number; price: bigint; cumulative: bigint }[]>;
    addSetback(setback: Setback): Promise<void>;
    /** Those at or after a time (unix seconds), in order, of all processes. */
    setbacks(since: number): Promise<Setback[]>;
    close(): Promise<void>;
}
