/** One job in memory: its running queries, what may be sent on credit, and its results. */
import {
    type Finish,
    larger,
    priceOf,
    Result,
    type SignedVoucher,
    smaller,
    type Terms,
    type TokenCounts,
} from '@cocoon-market/wrappers';
import { type JobState, mayWriteSpecialTokens, type ModelRequest, signReceipt } from '../link';
import type { JobRecord, JobStage } from '../store/worker';
import { type Allowance, type JobAllowances, JobNotes } from './allowance';
import { accountAddress, type Channels } from './channels';
import type { ClientAccount, Clients } from './clients';
import type { WorkerContext } from './context';
import { maySend, type RunningCost } from './credit';
import { isStale, JobEntry } from './entry';
import { ServedChannel } from './servedChannel';
import { Refused } from './refusal';
import { JobSession } from './sessions';

const LAST_MS = 3_600_000; // for which a job comes last: a new one costs fees, so hardly anyone opens one for each answer

/** A query that runs, as its job knows it. */
export interface ActiveQuery extends RunningCost {
    readonly started: boolean; // the model runs; until then there is nothing that could stay unpaid
    readonly ceiling: bigint;
    /** Ends it now; resolves when its receipt is stored. */
    cut(finish: Finish): Promise<void>;
}

/** A result before it is signed. */
export interface UnsignedResult {
    number: number;
    bytes: Buffer; // the last bytes of the answer
    counts: TokenCounts;
    content: Buffer; // hash
    finish: Finish;
    fails?: Allowance; // that it earns one of, if it is paid; by default those of queries without special tokens
}

/** What queries of one kind may leave unpaid. */
export interface QueryCredit {
    readonly client: ClientAccount; // over all its jobs
    readonly fails: Allowance; // see JobAllowances
}

export class WorkerJob extends JobEntry {
    readonly running = new Map<number, ActiveQuery>();
    readonly deciding = new Set<number>(); // numbers of queries that are neither declined nor accepted yet
    counting = 0; // prompts of queries that come
    readonly stored: Readonly<Pick<JobRecord, 'highest'>>; // when this process took the job into memory
    written = 0; // numbers that are used and stored since this process has the job
    damage: string | undefined; // see damageOf
    readonly client: ClientAccount;
    readonly channel: ServedChannel;
    readonly session: JobSession;
    readonly notes: JobNotes;
    readonly unpaid: Allowance; // see JobAllowances
    readonly fails: Allowance;
    private special: QueryCredit | undefined; // of queries that may bring special tokens, once there was one
    private readonly clients: Clients;
    private readonly waiting = new Set<() => void>();
    private readonly settled: JobAllowances['settled'];
    private readonly last: JobAllowances['last'];

    constructor(
        context: WorkerContext,
        record: JobRecord,
        terms: Terms,
        { channels, clients }: { channels: Channels; clients: Clients },
    ) {
        super(context, record, terms);
        this.stored = record;
        this.channel = new ServedChannel(context, channels, this, () => this.noteCredit());
        this.session = new JobSession(context, this);
        this.clients = clients;
        this.client = clients.of(terms.escrow);
        const { ownNotes, unpaid, fails, settled, last } = clients.allowances.of(record.job);
        this.notes = new JobNotes(this.client.notes, ownNotes);
        [this.unpaid, this.fails, this.settled, this.last] = [unpaid, fails, settled, last];
        settled.amount ??= this.promised;
        this.noteCredit();
    }

    get id(): Buffer {
        return this.record.job;
    }

    /** What a query may leave unpaid, with others of its kind: see {@link mayWriteSpecialTokens}. */
    creditOf(request: ModelRequest): QueryCredit {
        return mayWriteSpecialTokens(request) ? (this.special ??= this.openSpecial()) : this;
    }

    /** True if queries that may bring special tokens left too much unpaid, and this is one: it would wait in vain. */
    hasSpentCreditOf(request: ModelRequest): boolean {
        const { client, fails } = this.creditOf(request);
        return client !== this.client && (fails.isEmpty || client.hasDroppedTooMuch(this.terms.step, this.id));
    }

    private openSpecial(): QueryCredit {
        const client = this.clients.of(this.terms.escrow, ' special');
        client.noteJob(this.id, this.money);
        return { client, fails: this.clients.allowances.of(this.id).specialFails };
    }

    /** Has the client's credit follow what this job has paid and owes. */
    private noteCredit(): void {
        const { channel, promised, settled } = this;
        settled.amount = larger(settled.amount ?? 0n, smaller(promised, channel.payable));
        const { money } = this;
        this.client.noteJob(this.id, money);
        this.special?.client.noteJob(this.id, money);
    }

    /**
     * What counts for the client's credit. A voucher that comes when the channel is gone pays no debt, also if it is
     * deployed again.
     */
    private get money(): { promised: bigint; cumulative: bigint } {
        const { cumulative, paid, settled } = this;
        return { promised: paid, cumulative: paid + larger(0n, cumulative - (settled.amount ?? 0n)) };
    }

    /**
     * Whose share of places and of memory its queries take: its client's, or its own once it is known that a stranger
     * opened it.
     */
    get sharer(): string {
        const isStranger = [this.client, this.special?.client].some((client) => client?.isStranger(this.id));
        return (isStranger ? this.id : this.terms.escrow).toString('hex');
    }

    /** Begins to find out who opened this job, unless that is known. */
    findOrigin(): void {
        this.client.findOrigin(this.id);
    }

    /**
     * True for a while after a query has let its place at a backend stand idle, which costs a client nothing: then the
     * queries of others come first. That is all, for a client may be slow without any ill will.
     */
    get isLast(): boolean {
        return performance.now() < this.last.until;
    }

