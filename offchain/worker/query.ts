/**
 * One running query: turns the backend's deltas into paid, sealed, stored frames, and ends with a receipt.
 *
 * Longer than 350 lines because the whole life of a query, from its accept to its end, is in one class.
 */
import { answerRoot, contentHash, Finish, larger, noTokens, Reason, type TokenCounts } from '@cocoon-market/wrappers';
import { BackendError, type BackendEvent, type BackendDelta, type Usage } from '../backend';
import {
    choicesOf,
    commitEvery,
    encodeRecord,
    encodeRetryAfter,
    FrameKind,
    type ModelRequest,
    RecordType,
    MAX_RETRY_AFTER,
} from '../link';
import type { AnswerTokens, TokenCounter } from '../tokens';
import { Answer, type Part, parts, WholeText } from './answer';
import { BackendAnswer } from './backendAnswer';
import type { Seat } from './backends';
import type { WorkerContext } from './context';
import { billedCounts, frameTokens, promptBoundPrice, unpaidTokens } from './credit';
import { signFail } from './fails';
import type { ActiveQuery, QueryCredit, WorkerJob } from './job';
import { ClientPatience } from './patience';
import { QueryCost } from './queryCost';
import { Refused } from './refusal';
import type { WaitingRoom } from './waitingRoom';

/** Takes the records of an answer. A client that has left takes nothing, and delays nothing. */
export interface RecordSink {
    /** Undefined if there is room for more; else resolves when there is, or the client has left. */
    write(bytes: Buffer): Promise<void> | undefined;
    end(): void;
}

/** A query that was accepted: the accept is on the disk. */
export interface AcceptedQuery {
    number: number;
    request: Buffer; // hash
    secret: Buffer;
    ceiling: bigint; // nanoTON
    modelRequest: ModelRequest; // with the maxTokens that the ceiling allows
    promptBound: number; // tokens
    promptEstimate: number; // tokens, where nobody counts them
    counter: TokenCounter; // of the offer
    seat: Seat; // at the backends
}

/** How a backend ended its answer. */
interface AnswerEnd {
    finish: Finish;
    usage?: Usage; // undefined if the rest of the answer had no room
}

const FINISHES = { stop: Finish.Stop, length: Finish.Length, content_filter: Finish.ContentFilter };

const MAX_SPEED = 1; // tokens that a model makes of one choice in a millisecond, at most

/** Runs one accepted query to its receipt. */
export class RunningQuery implements ActiveQuery {
    private readonly answer: Answer;
    private readonly text = new WholeText();
    private readonly source: BackendAnswer;
    private cutBy: Finish | undefined;
    private failReason = Reason.Stopped; // if nothing was sent
    private retryAfter: number | undefined; // seconds, of a backend that is busy
    private waits = false; // for its client
    private hasFreeWork = false; // more than a step of its work has no text that a client pays
    private pending = 0; // tokens that are made and in no delta so far
    private unpaidWork = 0n; // nanoTON, see unpaidTokens
    private readonly cost: QueryCost;
    private readonly credit: QueryCredit;
    private readonly patience: ClientPatience;
    private leavePlace: () => void = () => undefined; // among those that wait for credit
    started = false;
    private ended: Promise<void> | undefined;
    private isStored = false; // its end
    private timer: NodeJS.Timeout | undefined; // until its deadline

    constructor(
        private readonly context: WorkerContext,
        private readonly job: WorkerJob,
        private readonly query: AcceptedQuery,
        private readonly sink: RecordSink,
    ) {
        this.patience = new ClientPatience(context.config.creditSeconds * 1000);
        this.answer = new Answer(query.secret, query.number, job.terms, query.counter);
        this.cost = new QueryCost(this.answer, query.promptBound, job.terms);
        this.source = new BackendAnswer(query.seat, query.modelRequest);
        this.credit = job.creditOf(query.modelRequest);
    }

    get number(): number {
        return this.query.number;
    }

    get ceiling(): bigint {
        return this.query.ceiling;
    }

    get sent(): bigint {
        return this.cost.now().sent;
    }

    get unmetered(): bigint {
        return this.cost.now().unmetered;
    }

    /**
     * Called right before the accept. Throws {@link Refused} if the model cannot begin at once, and the job has no more
     * fails of queries that never ran: an accept that is dropped would stay on the disk with its fail.
     */
    requireStart(): void {
        if (this.job.unpaid.isEmpty && !this.canStart) {
            throw new Refused('declined', 'Too many queries of this job were dropped before they ran: pay first');
        }
    }

