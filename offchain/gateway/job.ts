/** One job in memory: what its terms are, who may still use how much of it, and the money it owes. */
import {
    JobParameters,
    SigningKey,
    Terms,
    Verifier,
    voucherFor,
    Voucher,
    SignedVoucher,
} from '@cocoon-market/wrappers';
import { Address } from '@ton/core';
import { openSession, RENT, Session, withProcess } from '../link';
import { GatewayStore, JobChange, JobPhase, StoredJob } from '../store/gateway';
import { Lease } from './lease';
import { Ledger } from './ledger';
import type { Watched } from './spending';
import { VoucherPost } from './vouchers';
import { WorkerClient, WorkerRefusal } from './workers';

const MAX_NUMBER = 0xff00_0000; // a number beyond which no job has come, and above which enough are left

interface Promised {
    ceiling: bigint; // nanoTON
    lease: Lease | undefined;
    beside: number; // the most that had no ending at one time, this one among them
}

export class Job {
    readonly ledger = new Ledger();
    readonly post: VoucherPost;
    readonly channel: Address;
    readonly verifier: Verifier; // of the node's receipts
    readonly abandoned = new AbortController(); // cuts every running query when the node broke the protocol
    running = 0;
    session: Session | undefined; // undefined until the worker knows the job
    complete = false; // true once it is known that the store has all results that the worker has given
    /** Why nothing is signed any more: a voucher of our key says more than this store knows, so there is another signer. */
    foreign: string | undefined;
    refusals = 0; // without signature, since the last result
    private attestedUntil = 0; // unix seconds, of the session's key
    private readonly promised = new Map<number, Promised>(); // queries without an ending
    private last = 0; // the highest number ever used
    private readonly voucherVerifier: Verifier;
    private readonly idle: (() => void)[] = [];

