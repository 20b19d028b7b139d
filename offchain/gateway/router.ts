// Longer than 350 lines because every way in which an attempt fails decides what the next one may do.
/** Brings one question to a job, and to one other when the first fails before anything was delivered. */
import { isTestOnly, Reason, Refusal, Result } from '@cocoon-market/wrappers';
import { Address } from '@ton/core';
import { setTimeout as sleep } from 'node:timers/promises';
import { causeOf, Frame, noteFeatures } from '../link';
import { ClientGone, GatewayError, unavailable } from './errors';
import { Breach, ClockInDoubt } from '../payer/incoming';
import type { Closing } from './closing';
import type { GatewayContext } from './context';
import type { Endings } from './endings';
import type { GatewayJob, Lease } from './job';
import type { NotStored } from './notStored';
import { isCut } from '../payer/check';
import { featuresOf, keyOf } from './nodes';
import type { AnswerTimes } from './nodeStats';
import { requireThere, whileThere } from './patience';
import { Excluded, JobPool } from './pool';
import { ask, BrokenOff, Question, QueryOutcome, sizeOf } from './query';
import { receiptId } from './receipts';
import type { Recovery } from './recovery';
import { hasGoneOn } from './silence';
import { tooManyRefused, type VainCounts, vainCounts, VainRequests } from './vainRequests';
import { WorkerDown, WorkerRefusal } from '../payer/workerErrors';

/** Where an answer goes. */
export interface AnswerSink {
    /** Before the first frame: which job and query answer. */
    begin(job: GatewayJob, number: number): void;
    frame(frame: Frame): Promise<void>;
}

/** What the usage of an answer says besides its counts and its cost. */
export interface Bill {
    job_balance_nanoton: string; // that no answer has cost yet
    node: string; // address
    tier: string; // of attestation
    receipt: string; // see `receiptId`
}

export type BilledResult = Result & { bill?: Bill };

const BROKEN = 'The node ended the answer before it was whole; only what arrived is paid';

/** The connection to the node ended in the middle of an answer; what arrived is paid. */
export class AnswerBroken extends GatewayError {
    constructor() {
        super(502, 'answer_broken', BROKEN, { billed: true });
    }
}

const ATTEMPTS = 2;

// Another process of the same worker is no other node, so it takes no attempt of another node away.
const attemptsOf = ({ process, takeover }: Excluded): number =>
    ATTEMPTS + (process === undefined ? 0 : 1) + (takeover === true ? 1 : 0);

// A node that refuses a prompt for one of these refuses longer ones, too.
const TOO_LONG: readonly number[] = [Reason.ContextExceeded, Reason.StepTooSmall, Reason.TooLarge];
const PLACE_MS = 2000; // for which a query that was cut keeps its place of a job, until its ending is known
const MAX_UNSIGNED = 4; // of a job without a signature, since its last result

/** What to do after a failed attempt. */
interface NextStep {
    error: GatewayError; // for the client, if there is no other attempt
    /** `process`: sessions of all its jobs, if it is not alone; `takeover`: the session once, and then the worker. */
    avoid: 'worker' | 'process' | 'takeover' | 'job' | 'nothing';
    final?: boolean; // another attempt would change nothing
    reuse?: boolean; // another attempt is worth no new job, unless its node lists room for the request
    isRefusal?: boolean; // for what the query is, or for a while: it says nothing of the node's answers
}

/** What a node signed that it does not answer. */
interface Refused {
    job: GatewayJob;
    reason: number;
}

type RefusedOutcome = Extract<QueryOutcome, { refusal: Refusal }>;

export interface RouterParts {
    pool: JobPool;
    recovery: Recovery;
    endings: Endings;
    closing: Closing;
}

export class Router {
    private readonly vain = new VainRequests();

    constructor(
        private readonly context: GatewayContext,
        private readonly parts: RouterParts,
    ) {}

    /** Answers one question. Throws {@link GatewayError} or {@link ClientGone}. */
    async answer(question: Question, sink: AnswerSink, signal: AbortSignal): Promise<BilledResult> {
        const { pool } = this.parts;
        pool.countQuestion(question, 1);
        try {
            return await this.answerNow(question, sink, signal);
        } finally {
            pool.countQuestion(question, -1);
        }
    }