    /** A query has waited long for its client while it had a place at a backend. */
    noteIdlePlace(): void {
        this.last.until = performance.now() + LAST_MS;
    }

    get state(): JobStage {
        return this.record.state;
    }

    /**
     * False for a job of an earlier receipt key of the node: its vouchers are taken and claimed, and nothing is signed.
     */
    get isOwn(): boolean {
        return this.terms.receiptKey.equals(this.context.receiptKey.publicKey);
    }

    get voucher(): SignedVoucher | undefined {
        return this.record.voucher;
    }

    /** nanoTON that the running queries may cost. */
    get ceilings(): bigint {
        return [...this.running.values()].reduce((sum, { ceiling }) => sum + ceiling, 0n);
    }

    /** nanoTON of all results. */
    get cumulative(): bigint {
        return this.record.cumulative;
    }

    /** True when nothing may be signed for this job: see {@link isStale} and `damage`. */
    get isStale(): boolean {
        return isStale(this.record) || this.damage !== undefined;
    }

    /** Throws {@link Refused} when nothing may be signed for this job. */
    requireNewest(): void {
        if (this.damage !== undefined) {
            throw new Refused('wrong_terms', `The store of this node is damaged: ${this.damage}`);
        }
        if (this.isStale) {
            throw new Refused('wrong_terms', 'A voucher of this job counts results that this node does not know');
        }
    }

    /** The job's state as the client reads it. */
    describe(): JobState {
        const { job, channel, tokenizer, highest, index, cumulative, voucher } = this.record;
        return {
            job,
            channel: accountAddress(channel).toRawString(),
            tokenizer,
            balance: this.channel.money.balance,
            highest,
            results: { index, cumulative },
            voucher: voucher ?? null,
            boot: this.context.boot,
            processes: this.context.processes.urls,
        };
    }

    /** Notes that a query number is used and stored. */
    noteNumber(number: number): void {
        this.written++;
        this.update({ highest: Math.max(this.record.highest, number) });
    }

    /** Takes a voucher that is stored since `at` (unix seconds): credit grows, and queries that wait for it go on. */
    adoptVoucher(voucher: SignedVoucher, at: number): void {
        if (voucher.cumulative >= this.promised && voucher.count >= (this.voucher?.count ?? 0)) {
            const isFirst = this.promised <= this.record.snapshot.paid;
            const wasStale = isStale(this.record);
            this.notes.earn(this.channel.isGone ? 0n : voucher.cumulative - this.promised);
            this.update({ voucher, ...(isFirst && { unclaimedSince: at }) });
            this.noteCredit();
            if (isStale(this.record) && !wasStale) {
                this.context.log.error(
                    { ...this.logName, count: voucher.count, results: this.record.index },
                    'a voucher counts results that this store does not hold, so nothing more is signed for this job; if the store is a copy, run cocoon worker restore',
                );
            }
            this.wake();
        }
    }

    /** nanoTON of the newest voucher that are paid, or will be: of a channel that is gone, what it has paid. */
    get paid(): bigint {
        const { channel, promised, record, settled } = this;
        const { confirmedPaid, lastClaimPaid } = record;
        return channel.isGone
            ? smaller(promised, [lastClaimPaid, channel.paid].reduce(larger, confirmedPaid))
            : (settled.amount ?? 0n);
    }

    /** True when `next` more nanoTON may be sent before another voucher. */
    maySend(next: bigint): boolean {
        return this.hasCredit(this.started(), next);
    }

    /** True when the model of one more query may run before another voucher. */
    mayRun(query: RunningCost): boolean {
        return this.hasCredit([...this.started(), query], 0n);
    }

    private hasCredit(running: RunningCost[], next: bigint): boolean {
        const { cumulative: ended, promised: paid } = this;
        return maySend({ step: this.terms.step, ended, paid, running }, next);
    }

    private started(): RunningCost[] {
        const running: RunningCost[] = [];
        for (const query of this.running.values()) {
            if (query.started) {
                running.push(query);
            }
        }
        return running;
    }

    /** Resolves when something changed that {@link maySend} depends on. */
    change(): Promise<void> {
        return new Promise((resolve) => this.waiting.add(resolve));
    }

    /** Takes a query out of those that run. */
    remove(number: number): void {
        this.running.delete(number);
        this.wake();
    }

    private wake(): void {
        this.waiting.forEach((resolve) => resolve());
        this.waiting.clear();
    }

    /**
     * Signs the next result of this job and stores it with the last bytes of its answer. Results are stored in the
     * order in which they are signed. Resolves with the receipt once it is on the disk.
     */
    async signResult({ number, bytes, counts, content, finish, fails = this.fails }: UnsignedResult): Promise<Buffer> {
        this.requireNewest();
        const price = priceOf(counts, this.terms.rates);
        const index = this.record.index + 1;
        const cumulative = this.cumulative + price;
        const finishedAt = this.context.now();
        const receipt = signReceipt(
            Result,
            { job: this.id, number, index, content, ...counts, price, cumulative, finishedAt, finish },
            this.context.receiptKey,
        );
        // Before the write is awaited, because the next result is signed on top of this one and written after it.
        this.update({ index, cumulative });
        this.noteCredit();
        if (price > 0n) {
            fails.earn();
        }
        try {
            const end = { job: this.id, number, receipt, bytes, counts, index, cumulative, finishedAt };
            await this.context.store.queries.end({ kind: 'result', ...end });
            this.context.metrics.addResult(counts);
        } catch (error) {
            this.context.fatal(new Error('A result could not be stored, so none can follow it', { cause: error }));
            throw error;
        }
        return receipt;
    }
}