    constructor(
        readonly stored: StoredJob,
        readonly key: SigningKey, // of its vouchers
        readonly worker: WorkerClient,
        readonly store: GatewayStore,
        private readonly network: number,
        onPostFault: (error: unknown) => void = () => undefined,
    ) {
        this.channel = new Address(0, stored.channel);
        this.verifier = new Verifier(stored.terms.receiptKey);
        this.voucherVerifier = new Verifier(key.publicKey);
        this.post = new VoucherPost(this, onPostFault);
        if (stored.voucher !== null) {
            this.ledger.sign(stored.voucher);
        }
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

    /** The channel and what it can have paid: no more than the newest voucher says, while this store has that one. */
    get watched(): Watched {
        const { stored, ledger, channel } = this;
        return { channel, maxPaid: stored.found === true ? undefined : ledger.voucher.cumulative };
    }

    /** nanoTON that a new query may be promised. */
    get available(): bigint {
        const { cumulative } = this.ledger.voucher;
        const used = cumulative > this.ledger.results ? cumulative : this.ledger.results;
        const promised = [...this.promised.values()].reduce((sum, { ceiling }) => sum + ceiling, 0n);
        const left = this.stored.funds - RENT - used - promised;
        return left > 0n ? left : 0n;
    }

    /** Queries without an ending, running or lost on the wire. */
    get unfinished(): number[] {
        return [...this.promised.keys()];
    }

    /** True while questions may be sealed to the session's key. */
    isConnected(now: number): boolean {
        return this.session !== undefined && this.attestedUntil > now;
    }

    /** A new query of the next number, which is above every number that gateway or worker ever used. */
    allocate(ceiling: bigint): Lease {
        this.last += 1;
        const lease = new Lease(this, this.last, ceiling);
        this.promise(this.last, { ceiling, lease });
        return lease;
    }

    /** Keeps the money of a query that was running when the gateway ended; nobody has its lease yet. */
    reserve(number: number, ceiling: bigint): void {
        this.raise(number);
        this.promise(number, { ceiling, lease: undefined });
    }

    private promise(number: number, promised: Omit<Promised, 'beside'>): void {
        this.promised.set(number, { ...promised, beside: 0 });
        for (const one of this.promised.values()) {
            one.beside = Math.max(one.beside, this.promised.size);
        }
    }

    /**
     * Why the result of a query whose connection ended is not taken: it bills more than a worker sends before it is paid, one
     * step for each query that runs (rule 5), so more than was delivered and may have been on its way.
     */
    excess({ number }: Lease, price: bigint): string | undefined {
        const max = this.terms.step * BigInt(this.promised.get(number)?.beside ?? 1);
        return this.ledger.unpaidWith(number, price) > max
            ? `it bills ${price} nanoTON for an answer that was not delivered, more than a step ahead of what is paid`
            : undefined;
    }

    /** The lease of a query without an ending; undefined when another task has it or the query has ended. */
    take(number: number): Lease | undefined {
        const promise = this.promised.get(number);
        if (promise === undefined || promise.lease !== undefined) {
            return undefined;
        }
        return (promise.lease = new Lease(this, number, promise.ceiling));
    }

    /** No number up to this one is used again. */
    raise(number: number): void {
        this.last = Math.max(this.last, number);
    }

    /** The lease's query has an ending: its money is paid or free. */
    release({ number }: Lease): void {
        this.promised.delete(number);
    }

    /** A query runs; no more than the terms allow at once. */
    begin(): void {
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
        Object.assign(this.stored, change);
        await this.store.changeJob(this.stored.channel, change);
    }

    /** Signs what is owed now and keeps it; nothing signed leaves before it is on the disk. */
    async sign(): Promise<SignedVoucher> {
        const owed = this.ledger.next();
        this.ledger.sign(owed);
        const signature = this.key.sign(this.hashOf(owed.cumulative, owed.count));
        const voucher = { ...owed, signature };
        await this.store.saveVoucher(this.stored.channel, voucher);
        this.stored.voucher = voucher;
        return voucher;
    }

    /**
     * Takes a voucher that the worker holds when it says more than ours. Unless this store was lost, the machine was restored
     * or its key is used elsewhere: nothing is signed on top of it. Throws when our key did not sign it.
     */
    async adopt(voucher: SignedVoucher): Promise<void> {
        const { cumulative, count } = this.ledger.voucher;
        if (voucher.cumulative < cumulative || voucher.count < count) {
            return;
        }
        if (voucher.cumulative === cumulative && voucher.count === count) {
            return;
        }
        if (!this.voucherVerifier.verify(this.hashOf(voucher.cumulative, voucher.count), voucher.signature)) {
            throw new Error('The worker holds a voucher that this gateway did not sign');
        }
        this.foreign = 'the worker holds a voucher of this key that says more than this store knows';
        this.ledger.sign(voucher);
        await this.store.saveVoucher(this.stored.channel, voucher);
        this.stored.voucher = voucher;
    }

    /** Shows the job to its worker and begins a session; takes over what the worker knows better. */
    async register(encryptionKey: Buffer, attestedUntil: number) {
        const { hash, terms } = this.stored;
        const session = await openSession(encryptionKey, hash);
        const state = await this.worker.register({
            terms,
            jobNumber: this.number,
            job: hash,
            enc: session.enc,
            key: this.key,
            newest: await this.store.newestReceipts(this.number),
        });
        if (!state.job.equals(hash) || state.highest > MAX_NUMBER) {
            throw new WorkerRefusal('unknown', 200, 'it answers for another job, or leaves it no numbers');
        }
        if (state.voucher !== null) {
            await this.adopt(state.voucher);
        }
        this.raise(state.highest);
        this.session = withProcess(session, state.boot);
        this.attestedUntil = attestedUntil;
        return state;
    }

    private hashOf(cumulative: bigint, count: number): Buffer {
        return Voucher.hash(voucherFor(this.network, this.channel, cumulative, count));
    }
}
