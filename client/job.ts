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
import { type ChannelStanding, readChannel, readEscrow } from './chain';
import { ClientError } from './errors';
import { ORDER_SECONDS } from './orders';
import { type ActiveJob, workerError } from './activeJob';
import { fetchEndings } from './endings';
import { askWorker } from './query';
import { parametersOf } from './records';
import { requestOf } from './request';
import type { Delta, ClientJobPhase, ChatQuestion, JobAccount, Receipt, Settlement } from './types';

const MAX_POLLS = 60;
const ABSENT_READS = 3; // in a row that say that a channel is no more
const ENDINGS_MS = 10_000;

/** An answer as it arrives: a loop over it asks and pays. It can be read once. */
export class StreamedAnswer implements AsyncIterable<Delta> {
    /** The verified receipt; undefined until the answer has ended. */
    receipt: Receipt | undefined;
    private wasRead = false;

    constructor(private readonly start: () => AsyncGenerator<Delta, Receipt>) {}

    async *[Symbol.asyncIterator](): AsyncGenerator<Delta, void> {
        if (this.wasRead) {
            throw new ClientError('bad_request', 'This answer was read already', 'Ask again.');
        }
        this.wasRead = true;
        this.receipt = yield* this.start();
    }

    /** The whole text of the first choice. */
    async text(): Promise<string> {
        let text = '';
        for await (const delta of this) {
            text += delta.choice === 0 ? delta.text : '';
        }
        return text;
    }
}

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
            return [{ number, price, tokens, finish: finish, result: receipt, accept }];
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
     * Pays what is owed and asks the worker to claim it and to end the job. Without a worker that does, and after a
     * breach, the job is left: then its rest comes back by {@link refund} after the notice.
     */
    async settle(): Promise<Settlement> {
        const { state } = this;
        state.requirePhase('open', 'broken', 'settling', 'settled', 'leaving', 'ended');
        if (state.phase === 'broken') {
            await this.leave();
        }
        if (state.phase === 'open') {
            await state.change({ phase: 'settling' });
        }
        if (state.phase === 'settling') {
            await this.settleAtWorker();
        }
        return this.settlement();
    }

    /**
     * Asks the chain to let the client go after the notice. Pays what is owed before, if the worker takes it and broke
     * no rule.
     */
    async leave(): Promise<Settlement> {
        const { state } = this;
        const { context, stored } = state;
        state.requirePhase('open', 'broken', 'settling', 'settled', 'leaving');
        if (state.phase === 'open' || state.phase === 'settling') {
            await state.money.flush().catch(() => undefined); // a worker that is away is not waited for
        }
        const reading = await this.channel();
        if (reading.type === 'active' && reading.refundAt > context.now() + stored.terms.notice) {
            await state.money.stop();
            await this.order('leave');
            const isTaken = await this.until(async () => {
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
        const { context } = this.state;
        const reading = await this.channel();
        if (reading.type === 'active') {
            if (reading.refundAt > context.now()) {
                const when = new Date(reading.refundAt * 1000).toISOString();
                throw new ClientError('wrong_phase', `The job can be refunded from ${when} on`, 'Wait until then.');
            }
            await this.order('refund');
        }
        await this.untilEnded();
        return this.settlement();
    }

    private async settleAtWorker(): Promise<void> {
        const { state } = this;
        let claims: boolean;
        try {
            await this.recover();
            await state.money.flush();
            claims = await state.link.end(state.stored.hash, state.key);
        } catch (error) {
            throw workerError(error);
        }
        if (state.phase !== 'settling') {
            return; // a breach was found meanwhile
        }
        if (claims) {
            await this.untilEnded();
        } else {
            await state.change({ note: 'worth less to the worker than a claim costs' });
            await this.leave();
        }
    }

    /** Waits until the account has ended, or has paid all that was signed. */
    private async untilEnded(): Promise<void> {
        const { state } = this;
        let absent = 0;
        await this.until(async () => {
            const reading = await this.channel();
            absent = reading.type === 'active' ? 0 : absent + 1;
            if (absent >= ABSENT_READS) {
                await state.change({ phase: 'ended' });
                return true;
            }
            const { spent } = this;
            if (reading.type === 'active' && state.phase === 'settling' && spent > 0n && reading.paid === spent) {
                await state.change({ phase: 'settled' });
                return true;
            }
            return false;
        });
    }

    private async until(holds: () => Promise<boolean>): Promise<boolean> {
        for (let poll = 0; poll < MAX_POLLS; poll++) {
            if (await holds()) {
                return true;
            }
            await new Promise((resolve) => setTimeout(resolve, this.state.context.pollMs));
        }
        return false;
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

export function overLimit(what: string, amount: bigint, limit: bigint): ClientError {
    const message = `${what} of ${amount} nanoTON is above this client's limit of ${limit}`;
    return new ClientError('over_limit', message, 'Ask for less, or open the client with a higher limit.');
}
