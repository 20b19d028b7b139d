/** One job in memory: its money, its session at the worker, and its queries without an ending. */
import { signingKey, type SigningKey, Verifier } from '@cocoon-market/wrappers';
import { openSession, type Session, withProcess } from '@cocoon-market/wrappers/sealed';
import { Address } from '@ton/core';
import { commonVersion, differenceOf, modelHash, type NodeInfo, RENT } from '../offchain/link';
import { JobLink } from '../offchain/payer/jobLink';
import type { Ledger, ResultEntry } from '../offchain/payer/ledger';
import { JobMoney } from '../offchain/payer/money';
import { ForeignVoucher, WorkerDown, WorkerRefusal } from '../offchain/payer/workerErrors';
import type { TokenCounter } from '../offchain/tokens/bytes';
import { type CheckedNode, readNode } from './chain';
import type { ClientContext } from './context';
import { counterOf } from './counting';
import { ClientError, WorkerBreach } from './errors';
import type { SavedJob, SavedQuery } from './records';
import { mayFollow } from './urls';
import { FetchWorker } from './worker';
import type { ClientJobPhase } from './types';

const MAX_HIGHEST = 0xff00_0000; // no job comes so far in its query numbers, and above it enough remain

/** What a worker refused without a signature, or why it did not answer, as an error of this package. */
export function workerError(error: unknown): unknown {
    if (error instanceof WorkerRefusal) {
        const { code } = error;
        const remedy = ['paused', 'shutting_down', 'taking_over', 'running', 'chain_down'].includes(code)
            ? 'Nothing is owed: ask again in a moment, or open a job at another node.'
            : code === 'no_storage'
              ? 'Nothing is owed: ask for text without log probabilities, ask later, or open a job at another node.'
              : 'Nothing is owed: settle this job, or leave it, and open one at another node.';
        return new ClientError('worker_refused', `The worker refused: ${code}`, remedy, { cause: error });
    }
    return error instanceof WorkerDown
        ? new ClientError('worker_down', error.message, 'Ask again, or open a job at another node.', { cause: error })
        : error;
}

const NOTHING = Buffer.alloc(0);

/** A query without an ending, and the money that it may cost. */
export interface Reservation {
    query: SavedQuery | undefined; // undefined until it is stored
    ceiling: bigint;
    concurrent: number;
    isTaken: boolean; // somebody waits for its ending
    received: Buffer; // bytes of the answer that came before the connection broke off
}

export class ActiveJob {
    readonly key: SigningKey;
    readonly channel: Address;
    readonly verifier: Verifier; // of the node's receipts
    readonly money: JobMoney;
    readonly ledger: Ledger;
    readonly link: JobLink;
    readonly abandoned = new AbortController(); // cuts every running query when the node broke the protocol
    readonly reservations = new Map<number, Reservation>();
    fetching = 0; // endings that are being fetched: each answer is in memory until it is read
    private readonly booked = new Map<number, ResultEntry>(); // results that are not stored yet, by number
    session: Session | undefined;
    counter: TokenCounter;
    tokenizer = 'bytes';
    features: readonly string[] = [];
    running = 0;
    private failures = 0; // in a row, of queries whose meters were paid
    private newestEnded: { number: number; receipt: Buffer } | undefined;
    private newestResult: { index: number; receipt: Buffer } | undefined;
    private connecting: Promise<void> | undefined;

    constructor(
        readonly context: ClientContext,
        readonly stored: SavedJob,
    ) {
        this.key = signingKey(stored.seed);
        this.channel = new Address(0, stored.channel);
        this.verifier = new Verifier(stored.terms.receiptKey);
        const clientOf = (url: string) =>
            mayFollow(url, stored.url) ? new FetchWorker(url, context.fetch) : undefined;
        this.link = new JobLink(stored.url, stored.processes, clientOf);
        this.money = new JobMoney(stored, {
            key: this.key,
            worker: this.link,
            store: { saveVoucher: (channel, voucher) => context.records.saveVoucher(channel, voucher) },
            requireMember: () => context.requireOpen(),
            network: stored.network,
            maxSigned: stored.maxSpend,
            onUnpaid: (error) => this.noteUnpaid(error), // what was not taken is posted again, and settle() throws
        });
        this.money.signingStop ??= stored.signingStop === '' ? undefined : stored.signingStop;
        this.ledger = this.money.ledger;
        this.counter = counterOf(this.tokenizer, {});
    }

    /** The job as the store has it. */
    static async load(context: ClientContext, stored: SavedJob): Promise<ActiveJob> {
        const job = new ActiveJob(context, stored);
        for (const query of await context.records.queries(stored)) {
            if (query.phase === 'sent') {
                const { number, ceiling, concurrent } = query;
                job.reservations.set(number, { query, ceiling, concurrent, isTaken: false, received: NOTHING });
            } else {
                job.noteReceipt(query);
            }
            if (query.entry !== null) {
                job.money.restore([query.entry]);
            }
        }
        job.raiseConcurrent(); // one that was stored before the others ran with them
        return job;
    }