    /**
     * Called right before the accept. Takes a place among those that wait for credit, unless the model may begin at
     * once, and has it until it begins or ends. Throws {@link NoRoom}. `size`: bytes of the sealed request.
     */
    takePlace(room: WaitingRoom, size: number): void {
        const { job } = this;
        if (!this.canStart) {
            this.leavePlace = room.take({
                client: () => job.sharer,
                paid: () => job.paid,
                size,
                giveWay: () => this.stop(Finish.CutByWorker, Reason.TooBusy),
            });
        }
    }

    /** True if the model may begin at once, and need not wait for credit. */
    private get canStart(): boolean {
        const { client } = this.credit;
        return this.cutBy === undefined && client.canStart(this.job.terms.step, this.mayRun, this.job.id);
    }

    /**
     * Has the model begin while the accept is on its way to the disk, if there is credit at once. Nothing leaves before
     * {@link run}.
     */
    prepare(): void {
        const { job } = this;
        this.startTimer();
        if (this.cutBy === undefined && this.credit.client.startNow(job.terms.step, this.mayRun, job.id)) {
            this.started = true;
            this.source.begin();
        }
    }

    /** The accept could not be stored: ends what {@link prepare} began. */
    discard(): void {
        clearTimeout(this.timer);
        this.leavePlace();
        this.stop(Finish.CutByWorker);
        if (this.started && this.ended === undefined) {
            this.credit.client.endQuery(this.job.terms.step, 0n, this.job.id);
        }
    }

    cut(finish: Finish): Promise<void> {
        this.stop(finish);
        return this.run();
    }

    /** Its client has left before it runs: it ends as soon as {@link run} is called. */
    leave(): void {
        this.stop(Finish.CutByClient);
    }

    /** Resolves when the receipt is stored and sent. */
    run(): Promise<void> {
        this.ended ??= this.runOnce();
        return this.ended;
    }

    /**
     * Ends it a little before the deadline that the accept promised, so that the receipt is in time. The deadline runs
     * from the signature, also while the accept is on its way to the disk.
     */
    private startTimer(): void {
        this.timer ??= setTimeout(
            () => this.stop(this.waits ? Finish.CutByClient : Finish.CutByBackend, Reason.BackendSlow),
            this.context.config.answerSeconds * 950,
        );
    }

    private async runOnce(): Promise<void> {
        this.startTimer();
        try {
            await this.waitForCredit().finally(() => this.leavePlace());
            const end = this.started ? await this.stream() : undefined;
            await (end === undefined && !this.answer.hasWord ? this.fail() : this.finish(end));
        } catch (error) {
            // A query that was accepted and never ends costs the stake. The next process ends it.
            if (!this.isStored && !(error instanceof Refused)) {
                this.context.fatal(new Error('A query could not be ended', { cause: error }));
            }
            throw error;
        } finally {
            clearTimeout(this.timer);
            if (this.started) {
                this.credit.client.endQuery(this.job.terms.step, this.droppedCost(), this.job.id);
            }
            this.query.seat.release();
            this.job.remove(this.query.number);
            this.sink.end();
        }
    }

    private readonly mayRun = () => this.job.mayRun(this);

    /** Rule 5: the model runs once there is credit in its job, and over all jobs of this client. */
    private async waitForCredit(): Promise<void> {
        const { job, context } = this;
        if (this.started) {
            return;
        }
        this.waits = true;
        const { client } = this.credit;
        // Also while only its own job owes: a client may have credit in others, and let such queries wait for minutes.
        if (!client.mayStart(job.terms.step, job.id) || !this.mayRun()) {
            this.query.seat.yield();
        }
        const { creditSeconds } = context.config;
        const { signal } = this.source;
        this.started = await client.startInTime(job.terms.step, creditSeconds, signal, this.mayRun, job.id);
        this.waits = false;
        if (!this.started) {
            job.unpaid.spend();
            this.stop(Finish.CutByClient, Reason.Unfunded);
        }
    }

    /**
     * nanoTON of what was done and nobody pays: at most the prompt if the client cut the answer before a word, and what
     * was made without text, if that is more than the rest. A little of it is the way of a model.
     */
    private droppedCost(): bigint {
        const { answer, job, query } = this;
        if (this.hasFreeWork) {
            return job.terms.step;
        }
        const isFree = !answer.hasWord && this.cutBy === Finish.CutByClient;
        const prompt = isFree ? promptBoundPrice(query.promptBound, job.terms.rates) : 0n;
        const work = answer.unaccepted(this.pending);
        return prompt + larger(this.unpaidWork, work > answer.price() ? work : 0n);
    }

