/** A job: money of the client at one node, for any number of questions. */
import {
    Escrow,
    leaveJob,
    payloadOf,
    refundJob,
    Result,
    type SignedVoucher,
    type Terms,
} from '@cocoon-market/wrappers';
import type { Address } from '@ton/core';
import { StreamedAnswer } from './answer';
import { type ChannelStanding, readChannel, readEscrow } from './chain';
import { WorkerDown } from '../offchain/payer/workerErrors';
import { ClientError, overLimit } from './errors';
import { ORDER_SECONDS } from './orders';
import { type ActiveJob, workerError } from './activeJob';
import { fetchEndings } from './endings';
import { askWorker } from './query';
import { parametersOf } from './records';
import { requestOf } from './request';
import type { ClientJobPhase, ChatQuestion, JobAccount, Receipt, Settlement } from './types';

const MAX_POLLS = 60;
const ABSENT_READS = 3; // in a row, after which a channel is no more
const ENDINGS_MS = 10_000;

/** An open job. Made by `Client.openJob` and `Client.jobs`. */
export class ClientJob {
    private constructor(private readonly state: ActiveJob) {}

    /** @internal */
    static of(state: ActiveJob): ClientJob {
        return new ClientJob(state);
    }

    /** The account that holds the money of the job. */
    get address(): Address {
        return this.state.channel;
    }

    get model(): string {
        return this.state.stored.model;
    }

    get phase(): ClientJobPhase {
        return this.state.phase;
    }

    get terms(): Terms {
        return this.state.stored.terms;
    }

    /** Why the job is where it is; empty if there is nothing to say. */
    get note(): string {
        return this.state.stored.note;
    }

    /** nanoTON that the job got when it was opened. */
    get deposit(): bigint {
        return this.state.stored.deposit;
    }

    /** The newest voucher: whoever has it can claim what it says. Undefined before the first. */
    get voucher(): SignedVoucher | undefined {
        return this.state.stored.voucher ?? undefined;
    }

    /** nanoTON that the vouchers of the job pay so far. */
    get spent(): bigint {
        return this.state.ledger.voucher.cumulative;
    }

    /** nanoTON that the answers cost so far, by receipts and meters. */
    get owed(): bigint {
        return this.state.ledger.total;
    }

    /** nanoTON that a new question may cost. */
    get available(): bigint {
        return this.state.available;
    }

    /**
     * Asks a question. Nothing happens until the answer is read.
     *
     * @throws {ClientError} `bad_request` and `over_limit` at once; others while the answer is read
     */
    ask(question: ChatQuestion): StreamedAnswer {
        const { limits } = this.state.context;
        const { maxPrice = limits.query, signal } = question;
        if (maxPrice > limits.query) {
            throw overLimit('A question', maxPrice, limits.query);
        }
        const request = requestOf(this.model, question);
        return new StreamedAnswer(() => askWorker(this.state, request, { maxPrice, signal }));
    }

    /** The verified results of the job, by number. */
    async receipts(): Promise<Receipt[]> {
        const { context, stored } = this.state;
        const queries = await context.records.queries(stored);
        return queries.flatMap(({ number, phase, receipt, accept }) => {
            if (phase !== 'result' || receipt === null || accept === null) {
                return [];
            }
            const { prompt, cached, completion, reasoning, price, finish } = Result.decode(payloadOf(receipt));
            const tokens = { prompt, cached, completion, reasoning };
            return [{ number, price, tokens, finish, result: receipt, accept }];
        });
    }

    /** What the chain says of the job's account; undefined if there is none. */
    async account(): Promise<JobAccount | undefined> {
        const reading = await this.channel();
        if (reading.type !== 'active') {
            return undefined;
        }
        const { paid, balance, refundAt } = reading;
        return { paid, balance, refundAt };
    }

    /** Questions that broke off, and whose ending is not known yet. */
    get unfinished(): number {
        return [...this.state.reservations.values()].filter(({ isTaken }) => !isTaken).length;
    }