    get phase(): ClientJobPhase {
        return this.stored.phase;
    }

    /** nanoTON that a new query may reserve. */
    get available(): bigint {
        const { cumulative } = this.ledger.voucher;
        const used = cumulative > this.ledger.results ? cumulative : this.ledger.results;
        const reserved = [...this.reservations.values()].reduce((sum, { ceiling }) => sum + ceiling, 0n);
        const funds = this.stored.funds - RENT < this.stored.maxSpend ? this.stored.funds - RENT : this.stored.maxSpend;
        const remaining = funds - used - reserved;
        return remaining > 0n ? remaining : 0n;
    }

    /** Bytes of answers that broke off, which are kept until their endings are fetched. */
    get keptBytes(): number {
        return [...this.reservations.values()].reduce((sum, { received }) => sum + received.length, 0);
    }

    requirePhase(...phases: ClientJobPhase[]): void {
        if (!phases.includes(this.phase)) {
            const note = this.stored.note === '' ? '' : ` (${this.stored.note})`;
            const remedy = this.phase === 'ended' || this.phase === 'failed' ? 'Open a new job.' : 'Settle it first.';
            throw new ClientError('wrong_phase', `Job ${this.stored.number} is ${this.phase}${note}`, remedy);
        }
    }

    async change(change: Partial<Pick<SavedJob, 'phase' | 'note' | 'funds' | 'processes' | 'signingStop'>>) {
        Object.assign(this.stored, change);
        await this.context.records.saveJob(this.stored);
    }

    /** A number that was never used, and its money. */
    reserve(ceiling: bigint): { number: number; position: number; concurrent: number } {
        const number = ++this.stored.highest;
        const position = ++this.stored.queryCount;
        this.reservations.set(number, { query: undefined, ceiling, concurrent: 0, isTaken: true, received: NOTHING });
        this.raiseConcurrent();
        return { number, position, concurrent: this.reservations.get(number)!.concurrent };
    }

    /** All queries without an ending run at one time: a worker may send a step ahead for each. */
    private raiseConcurrent(): void {
        for (const one of this.reservations.values()) {
            one.concurrent = Math.max(one.concurrent, this.reservations.size);
            if (one.query !== undefined) {
                one.query.concurrent = one.concurrent;
            }
        }
    }

    /** Why a result does not fit; else it is booked. A result that is booked and not stored yet may come again. */
    book(number: number, entry: ResultEntry): string | undefined {
        const booked = this.booked.get(number);
        if (
            booked !== undefined &&
            (['index', 'price', 'cumulative'] as const).every((of) => booked[of] === entry[of])
        ) {
            return undefined;
        }
        const objection = booked === undefined ? this.ledger.objection(entry) : 'it is another than the one before';
        if (objection === undefined) {
            this.ledger.addResult(number, entry);
            this.booked.set(number, entry);
        }
        return objection;
    }

    /** Stores the ending of a query; its money is paid or free afterwards. */
    async end(query: SavedQuery, ending: Partial<SavedQuery> & Pick<SavedQuery, 'phase'>): Promise<void> {
        const ended = { ...query, ...ending, secret: null };
        await this.context.records.saveQuery(this.stored, ended); // if the store fails, it is fetched and booked again
        Object.assign(query, ended);
        this.reservations.delete(query.number);
        this.booked.delete(query.number);
        this.noteReceipt(query);
        if (query.phase === 'result') {
            this.failures = 0;
            this.money.payResult();
        }
    }

    /** A query failed. If that happens twice in a row after its meters were paid, nothing more is paid. */
    async countFailure(wasPaid: boolean): Promise<void> {
        this.failures = wasPaid ? this.failures + 1 : this.failures;
        if (this.failures === 2) {
            await this.abandon('two queries in a row failed after their meters were paid');
        }
    }

    /** Pays nothing more, and cuts what runs. */
    async abandon(note: string): Promise<void> {
        this.abandoned.abort();
        await this.money.stop();
        await this.change({ phase: 'broken', note });
    }

    /** Shows the job to its worker and begins a session, if there is none. */
    connect(): Promise<void> {
        return this.session !== undefined
            ? Promise.resolve()
            : (this.connecting ??= this.connectNow().finally(() => (this.connecting = undefined)));
    }