    /**
     * Notes what its model made beyond what is billed. `usage`: what the server reported, if the answer came to its
     * end. Reasoning that a server reports and does not show is its own way; only who chooses tokens may cause it.
     */
    private noteUnpaid(billed: TokenCounts, usage?: Usage): void {
        const { job, query, context } = this;
        const { completion = 0, reasoning = 0 } = usage ?? this.unreported;
        const unpaid = (made: AnswerTokens) =>
            unpaidTokens({ made, billed, maxTokens: query.modelRequest.maxTokens }, job.terms.rates);
        const all = unpaid({ completion, reasoning });
        const isPlain = this.credit === job;
        this.unpaidWork = isPlain ? unpaid({ completion, reasoning: Math.min(reasoning, billed.reasoning) }) : all;
        if (all > this.unpaidWork) {
            const message = 'the model server reports reasoning that it does not show, and nobody pays that';
            context.log.warn({ ...job.logName, number: query.number }, message);
        }
    }

    /**
     * The most that a server may have made that counts at the end only, of an answer that did not come to it. That is
     * so if its client left, or it took too long or had no room. It counts for queries that choose tokens alone: the
     * clients of others leave without any ill will.
     */
    private get unreported(): AnswerTokens {
        const { job, credit, cutBy, failReason } = this;
        const { modelRequest, seat } = this.query;
        const since = modelRequest.endpoint === 'embedding' ? undefined : seat.uncountedSince; // vectors are no tokens
        const ranOn = cutBy === undefined || cutBy === Finish.CutByClient || failReason === Reason.BackendSlow;
        if (credit === job || since === undefined || !ranOn) {
            return noTokens;
        }
        const completion = Math.ceil((performance.now() - since) * MAX_SPEED) * choicesOf(modelRequest);
        return { completion, reasoning: 0 };
    }

    /**
     * Cuts the query once more than a step of the backend's work is such as no client pays, for example tokens without
     * text. A server may keep some text back, so less is no cause.
     */
    private checkPayable(): void {
        const { step } = this.job.terms;
        if (this.cutBy === undefined && this.answer.unaccepted(this.pending) > step) {
            this.hasFreeWork = true;
            this.stop(Finish.CutByWorker, Reason.Unsupported); // a node of another model may do it
            const message = 'a query is cut: the model makes tokens without text, which nobody pays';
            this.context.log.warn({ ...this.job.logName, number: this.query.number }, message);
        }
    }

    private stop(finish: Finish, reason = Reason.Stopped): void {
        if (this.cutBy === undefined) {
            this.cutBy = finish;
            this.failReason = reason;
            this.source.stop();
        }
    }

    /** Delivers the backend's answer; undefined when it was cut. */
    private async stream(): Promise<AnswerEnd | undefined> {
        try {
            while (this.cutBy === undefined) {
                const event = await this.source.next();
                const end = event && (await this.take(event));
                if (end !== undefined) {
                    return end;
                }
            }
        } catch (error) {
            this.stopByBackend(error);
        } finally {
            this.source.stop();
        }
        return undefined;
    }

    private stopByBackend(error: unknown): void {
        const expected = error instanceof BackendError ? error : undefined;
        this.retryAfter = expected?.retryAfter;
        this.stop(Finish.CutByBackend, expected?.reason ?? Reason.BackendDown);
        // Other errors may carry text of the prompt.
        const message = expected?.message ?? `an unexpected error (${(error as Error).name})`;
        this.context.log.error({ ...this.job.logName, number: this.query.number, message }, 'backend failed');
    }

    private async take(event: BackendEvent): Promise<AnswerEnd | undefined> {
        this.patience.begin();
        switch (event.type) {
            case 'prompt': {
                const cached = Math.min(event.cached, this.query.promptBound);
                this.answer.setPrompt({ prompt: Math.min(event.prompt, this.query.promptBound - cached), cached });
                return undefined;
            }
            case 'work':
                this.pending = event.tokens;
                this.checkPayable();
                return undefined;
            case 'delta':
                this.pending = 0;
                return (await this.deliver(this.text.join(event))) ? undefined : { finish: Finish.Length };
            case 'end':
                for (const rest of this.text.takeRest()) {
                    if (!(await this.deliver({ ...rest, ...(this.answer.allCounted && { tokens: 0 }) }))) {
                        return { finish: Finish.Length };
                    }
                }
                return this.cutBy === undefined
                    ? { finish: FINISHES[event.finish], usage: event.usage ?? {} }
                    : undefined;
        }
    }

    /** Resolves with false when the ceiling or the maximal answer is reached. The caller checks for a cut. */
    private async deliver(delta: BackendDelta): Promise<boolean> {
        const { rates, step } = this.job.terms;
        if (delta.tokens === undefined) {
            this.answer.allCounted = false;
        }
        for (const part of parts(delta, frameTokens(step, rates), this.query.counter)) {
            const max = this.ceiling - (this.answer.promptKnown ? 0n : promptBoundPrice(this.query.promptBound, rates));
            if (this.answer.priceWith(part) > max || !this.answer.fits(part)) {
                return false;
            }
            const sent = await this.send(part, max);
            if (sent !== 'sent') {
                return sent === 'stopped';
            }
        }
        return true;
    }