    private async answerNow(question: Question, sink: AnswerSink, signal: AbortSignal): Promise<BilledResult> {
        const { pool, closing } = this.parts;
        const { config, escrow } = this.context;
        const clock = () => escrow.clock.read();
        // Whoever has the only key harms nobody else.
        const isOneOfSeveral = question.payer !== undefined && this.context.people.apiKeys.usable > 1;
        const counts = isOneOfSeveral ? vainCounts(keyOf(question.payer), question.modelRequest) : undefined;
        const excluded: Excluded = { workers: new Set(this.usedUp(counts)), jobs: new Set(), sessions: new Set() };
        const refusals: Refused[] = [];
        let failure: GatewayError | undefined;
        for (let attempt = 1; attempt <= attemptsOf(excluded); attempt++) {
            let lease: Lease;
            try {
                lease = await this.acquire(question, excluded, counts, signal);
            } catch (error) {
                throw error instanceof ClientGone ? error : (failure ?? error);
            }
            const { job } = lease;
            let begun = false;
            const askedAt = performance.now();
            let firstAt = askedAt;
            let characters = 0; // that came before the app left
            let isSilent = false;
            const deliver = async (frame: Frame, number: number) => {
                if (!begun && (frame.text !== '' || frame.final)) {
                    begun = true;
                    firstAt = performance.now();
                    sink.begin(job, number);
                }
                characters += signal.aborted ? 0 : frame.text.length;
                await sink.frame(frame);
            };
            const noteRefusal = (reason: number, retryAfter?: number) => {
                refusals.push({ job, reason });
                const next = this.ofRefusal(job, { reason, retryAfter, key: keyOf(question.payer) });
                this.requireMore(next, { begun, brokenOff: false }, signal);
                failure = this.exclude(next, job, question, excluded);
            };
            try {
                const keep = config.keepHours > 0;
                const onNotStored = (ending: NotStored) => void this.parts.endings.store(ending);
                const onSilent = () => {
                    isSilent = true;
                    this.noteSilent(job, question);
                };
                const outcome = await ask(lease, question, { clock, deliver, signal, keep, onNotStored, onSilent });
                closing.bookOutcome(job, outcome);
                if (outcome.type === 'result') {
                    this.notePaid(counts, job, outcome.result);
                    const { completion, reasoning, finish } = outcome.result;
                    const seconds = (performance.now() - firstAt) / 1000;
                    const measured = { delay: (firstAt - askedAt) / 1000, seconds, tokens: completion + reasoning };
                    if (!isCut(finish)) {
                        this.learn(job, question, measured, refusals);
                    } else if (!signal.aborted) {
                        this.context.nodes.stats.addFailure(job.stored.worker, keyOf(question.payer));
                    }
                    return { ...outcome.result, bill: this.billOf(job, outcome.result) };
                }
                this.noteVain(counts, job, outcome);
                noteRefusal(outcome.refusal.reason, outcome.retryAfter);
            } catch (error) {
                if (error instanceof GatewayError || error instanceof ClientGone) {
                    throw error;
                }
                if (error instanceof WorkerRefusal && error.code === 'too_large') {
                    refusals.push({ job, reason: Reason.TooLarge });
                }
                if (error instanceof WorkerRefusal && error.code === 'no_storage') {
                    // It goes on to answer with text, so it is avoided only for what it cannot store.
                    this.context.nodes.stats.addRefusal(job.stored.worker, noteFeatures, keyOf(question.payer));
                }
                const isCutByApp = signal.aborted && error instanceof BrokenOff && !isSilent;
                if (isCutByApp && hasGoneOn(characters, (performance.now() - firstAt) / 1000)) {
                    this.context.nodes.stats.addCut(job.stored.worker, keyOf(question.payer));
                }
                const next = await this.ofError(job, question, error, signal);
                if (!signal.aborted && next.isRefusal !== true && next.avoid !== 'takeover') {
                    this.context.nodes.stats.addFailure(job.stored.worker, keyOf(question.payer));
                }
                this.requireMore(next, { begun, brokenOff: error instanceof BrokenOff }, signal);
                failure = this.exclude(next, job, question, excluded);
            } finally {
                pool.release(job, question);
            }
        }
        throw failure!;
    }

