/** What a client stores of its jobs and queries, as texts. */
import { type JobParameters, loadTerms, type SignedVoucher, type Terms } from '@cocoon-market/wrappers';
import { Address, Cell } from '@ton/core';
import { termsToWire, toWire } from '../offchain/link';
import type { ResultEntry } from '../offchain/payer/ledger';
import { closedError } from './errors';
import type { Store } from './store';
import type { ClientJobPhase } from './types';

/** A job as it is stored. */
export interface SavedJob {
    number: number; // of the escrow's jobs
    network: number;
    model: string;
    url: string; // of the node's worker
    tokenizer?: string; // that the worker listed when the job was opened
    processes: string[]; // of the worker, the owner of the job first
    channel: Buffer; // account
    hash: Buffer;
    terms: Terms;
    deposit: bigint; // nanoTON
    funds: bigint; // nanoTON that the channel had when it was opened
    maxSpend: bigint; // nanoTON that no voucher exceeds
    orderedAt: number; // unix seconds
    seed: Buffer; // of the voucher key
    phase: ClientJobPhase;
    note: string;
    highest: number; // number of a query that was used; also its worker may raise it
    queryCount: number; // of queries that were stored
    voucher: SignedVoucher | null;
    signingStop: string; // why nothing is signed any more; empty: it is
}

/** How a query is or ended. `void`: it never reached a node. `refused`: its node broke the protocol. */
export type ClientQueryPhase = 'sent' | 'result' | 'decline' | 'fail' | 'void' | 'refused';

/** A query as it is stored. */
export interface SavedQuery {
    number: number;
    position: number; // among the job's stored queries, from 1 on
    phase: ClientQueryPhase;
    salt: Buffer;
    commitment: Buffer;
    request: Buffer; // hash
    secret: Buffer | null; // null once the query has its ending
    ceiling: bigint; // nanoTON
    promptBound: number; // tokens
    stopBound: number; // tokens
    tokenizer: string;
    askedAt: number; // unix seconds
    concurrent: number; // the most queries without an ending at one time, this one among them
    accept: Buffer | null; // receipt
    receipt: Buffer | null; // of the ending
    answerRoot: Buffer | null; // of a result's answer
    entry: ResultEntry | null;
    note: string;
}

/** What a channel of the job is deployed with. */
export function parametersOf({ number, terms }: SavedJob): JobParameters {
    const { end, notice, voucherKey, payout } = terms;
    return { job: number, end, notice, voucherKey, payout };
}

type Json = Record<string, unknown>;

const bytesOf = (value: unknown): Buffer => Buffer.from(value as string, 'hex');
const orNull = <T>(value: unknown, read: (value: unknown) => T): T | null => (value === null ? null : read(value));
const coinsOf = (value: unknown): bigint => BigInt(value as string);

function voucherOf({ cumulative, count, signature }: Json): SignedVoucher {
    return { cumulative: coinsOf(cumulative), count: count as number, signature: bytesOf(signature) };
}

function jobOf(json: Json): SavedJob {
    return {
        ...(json as unknown as SavedJob),
        channel: bytesOf(json.channel),
        hash: bytesOf(json.hash),
        terms: loadTerms(Cell.fromBase64(json.terms as string)),
        deposit: coinsOf(json.deposit),
        funds: coinsOf(json.funds),
        maxSpend: coinsOf(json.maxSpend),
        seed: bytesOf(json.seed),
        voucher: null,
    };
}

function queryOf(json: Json): SavedQuery {
    const entry = (value: unknown): ResultEntry => {
        const { index, price, cumulative } = value as Json;
        return { index: index as number, price: coinsOf(price), cumulative: coinsOf(cumulative) };
    };
    return {
        ...(json as unknown as SavedQuery),
        salt: bytesOf(json.salt),
        commitment: bytesOf(json.commitment),
        request: bytesOf(json.request),
        secret: orNull(json.secret, bytesOf),
        ceiling: coinsOf(json.ceiling),
        accept: orNull(json.accept, bytesOf),
        receipt: orNull(json.receipt, bytesOf),
        answerRoot: orNull(json.answerRoot, bytesOf),
        entry: orNull(json.entry, entry),
    };
}