    private async send(part: Part, max: bigint): Promise<'sent' | 'full' | 'stopped'> {
        const { answer, job } = this;
        const cost = answer.maxPriceOf(part);
        if (answer.uncommitted() + cost > commitEvery(job.terms.step)) {
            await this.commit();
        }
        while (this.cutBy === undefined && !job.maySend(cost)) {
            await this.waitForVoucher(cost);
        }
        if (this.cutBy !== undefined) {
            return 'stopped';
        }
        if (!answer.fits(part)) {
            return 'full'; // a meter frame took its place
        }
        const frame = answer.addPart(part, max);
        if (part.kind === FrameKind.Note) {
            job.notes.spend(frame.length);
        }
        await this.write(frame);
        this.checkPayable();
        return 'sent';
    }

    /**
     * Rule 5: shows the client everything that it may pay for, then waits for a voucher, and cuts the query if none
     * comes.
     */
    private async waitForVoucher(cost: bigint): Promise<void> {
        const { answer, job } = this;
        await this.commit();
        if (this.cutBy !== undefined) {
            return;
        }
        const meter = answer.addMeter();
        if (meter !== undefined) {
            await this.write(meter);
        }
        const changed = job.change();
        if (job.maySend(cost)) {
            return; // the voucher came during the write
        }
        await this.waitForClient(changed);
    }

    /** Waits for something that its client does, and cuts the query once it has waited too long for it in all. */
    private async waitForClient(act: Promise<unknown>): Promise<void> {
        this.waits = true;
        await this.patience.wait(Promise.race([act, this.source.stopped]), () =>
            this.stop(Finish.CutByClient, Reason.Unfunded),
        );
        this.waits = false;
        if (this.patience.isLong) {
            this.job.noteIdlePlace();
        }
    }

    /** Stores what was sent. If the store does not take it, the query ends, and its result brings the bytes along. */
    private async commit(): Promise<void> {
        const { bytes, counts, done, undo } = this.answer.takePending();
        if (bytes.length === 0) {
            return;
        }
        const { number } = this.query;
        const { promptKnown } = this.answer;
        try {
            await this.context.store.queries.append({ job: this.job.id, number, bytes, counts, promptKnown });
            done();
        } catch (error) {
            undo();
            this.context.log.error({ ...this.job.logName, number, err: error }, 'an answer is cut: it is not stored');
            this.stop(Finish.CutByWorker);
        }
    }

    /** Waits for room, at most until the query ends, because a client that reads nothing must not delay its receipt. */
    private async write(bytes: Buffer, type = RecordType.Answer): Promise<void> {
        const room = this.sink.write(encodeRecord(type, bytes));
        if (room !== undefined) {
            await this.waitForClient(room);
        }
    }

    private async fail(): Promise<void> {
        const { number, request } = this.query;
        const { context, job } = this;
        job.requireNewest();
        if (this.started) {
            this.noteUnpaid(noTokens);
            this.credit.fails.spend();
        }
        const receipt = signFail(context, { job: job.id, number, request }, this.failReason);
        await context.store.queries.end({ kind: 'fail', job: job.id, number, receipt });
        this.isStored = true;
        context.metrics.addSigned('fail', this.failReason);
        if (this.retryAfter !== undefined) {
            await this.sink.write(encodeRetryAfter(Math.min(this.retryAfter, MAX_RETRY_AFTER)));
        }
        await this.write(receipt, RecordType.Fail);
    }

    /** Rules 9 and 12. */
    private async finish(end: AnswerEnd | undefined): Promise<void> {
        const { answer, job, query } = this;
        const { counts: meter, accepted, promptKnown, allCounted, textEstimate } = answer;
        const { promptBound, promptEstimate, ceiling } = query;
        const measured = { meter, accepted, promptBound, promptKnown, allCounted, promptEstimate, textEstimate };
        const ended = { ...measured, usage: end?.usage, cut: end === undefined, ceiling };
        const counts = billedCounts(ended, job.terms.rates);
        this.noteUnpaid(counts, end?.usage);
        const final = end === undefined ? undefined : answer.addFinal(counts);
        const storing = job.signResult({
            number: query.number,
            bytes: answer.takePending().bytes,
            counts,
            content: contentHash(query.request, answerRoot(answer.bytes)),
            finish: end?.finish ?? this.cutBy ?? Finish.CutByWorker,
            fails: this.credit.fails,
        });
        job.running.delete(query.number); // in the same step in which its price joins those of the results
        const receipt = await storing;
        this.isStored = true;
        if (final !== undefined) {
            await this.write(final);
        }
        await this.write(receipt, RecordType.Result);
    }
}