    // Many requests may wait for a place at once, and a node may have refused too many others meanwhile.
    private async acquire(
        question: Question,
        excluded: Excluded,
        counts: VainCounts | undefined,
        signal: AbortSignal,
    ): Promise<Lease> {
        const { pool } = this.parts;
        for (;;) {
            try {
                const lease = await pool.acquire(question, excluded, signal);
                const { job } = lease;
                const { worker } = job.stored;
                if (!this.usedUp(counts).includes(worker)) {
                    return lease;
                }
                excluded.workers.add(worker);
                lease.drop();
                job.end();
                pool.release(job, question);
            } catch (error) {
                const isWithoutNode = error instanceof GatewayError && error.code === 'no_node';
                throw isWithoutNode && this.usedUp(counts).length > 0 ? tooManyRefused() : error;
            }
        }
    }

    // The workers (URL) that refused or failed too many requests as this one.
    private usedUp(counts: VainCounts | undefined): string[] {
        return counts === undefined ? [] : this.vain.allUsedUp(counts);
    }

    // A worker that has not noticed yet that a query was cut has no place for another one, and would be blamed for it.
    private async freePlace(job: GatewayJob, question: Question, ended: Promise<void>): Promise<void> {
        await Promise.race([ended, sleep(PLACE_MS, undefined, { ref: false })]).catch(() => undefined);
        job.end();
        this.parts.pool.release(job, question);
    }

    private noteSilent(job: GatewayJob, question: Question): void {
        const { nodes } = this.context;
        const { worker } = job.stored;
        nodes.stats.addFailure(worker, keyOf(question.payer));
        nodes.cool(worker);
        this.parts.pool.openElsewhere(job, question); // the query may go on for minutes
    }

    private notePaid(counts: VainCounts | undefined, { stored }: GatewayJob, { price }: Result): void {
        if (counts !== undefined && price > 0n) {
            this.vain.notePaid(counts.failed, stored.worker);
        }
    }

    // A fail counts, whatever it names: a request may be made to bring it about, and the node counts it. What a node
    // declines because of itself or of a job does not, nor that it is busy and says until when.
    private noteVain(
        counts: VainCounts | undefined,
        { stored }: GatewayJob,
        { type, refusal: { reason }, paid, retryAfter }: RefusedOutcome,
    ): void {
        const { origin } = causeOf(reason);
        const isOfRequest = origin === 'request' || origin === 'server' || TOO_LONG.includes(reason);
        const isFail = type === 'fail' && origin === 'node' && retryAfter === undefined;
        if (counts === undefined || paid || !(isOfRequest || isFail)) {
            return;
        }
        if (type === 'decline') {
            this.vain.addDeclined(counts, stored.worker);
        } else {
            this.vain.add(counts.failed, stored.worker);
        }
    }

    private billOf({ stored, terms, balance }: GatewayJob, { number }: Result): Bill {
        const testOnly = isTestOnly(this.context.network);
        return {
            job_balance_nanoton: balance.toString(),
            node: new Address(0, terms.node).toString({ testOnly }),
            tier: stored.tier,
            receipt: receiptId(stored.number, number),
        };
    }

    // What one node did shows what others refused without need.
    private learn(job: GatewayJob, question: Question, measured: AnswerTimes, refusals: Refused[]): void {
        const { needed, payer } = question;
        const { stats } = this.context.nodes;
        const [features, key] = [featuresOf(needed), keyOf(payer)];
        stats.addAnswer(job.stored.worker, measured, features, key);
        for (const { job: other, reason } of refusals.filter((one) => one.job.stored.worker !== job.stored.worker)) {
            if (TOO_LONG.includes(reason)) {
                stats.addTooLong(other.stored.worker, sizeOf(question, other.tokenizer), key);
            } else if (causeOf(reason).origin === 'server') {
                stats.addRefusal(other.stored.worker, features, key);
                this.context.log.warn(
                    { worker: other.stored.worker, features, reason: Reason[reason] },
                    'a node refuses what it lists, and another does it',
                );
            }
        }
    }