    private async connectNow(): Promise<void> {
        const { context, stored, link } = this;
        const { terms, hash } = stored;
        const info = await link.node();
        await requireSame(context, stored, info);
        const wire = commonVersion(info.wire);
        if (wire === undefined) {
            throw new ClientError('wrong_node', 'The worker speaks no version of this package', 'Update the package.');
        }
        const session = await openSession(info.encryptionKey, { job: hash, wire });
        const receipts = [this.newestEnded?.receipt, this.newestResult?.receipt].filter((one) => one !== undefined);
        const newest = receipts.filter((one, i) => receipts.findIndex((other) => other.equals(one)) === i);
        const state = await link.register({
            ...{ terms, jobNumber: stored.number, job: hash, enc: session.enc, wire, key: this.key, newest },
        });
        if (!state.job.equals(hash) || state.highest > MAX_HIGHEST) {
            throw new WorkerDown('the worker answers for another job, or leaves it no numbers');
        }
        // By bytes a node may bill several times as much.
        if (state.tokenizer !== (this.stored.tokenizer ?? state.tokenizer)) {
            const message = 'The worker counts the job by another tokenizer than it listed';
            throw new ClientError('wrong_node', message, 'Settle this job, and open one at another node.');
        }
        if (state.voucher !== null) {
            await this.adopt(state.voucher);
        }
        this.money.noteTaken(state.voucher);
        stored.highest = Math.max(stored.highest, state.highest);
        this.tokenizer = state.tokenizer;
        this.counter = counterOf(state.tokenizer, context.counters);
        this.features = info.offers.find(({ model }) => model === stored.model)?.features ?? [];
        if (this.reservations.size === 0 && state.results.index > this.ledger.verified && this.phase === 'open') {
            const note = 'the worker has results that this store does not know';
            await this.change({ phase: 'settling', note });
            throw new ClientError('store_in_use', `Job ${stored.number}: ${note}`, STORE_REMEDY);
        }
        await this.change({ processes: state.processes });
        this.session = withProcess(session, state.boot);
    }

    /** Signs and posts what is owed now. @throws {WorkerBreach} and what a call to a worker throws */
    async pay(): Promise<void> {
        await this.money.flush().catch((error: unknown) => this.refuseVoucher(error));
    }

    // A voucher of our key that says more than ours: this store is not the newest, so nothing is signed on top of it.
    private async adopt(voucher: Parameters<JobMoney['adopt']>[0]): Promise<void> {
        await this.money.adopt(voucher).catch((error: unknown) => this.refuseVoucher(error));
        const { signingStop } = this.money;
        if (signingStop !== undefined && this.stored.signingStop === '') {
            await this.change({ signingStop, note: signingStop, phase: 'settling' });
            throw new ClientError('store_in_use', `Job ${this.stored.number}: ${signingStop}`, STORE_REMEDY);
        }
    }

    private noteUnpaid(error: unknown): void {
        this.refuseVoucher(error).catch(() => undefined);
    }

    /** A node that shows a voucher of somebody else lies. Other errors are passed on. */
    private async refuseVoucher(error: unknown): Promise<never> {
        if (!(error instanceof ForeignVoucher)) {
            throw error;
        }
        await this.abandon(error.message);
        throw new WorkerBreach(error.message);
    }

    private noteReceipt({ number, receipt, entry, phase }: SavedQuery): void {
        if (receipt === null || phase === 'refused') {
            return;
        }
        if (number > (this.newestEnded?.number ?? 0)) {
            this.newestEnded = { number, receipt };
        }
        if (entry !== null && entry.index > (this.newestResult?.index ?? 0)) {
            this.newestResult = { index: entry.index, receipt };
        }
    }
}

const STORE_REMEDY =
    'Another program used this job, or the store was restored from a copy: settle the job, and give each program its own store.';

/** The worker must be that of the job's node, and the chain must bear out what it says. */
async function requireSame({ market }: ClientContext, { terms }: SavedJob, info: NodeInfo): Promise<void> {
    const listed = await readNode(market, new Address(0, terms.node));
    requireNode(info, listed);
    if (!info.receiptKey.equals(terms.receiptKey)) {
        const remedy = 'Settle this job, and open a new one.';
        throw new ClientError('wrong_node', 'The node has another receipt key than when the job was opened', remedy);
    }
    if (!info.offers.some(({ model }) => modelHash(model).equals(terms.model))) {
        throw new ClientError('wrong_node', "The node does not offer the job's model any more", 'Settle this job.');
    }
}

/** @throws {ClientError} `wrong_node` unless the chain bears out what a worker says of itself */
export function requireNode(info: NodeInfo, listed: CheckedNode): void {
    const isSame = (text: string, address: Address) => Address.parse(text).equals(address);
    const difference = !isSame(info.node, listed.address)
        ? 'it is another node than the one on chain'
        : !isSame(info.provider, listed.provider)
          ? 'its provider is not the one on chain'
          : differenceOf(info, listed);
    if (difference !== undefined) {
        const message = `The worker at ${listed.endpoint} is refused: ${difference}`;
        throw new ClientError('wrong_node', message, 'Choose another node.');
    }
}