    /** Fetches the endings of questions that broke off, and pays them. True once all have one. */
    async recover(): Promise<boolean> {
        const { state } = this;
        try {
            await state.connect();
        } catch (error) {
            throw workerError(error);
        }
        await fetchEndings(state, ENDINGS_MS);
        return state.reservations.size === 0;
    }

    /**
     * Pays what is owed and asks the worker to claim it and to end the job. If a claim costs the worker more than the
     * job is worth, and after a breach, the job is left: then its rest comes back by {@link refund} after the notice.
     *
     * @throws {ClientError} `worker_down` and `worker_refused`: nothing is lost, and the job can be settled again
     * later, or left; `store_in_use`, `order_pending`
     */
    async settle(): Promise<Settlement> {
        const { state } = this;
        state.requirePhase('open', 'broken', 'settling', 'settled', 'leaving', 'ended');
        const isBack = await this.takeBack();
        if (isBack || state.phase === 'broken') {
            await this.leave();
        }
        if (state.phase === 'open') {
            await state.change({ phase: 'settling' });
        }
        if (state.phase === 'settling') {
            await this.settleAtWorker();
        }
        if (state.phase === 'settled' || state.phase === 'leaving') {
            await this.noteEnd();
        }
        return this.settlement();
    }

    /**
     * Asks the chain to let the client go after the notice. Pays what is owed before, if the worker takes it and broke
     * no rule.
     *
     * @throws {ClientError} `wrong_phase` if the job has ended, `order_pending`
     */
    async leave(): Promise<Settlement> {
        const { state } = this;
        const { context, stored } = state;
        await this.takeBack();
        state.requirePhase('open', 'broken', 'settling', 'settled', 'leaving');
        if (state.phase === 'open' || state.phase === 'settling') {
            await state.money.flush().catch(() => undefined); // a worker that is away is not waited for
        }
        const reading = await this.channel();
        if (reading.type === 'active' && reading.refundAt > context.now() + stored.terms.notice) {
            await state.money.stop();
            const isTaken = await this.ordered('leave', async () => {
                const now = await this.channel();
                return now.type !== 'active' || now.refundAt < reading.refundAt;
            });
            if (!isTaken) {
                const message = 'The chain has not shown yet that the job was left';
                throw new ClientError('order_pending', message, 'Call leave() again in a minute.');
            }
        }
        await state.change({ phase: 'leaving' });
        return this.settlement();
    }

    /** Takes home what remains of a job that was left or has ended. @throws {ClientError} `wrong_phase` if too early */
    async refund(): Promise<Settlement> {
        const { context, stored } = this.state;
        await this.takeBack();
        const reading = await this.channel();
        if (reading.type === 'active') {
            if (reading.refundAt > context.now()) {
                const when = new Date(reading.refundAt * 1000).toISOString();
                const isLeft = reading.refundAt <= context.now() + stored.terms.notice;
                const remedy = isLeft ? 'Wait until then.' : 'Wait until then, or leave() the job to get it earlier.';
                throw new ClientError('wrong_phase', `The job can be refunded from ${when} on`, remedy);
            }
            await this.ordered('refund', () => this.noteEnd());
        } else {
            await this.untilEnded();
        }
        return this.settlement();
    }

    /**
     * An endpoint that is behind shows no account, so an ended job whose account is there is one that is left. Nothing
     * more is signed for it.
     */
    private async takeBack(): Promise<boolean> {
        const { state } = this;
        if (state.phase !== 'ended' || (await this.channel()).type !== 'active') {
            return false;
        }
        await state.change({ phase: 'leaving', note: 'the chain shows its account again' });
        return true;
    }