    private exclude(next: NextStep, job: GatewayJob, question: Question, excluded: Excluded): GatewayError {
        const { error, avoid, reuse, isRefusal } = next;
        const isRefused = isRefusal === true || (avoid === 'takeover' && excluded.takeover === true);
        const refusesOften = isRefused && this.noteRefused(job, question);
        excluded.opensNone = reuse === true && !refusesOften;
        const { worker } = job.stored;
        const process = job.worker.process;
        const hasOthers = this.context.nodes.processesOf(worker).some((url) => url !== process);
        if (avoid === 'worker' || (avoid === 'process' && (!hasOthers || excluded.process !== undefined))) {
            excluded.workers.add(worker);
        } else if (avoid === 'process') {
            excluded.process = process;
            const atIt = this.parts.pool.openJobs().filter((each) => each.worker.process === process);
            [job, ...atIt].forEach(({ session }) => excluded.sessions.add(session));
        } else if (avoid === 'takeover' && excluded.takeover !== true) {
            excluded.takeover = true;
            excluded.sessions.add(job.session);
        } else if (avoid === 'takeover') {
            excluded.workers.add(worker);
        } else if (avoid === 'job') {
            excluded.jobs.add(job.number);
        }
        return error;
    }

    /**
     * Throws if there is no other attempt. `begun`: the client got text; `brokenOff`: the connection to the node ended.
     */
    private requireMore(
        { error, final }: NextStep,
        { begun, brokenOff }: { begun: boolean; brokenOff: boolean },
        signal: AbortSignal,
    ): void {
        requireThere(signal);
        if (begun) {
            throw brokenOff ? new AnswerBroken() : new GatewayError(502, 'answer_broken', BROKEN, { billed: true });
        }
        if (final === true) {
            throw error;
        }
    }

    private async ofError(job: GatewayJob, question: Question, error: unknown, signal: AbortSignal): Promise<NextStep> {
        const { nodes, log } = this.context;
        const { worker } = job.stored;
        if (error instanceof BrokenOff) {
            const ended = this.parts.endings.fetch(error.lease, error.query, error.received);
            if (error.keepsPlace) {
                void this.freePlace(job, question, ended);
            }
            if (error.cause instanceof ClockInDoubt) {
                log.error({ job: job.number, reason: error.cause.message }, 'nobody is blamed for a time');
                return {
                    error: unavailable(
                        "The clock of this gateway's machine is not the chain's, so a node's times cannot be judged: set it",
                        'clock',
                    ),
                    avoid: 'worker',
                };
            }
            if (!job.abandoned.signal.aborted && !signal.aborted) {
                nodes.cool(worker);
            }
            return {
                error: unavailable('The node went away before it answered, and there is no other', 'node_down'),
                avoid: 'process',
            };
        }
        if (error instanceof Breach) {
            this.parts.closing.abandon(job, error.message);
            return {
                error: new GatewayError(
                    502,
                    'bad_node',
                    'The node broke the protocol; it is paid no more and its job is left',
                ),
                avoid: 'worker',
            };
        }
        if (error instanceof WorkerRefusal) {
            log.warn(
                { job: job.number, code: error.code, explanation: error.explanation },
                'the worker refused a query',
            );
            return this.ofUnsigned(job, error, signal);
        }
        if (error instanceof WorkerDown) {
            nodes.cool(worker);
            return {
                error: unavailable('The node does not answer, and there is no other', 'node_down'),
                avoid: 'process',
            };
        }
        throw error;
    }