const LIST = 'jobs';

/** The records of one escrow's jobs in a store. One write of a key after the other. */
export class Records {
    private readonly writing = new Map<string, Promise<void>>();
    private adding: Promise<void> = Promise.resolve();
    private isClosed = false;

    constructor(
        private readonly store: Store,
        private readonly escrow: Address,
    ) {}

    /** Every job, oldest first. */
    async jobs(): Promise<SavedJob[]> {
        const jobs: SavedJob[] = [];
        for (const channel of await this.list()) {
            const text = await this.store.get(this.key(`job/${channel}`));
            const voucher = await this.store.get(this.key(`job/${channel}/voucher`));
            if (text !== undefined) {
                const job = jobOf(JSON.parse(text) as Json);
                job.voucher = voucher === undefined ? null : voucherOf(JSON.parse(voucher) as Json);
                jobs.push(job);
            }
        }
        return jobs;
    }

    /** A new job: it is in the list before anything is sent. */
    addJob(job: SavedJob): Promise<void> {
        const added = this.adding.then(async () => {
            await this.saveJob(job);
            await this.put(LIST, JSON.stringify([...(await this.list()), job.channel.toString('hex')]));
        });
        this.adding = added.catch(() => undefined);
        return added;
    }

    /** Takes no more values, because another program may have the store next. Resolves when none is on its way. */
    async close(): Promise<void> {
        this.isClosed = true;
        await Promise.allSettled(this.writing.values());
    }

    /** Stores a job as it is when its turn comes. */
    async saveJob(job: SavedJob): Promise<void> {
        const { voucher: _, ...rest } = job;
        const terms = termsToWire(job.terms);
        await this.put(`job/${job.channel.toString('hex')}`, JSON.stringify({ ...(toWire(rest) as Json), terms }));
    }

    /** Has a record of its own, because a job is stored again by whoever changes something else of it. */
    async saveVoucher(channel: Buffer, voucher: SignedVoucher): Promise<void> {
        await this.put(`job/${channel.toString('hex')}/voucher`, JSON.stringify(toWire(voucher)));
    }

    /** The queries of a job that were stored, by number. */
    async queries(job: SavedJob): Promise<SavedQuery[]> {
        const queries: SavedQuery[] = [];
        for (let position = 1; position <= job.queryCount; position++) {
            const query = await this.query(job, position);
            if (query !== undefined) {
                queries.push(query);
            }
        }
        return queries;
    }

    private async query(job: SavedJob, position: number): Promise<SavedQuery | undefined> {
        const text = await this.store.get(this.key(queryKey(job, position)));
        return text === undefined ? undefined : queryOf(JSON.parse(text) as Json);
    }

    async saveQuery(job: SavedJob, query: SavedQuery): Promise<void> {
        await this.put(queryKey(job, query.position), JSON.stringify(toWire(query)));
    }

    private async list(): Promise<string[]> {
        return JSON.parse((await this.store.get(this.key(LIST))) ?? '[]') as string[];
    }

    private key(name: string): string {
        return `${this.escrow.toRawString()}/${name}`;
    }

    private put(name: string, value: string): Promise<void> {
        const key = this.key(name);
        if (this.isClosed) {
            return Promise.reject(closedError());
        }
        const previous = this.writing.get(key) ?? Promise.resolve();
        const written = previous.catch(() => undefined).then(() => this.store.put(key, value));
        this.writing.set(key, written);
        const forget = () => this.writing.get(key) === written && this.writing.delete(key);
        written.then(forget, forget);
        return written;
    }
}

const queryKey = (job: SavedJob, position: number) => `job/${job.channel.toString('hex')}/query/${position}`;