    private async settleAtWorker(): Promise<void> {
        const { state } = this;
        let claims: boolean;
        try {
            await state.connect().catch(requireTrust);
            await fetchEndings(state, ENDINGS_MS);
            await state.pay();
            claims = await state.link.end(state.stored.hash, state.key);
        } catch (error) {
            if (await this.noteEnd().catch(() => false)) {
                return; // nobody had to ask for it
            }
            if (state.phase === 'settling') {
                throw unsettled(error);
            }
            claims = false; // a breach was found, here or meanwhile
        }
        if (claims && state.phase === 'settling') {
            await this.untilEnded();
            return;
        }
        if (state.phase === 'settling') {
            await state.change({ note: 'worth less to the worker than a claim costs' });
        }
        await this.leave();
    }

    /** Waits until the account has ended, or has paid all that was signed. */
    private async untilEnded(): Promise<void> {
        const { state } = this;
        await this.until(async () => {
            if (await this.noteEnd()) {
                return true;
            }
            const { spent } = this;
            const isPaid = state.phase === 'settling' && spent > 0n && (await this.account())?.paid === spent;
            if (isPaid) {
                await state.change({ phase: 'settled' });
            }
            return isPaid;
        });
    }

    /** True if the account is no more: several answers say so, because an endpoint may be behind. */
    private async noteEnd(): Promise<boolean> {
        for (let read = 1; (await this.channel()).type !== 'active'; read++) {
            if (read === ABSENT_READS) {
                await this.state.change({ phase: 'ended' });
                return true;
            }
            await this.pause();
        }
        return false;
    }

    private async until(holds: () => Promise<boolean>): Promise<boolean> {
        for (let poll = 0; poll < MAX_POLLS; poll++) {
            if (await holds()) {
                return true;
            }
            await this.pause();
        }
        return false;
    }

    private pause(): Promise<void> {
        return new Promise((resolve) => setTimeout(resolve, this.state.context.pollMs));
    }

    private channel(): Promise<ChannelStanding> {
        const { context, channel, stored } = this.state;
        return readChannel(context.chain, { channel, escrow: context.escrow, parameters: parametersOf(stored) });
    }

    private async settlement(): Promise<Settlement> {
        const { state } = this;
        const reading = state.phase === 'ended' ? undefined : await this.channel();
        const refundAt = reading?.type === 'active' ? reading.refundAt : undefined;
        return { phase: state.phase, spent: this.spent, refundAt, note: state.stored.note };
    }

    /** Sends an order, and waits until the chain shows it. An order of the spend key has its turn until then. */
    private ordered(action: 'leave' | 'refund', isTaken: () => Promise<boolean>): Promise<boolean> {
        const { spendKey, turn } = this.state.context;
        const act = async () => {
            await this.order(action);
            return this.until(isTaken);
        };
        return spendKey === undefined ? act() : turn(act);
    }

    private async order(action: 'leave' | 'refund'): Promise<void> {
        const { context, channel, stored } = this.state;
        const { wallet, spendKey, escrow, chain, network, now } = context;
        if (wallet !== undefined && spendKey === undefined) {
            await (action === 'leave' ? leaveJob(wallet, { escrow, channel }) : refundJob(wallet, { channel }));
            return;
        }
        const { seqno } = await readEscrow(chain, escrow, spendKey?.publicKey);
        const head = { network, seqno, validUntil: now() + ORDER_SECONDS, key: spendKey! };
        await chain.open(Escrow.fromAddress(escrow)).sendJobOrder({ ...head, job: parametersOf(stored), action });
    }
}

/** A node that sells no more, or takes no session, can be paid and asked to end the job all the same. */
function requireTrust(error: unknown): void {
    if (error instanceof WorkerDown || (error instanceof ClientError && error.code !== 'wrong_node')) {
        throw error;
    }
}

/** Why a worker did not end a job, with what to do then. */
function unsettled(error: unknown): unknown {
    const reason = workerError(error);
    return reason instanceof ClientError && (reason.code === 'worker_down' || reason.code === 'worker_refused')
        ? new ClientError(reason.code, reason.message, SETTLE_REMEDY, { cause: error })
        : reason;
}

const SETTLE_REMEDY = 'Call settle() again later, or leave(): then the rest comes back by refund() after the notice.';