    // A refusal without a signature obliges and proves nothing. If it is about the job, the job ends and the node is
    // avoided; otherwise each such refusal would open the next job.
    private async ofUnsigned(job: GatewayJob, refusal: WorkerRefusal, signal: AbortSignal): Promise<NextStep> {
        const { code, retryAfter } = refusal;
        const message = `The node refused the query (${code}), and there is no other`;
        const error = new GatewayError(503, 'node_refused', message, { retryAfter });
        switch (code) {
            case 'too_large':
                // By the limit of this node; others may take more. It is no failure before one does.
                return {
                    error: new GatewayError(413, 'too_large', 'The request is longer than the nodes take: send less', {
                        param: 'messages',
                    }),
                    avoid: 'worker',
                    isRefusal: true,
                };
            case 'leaving':
                if (this.parts.pool.isEnding(job)) {
                    this.parts.closing.retire(job, 'its end is near');
                    return { error, avoid: 'job' };
                }
                this.parts.closing.leaveRefused(job, code);
                return { error, avoid: 'worker' };
            case 'wrong_terms':
            case 'wrong_channel':
                this.parts.closing.leaveRefused(job, code);
                return { error, avoid: 'worker' };
            case 'bad_voucher':
                this.parts.closing.abandon(job, 'the worker refuses its vouchers');
                return { error, avoid: 'worker' };
            case 'paused':
                this.context.nodes.cool(job.stored.worker);
                return { error, avoid: 'worker', isRefusal: true };
            case 'no_storage': {
                const message =
                    'The nodes store no more vectors and log probabilities for this gateway for now: ask later, or ' +
                    'without "logprobs". They store more for what is paid';
                return { error: unavailable(message, 'no_storage'), avoid: 'worker', isRefusal: true };
            }
            case 'taking_over': // the other jobs of the worker are with processes that run
                if (refusal.isOverdue) {
                    this.context.nodes.cool(job.stored.worker);
                    return this.ofRepeated(job, refusal, error, signal);
                }
                return { error, avoid: 'takeover' };
            case 'shutting_down':
            case 'chain_down':
            case 'internal':
            case 'declined': // for a while, as signed declines are
            case 'running':
                this.context.nodes.cool(job.stored.worker);
                return { error, avoid: 'worker' };
            default:
                return this.ofRepeated(job, refusal, error, signal);
        }
    }

    // An honest node may refuse so once, but not again and again without an answer between.
    private async ofRepeated(
        job: GatewayJob,
        { code, session }: WorkerRefusal,
        error: GatewayError,
        signal: AbortSignal,
    ): Promise<NextStep> {
        const again = code === 'unknown_job' || code === 'unknown_session' || code === 'used_number';
        // A worker that began again refuses every query of its last session; that is one refusal.
        if (!again || (session !== undefined && session === job.session)) {
            job.refusals++;
        }
        if (job.refusals >= MAX_UNSIGNED) {
            this.parts.closing.leaveRefused(job, code);
            return { error, avoid: 'worker' };
        }
        if (again) {
            job.session = session === job.session ? undefined : job.session;
            if (job.session === undefined) {
                await whileThere(this.parts.recovery.connect(job), signal);
            }
            return { error, avoid: job.phase === 'open' ? 'nothing' : 'worker' };
        }
        return { error, avoid: 'worker' };
    }

    // True if it refuses most queries of a key. Two such nodes would use up both attempts of every query, and no other
    // node would be asked and prove them wrong. It counts for this key only, whose requests may be what is wrong.
    private noteRefused(job: GatewayJob, question: Question): boolean {
        const { stats } = this.context.nodes;
        const key = keyOf(question.payer);
        stats.addRefused(job.stored.worker, key);
        const refuses = stats.refuses(job.stored.worker, key);
        if (refuses) {
            this.parts.pool.openElsewhere(job, question);
        }
        return refuses;
    }

    private ofRefusal(
        job: GatewayJob,
        { reason, retryAfter, key }: { reason: number; retryAfter: number | undefined; key: string },
    ): NextStep {
        const { nodes, log } = this.context;
        const name = Reason[reason] ?? String(reason);
        log.warn({ job: job.number, reason: name }, 'the node did not answer a query');
        const { origin, status, code, message, param } = causeOf(reason);
        const text = origin === 'node' ? `${message} (${name})` : message;
        const error = new GatewayError(status, code, text, { param, retryAfter });
        // Another job at the node may hold more or last longer; its prices are the same.
        const isOfJob = reason === Number(Reason.Unfunded) || reason === Number(Reason.Leaving);
        // A node that says so of one job after the other does not answer.
        const same = isOfJob && nodes.bans.isOnlyRefusalFor(job.stored.worker, job.number);
        const isRefusal = origin !== 'node' && !isOfJob;
        if (origin === 'node' || (isOfJob && !same)) {
            nodes.stats.addFailure(job.stored.worker, key);
            nodes.cool(job.stored.worker);
        }
        // A node's context may be shorter than another's. Most often the request is too long, and worth no new job.
        const isTooLong = reason === Number(Reason.ContextExceeded);
        const final = origin === 'request' && !isTooLong;
        return { error, avoid: same ? 'job' : 'worker', final, reuse: isTooLong, isRefusal };
    }
}
