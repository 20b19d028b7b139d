// Longer than 350 lines because the choice of a job and the opening of the next one look at the same jobs.
/** The pool of open jobs: lends them to queries, opens the next one ahead, and never opens two for one need. */
import { setTimeout as sleep } from 'node:timers/promises';
import { Rates } from '@cocoon-market/wrappers';
import { choicesOf, RENT, type Session } from '../link';
import { reasonOf } from '../process/errors';
import { reporting } from '../process/log';
import type { JobBook } from './book';
import type { GatewayContext } from './context';
import { badRequest, GatewayError, unavailable } from './errors';
import type { GatewayJob, Lease } from './job';
import type { JobRules } from './jobRules';
import { isTooDear, NO_NEEDS, type OfferFacts } from './needs';
import { type Candidate, keyOf, type Need } from './nodes';
import { ShareUsed } from './openings';
import type { JobOpener } from './opener';
import { requireThere, whileThere } from './patience';
import { inOrder, type Preferences, type RoutedNode, unwanted } from './preferences';
import { maxCost, Question, sizeOf } from './query';
import type { Recovery } from './recovery';
import { ModelUsage } from './forecast';
import { choose, MAX_REFUSALS } from './scoring';

const ENDING_SECONDS = 7200; // before the last notice of a job, in which workers may refuse its queries
const SLOT_MS = 30_000; // longest wait for a running query to end
const RETURN_MS = 250; // between two times that a worker is asked whether another process has its jobs
const MAX_UNREACHABLE = 2; // jobs of one worker that a question avoids: it opens no other there
const GRACE_MS = 300; // that a question waits for a slot before another job is opened: most bursts are shorter
const OPENING_MS = 180_000; // longest wait while a job is being opened
const ELSEWHERE_MS = 300_000; // between two jobs that are opened because the others serve poorly
const MAX_ELSEWHERE = 4; // such jobs after a while without any: there may be several nodes that serve nobody
const ROOM_MS = 300_000; // between two jobs that make room for one at another node
const ONLY_ROOM_MS = 3_600_000; // the same, if it was the only one of its node: each opening costs a fee
const SHARE_USED = 'what the escrow may still open today is left to other keys';
const MAX_BROKEN_OFF = 100; // queries without an ending, from which on their job gets no other: each is asked for again
const MAX_KEPT = 16 << 20; // bytes of answers without an ending, from which on their job gets no other query
const MIN_SHARED = 8; // places, of which the last one is left to other API keys
const PAUSE_MS = 30_000; // after a job that was not opened, before another is tried

/** Workers (URL) and jobs (number) that were tried already. */
export interface Excluded {
    workers: Set<string>;
    jobs: Set<number>;
    sessions: Set<Session | undefined>; // with a process that went away; in a new session their jobs may answer
    process?: string; // URL of the one process whose jobs were avoided, and not its whole worker
    takeover?: boolean; // a worker said that one of its processes takes the job over
    opensNone?: boolean; // only jobs that are open may answer, or a node that lists room for the request
}

/** What a model's questions wait for. */
interface ModelQueue {
    usage: ModelUsage;
    pending: number; // questions without a lease
    coming: number; // slots of jobs that are being opened
    pendingOf: Map<string, number>; // the same by API key
    questionsOf: Map<string, number>; // all that wait or are answered, by API key
    comingFor: Map<string, number>;
    pausedUntil: Map<string, number>; // milliseconds by API key, none is opened ahead or beside others for it before
    elsewhereFrom: number; // milliseconds, when the next job may be opened because others serve poorly
    roomFrom: Map<string, number>; // milliseconds by API key, when the next job may make room for another for it
    objection: string; // why the last one was not opened
}

/**
 * Reserves in the budget of the question's key what it may cost at these rates, once; undefined if it has. Throws 402.
 */
type Hold = (rates: Rates, tokenizer: string) => Promise<void> | undefined;

interface Waiting {
    hold: Hold;
    signal: AbortSignal; // aborted when the client goes away
}

export class JobPool {
    private readonly waiting = new Set<() => void>();
    private readonly queues = new Map<string, ModelQueue>();
    private readonly openings = new WeakSet<Promise<GatewayJob>>(); // jobs being opened
    private readonly totals = new WeakMap<GatewayJob, bigint>(); // nanoTON of its queries that were counted

    constructor(
        private readonly context: GatewayContext,
        private readonly book: JobBook,
        private readonly rules: JobRules,
        private readonly opener: JobOpener,
        private readonly recovery: Recovery,
    ) {}

    /**
     * A lease of a job that can take the question now. Opens a job if there is none, and others if all are busy. The
     * caller must ask. Throws 402 without money, 503 without a node, {@link ClientGone} once `signal` is aborted.
     */
    async acquire(question: Question, excluded: Excluded, signal: AbortSignal): Promise<Lease> {
        const { model } = question.modelRequest.body;
        await whileThere(this.recovery.loaded, signal);
        await question.payer?.requireSome();
        await this.count(question);
        const queue = this.queueOf(model);
        this.addPending(queue, question, 1);
        this.noteUse(model);
        let letGo: (() => void) | undefined;
        const hold: Hold = (rates, tokenizer) => {
            const { payer } = question;
            if (payer === undefined || letGo !== undefined) {
                return undefined;
            }
            const cost = maxCost(rates, question, tokenizer);
            const fresh = freshOf(this.context.config.job.deposit);
            return payer.hold(cost < fresh ? cost : fresh).then((end) => void (letGo = end));
        };
        try {
            return await this.waitInOrder(question, excluded, queue, { hold, signal });
        } catch (error) {
            this.addPending(queue, question, -1);
            throw error;
        } finally {
            letGo?.();
        }
    }

    private count(question: Question): Promise<void> {
        const { model } = question.modelRequest.body;
        return question.count(() => [
            ...this.book.open(model).map(({ tokenizer }) => tokenizer),
            ...this.context.nodes.tokenizers(model),
        ]);
    }

    // What a request prefers is tried first, and then what else it allows.
    private async waitInOrder(
        question: Question,
        excluded: Excluded,
        queue: ModelQueue,
        waiting: Waiting,
    ): Promise<Lease> {
        const steps = await whileThere(this.stepsOf(question, excluded), waiting.signal);
        for (const [i, preferences] of steps.entries()) {
            try {
                return await this.wait({ ...question, preferences }, excluded, queue, waiting);
            } catch (error) {
                if (i === steps.length - 1 || !(error instanceof GatewayError) || error.status === 413) {
                    throw error;
                }
            }
        }
        throw new Error('There is always a step');
    }

    private async stepsOf(question: Question, excluded: Excluded): Promise<(Preferences | undefined)[]> {
        const { preferences, modelRequest } = question;
        if (preferences === undefined || (preferences.order.length === 0 && preferences.sort !== 'price')) {
            return [preferences];
        }
        if (preferences.order.length > 0) {
            return inOrder(preferences);
        }
        // The cheapest node may not have a job yet.
        const { nodes } = this.context;
        const cheapest = await nodes.pick(modelRequest.body.model, excluded.workers, question).catch(() => undefined);
        return cheapest === undefined
            ? [preferences]
            : inOrder({ ...preferences, order: [cheapest.url], fallbacks: true });
    }

    private async wait(
        question: Question,
        excluded: Excluded,
        queue: ModelQueue,
        { hold, signal }: Waiting,
    ): Promise<Lease> {
        const { model } = question.modelRequest.body;
        const need: Need = excluded.opensNone === true ? { ...question, hasRoom: roomFor(question) } : question;
        const start = Date.now();
        let connected = false; // jobs without a session were shown to their workers
        let recovered = false; // what the last run left was taken up
        let opened: GatewayJob | undefined; // for this question
        const patient = <T>(promise: Promise<T>) => whileThere(promise, signal);
        for (;;) {
            requireThere(signal);
            await this.rules.retireUnfit(model);
            await this.rules.retireEnded(this.book.open(model));
            await this.count(question); // a job that was shown to its worker meanwhile has another tokenizer
            const fit = this.fitting(question, excluded);
            const leavesMoney = this.leavesMoney(question);
            const places = this.leavesLast(fit, question)
                ? []
                : this.withRoom(fit, question, start).filter((job) => !leavesMoney(job));
            const free = this.choose(places, question, excluded);
            if (free !== undefined) {
                return this.lend(free, question, queue);
            }
            if (fit.length > 0) {
                const holding = hold(fit[0].terms.rates, fit[0].tokenizer);
                if (holding !== undefined) {
                    await holding;
                    continue; // a place may have become free meanwhile
                }
                if (Date.now() - start >= GRACE_MS) {
                    this.openBeside(question, excluded, queue);
                }
                await this.waitForSlot(start, queue, signal);
                continue;
            }
            const disconnected = this.disconnected(model, excluded);
            if (disconnected.length > 0 && !connected) {
                connected = true;
                await patient(firstTrue(disconnected.map((job) => this.recovery.connect(job))));
                continue;
            }
            if (!recovered) {
                recovered = true;
                await patient(this.recovery.recovered);
                continue;
            }
            try {
                // Another would not serve it better, unless other questions took this one.
                if (opened !== undefined && opened.running === 0) {
                    throw unavailable('The job that was opened for this question cannot be used yet: ask again');
                }
                const workers = new Set([...excluded.workers, ...this.stuckWorkers(model)]);
                this.context.setbacks.requireFew();
                const { url, rates, listing } = await patient(this.requireCover(model, workers, question, need));
                await hold(rates, listing.tokenizer);
                const atNode = this.book.open(model).filter(({ stored }) => stored.worker === url);
                atNode.forEach((job) => job.relist(listing));
                const able = this.choose(this.ableAt(url, question, excluded), question, excluded);
                if (able !== undefined) {
                    return this.lend(able, question, queue);
                }
                const unreachable = this.unreachable(model, excluded);
                const ofNode = unreachable.filter(({ stored }) => stored.worker === url);
                const objection = this.objectionTo(question);
                if (objection !== undefined) {
                    if (unreachable.length === 0 && !this.mayGetFree(question, excluded, queue)) {
                        throw objection;
                    }
                    queue.objection = SHARE_USED;
                }
                const isFull = objection === undefined && this.isMaxOpen(this.inUse(model), workers, question, queue);
                const unneeded = isFull ? this.unneededFor(question, excluded, queue) : undefined;
                const mayOpen = objection === undefined && (!isFull || unneeded !== undefined);
                if (!mayOpen || ofNode.length >= MAX_UNREACHABLE) {
                    await (unreachable.length > 0
                        ? patient(this.waitForReturn(start, unreachable))
                        : this.waitForSlot(start, queue, signal));
                    continue;
                }
                if (this.fitting(question, excluded).length > 0) {
                    continue; // a job that was opened meanwhile
                }
                const opening = this.opener.open(model, workers, need);
                const isShared = this.openings.has(opening);
                this.countComing(queue, opening, question);
                // Another question may have begun to open the same one, when there was room for it.
                if (unneeded !== undefined && !isShared) {
                    this.makeRoom(unneeded, opening, question, queue);
                }
                this.openBeside(question, { ...excluded, workers }, queue);
                const job = await patient(isShared ? unlessShareUsed(opening) : opening);
                opened = isShared ? undefined : job; // a job for another question may not serve this one
            } catch (error) {
                requireThere(signal);
                if (error instanceof ShareUsed && this.mayGetFree(question, excluded, queue)) {
                    continue; // it waits, as those do that come after it
                }
                const last = this.usable(model, excluded).find(
                    (job) => suits(job, question) && job.available >= minCost(job.terms.rates, question, job.tokenizer),
                );
                if (last === undefined || last.running >= last.terms.maxParallel) {
                    throw error;
                }
                return this.lend(last, question, queue);
            }
        }
    }

    // Jobs with a free place. A node that answers this key nothing has none while a better one is only full: two such
    // nodes would take both attempts of each question, and no other job would be opened. At last they are asked, too.
    private withRoom(jobs: readonly GatewayJob[], question: Question, start = Date.now()): GatewayJob[] {
        const able = Date.now() - start < SLOT_MS ? this.answering(jobs, question) : jobs;
        return able.filter((job) => job.running < job.terms.maxParallel);
    }

    // Without those at nodes that answer the key of a question nothing, if there is a better one.
    private answering(jobs: readonly GatewayJob[], question: Question): readonly GatewayJob[] {
        const isOut = this.isOutOf(jobs, question);
        return jobs.filter((job) => !isOut(job));
    }

    // True for those at nodes that answer the key of a question nothing, if there is a better one.
    private isOutOf(jobs: readonly GatewayJob[], question: Question): (job: GatewayJob) => boolean {
        const { nodes } = this.context;
        const hasBetter = jobs.some(({ stored }) => !nodes.isLast(stored.worker, question));
        return ({ stored }) => hasBetter && nodes.stats.isPassedOver(stored.worker, keyOf(question.payer));
    }

    /** One question more, or less, waits or is answered. */
    countQuestion({ modelRequest, payer }: Question, count: 1 | -1): void {
        addTo(this.queueOf(modelRequest.body.model).questionsOf, keyOf(payer), count);
    }

    /** A query ended: another one gets its place, and the next job is opened if use is about to need it. */
    release(job: GatewayJob, question: Asked): void {
        const { total } = job.ledger;
        const cost = total - (this.totals.get(job) ?? 0n);
        this.totals.set(job, total);
        if (cost > 0n) {
            this.queueOf(job.stored.model).usage.addCost(cost, seconds());
        }
        this.noteUse(job.stored.model);
        this.wake();
        this.openAhead(job, question);
        this.openElsewhere(job, question);
    }

    /**
     * True if a question would take the last free place, of the jobs that may answer it or of all of its model, and its
     * key has half of these places: one of several keys leaves the last one to the others. Otherwise it could keep all
     * places taken, and no job is opened beyond `job.maxOpen`. Very few places are not left free, and those at nodes
     * that answer the key nothing are none.
     */
    private leavesLast(fit: readonly GatewayJob[], question: Question): boolean {
        const { modelRequest, payer } = question;
        if (payer === undefined) {
            return false;
        }
        const isLastOf = (all: readonly GatewayJob[]) => {
            const jobs = this.answering(all, question);
            const sum = (of: (job: GatewayJob) => number) => jobs.reduce((total, job) => total + of(job), 0);
            const places = sum(({ terms }) => terms.maxParallel);
            const free = places - sum(({ running }) => running);
            return places >= MIN_SHARED && free === 1 && 2 * sum((job) => job.runningOf(payer.name)) >= places;
        };
        return [fit, this.inUse(modelRequest.body.model)].some(isLastOf) && this.context.people.apiKeys.usable > 1;
    }

    /**
     * The same of money: true for the last job with some, of as many as may be open, if a question would reserve that,
     * and its key reserves half of what all of them have. All jobs are looked at once for a question: each that waits
     * looks at every end of another.
     */
    private leavesMoney(question: Question): (job: GatewayJob) => boolean {
        const { modelRequest, payer } = question;
        if (payer === undefined) {
            return () => false;
        }
        const jobs = this.answering(this.inUse(modelRequest.body.model), question);
        if (jobs.length < Math.max(2, this.context.config.job.maxOpen)) {
            return () => false;
        }
        const sum = (of: (one: GatewayJob) => bigint) => jobs.reduce((total, one) => total + of(one), 0n);
        const hasHalf = 2n * sum((one) => one.reservedBy(payer.name)) >= sum(({ unspent }) => unspent);
        if (!hasHalf || this.context.people.apiKeys.usable < 2) {
            return () => false;
        }
        const withMoney = jobs.filter((one) => one.available >= this.threshold(one));
        const isLast = (job: GatewayJob) => withMoney.every((one) => one === job);
        const isLarge = (job: GatewayJob) =>
            job.available - maxCost(job.terms.rates, question, job.tokenizer) < this.threshold(job);
        return (job) => isLast(job) && isLarge(job);
    }

    private fitting(question: Question, excluded: Excluded): GatewayJob[] {
        return this.able(question, excluded).filter((job) => this.isWilling(job, question));
    }

    // False if its node refused such a question of the key that asks, and another one answered it.
    private isWilling({ stored: { worker }, tokenizer }: GatewayJob, question: Question): boolean {
        const { nodes } = this.context;
        const size = sizeOf(question, tokenizer);
        return (
            nodes.refusals(worker, question) < MAX_REFUSALS && nodes.stats.takes(worker, size, keyOf(question.payer))
        );
    }

    // By what their nodes say, whether or not they refused it before.
    private able(question: Question, excluded: Excluded): GatewayJob[] {
        return this.usable(question.modelRequest.body.model, excluded).filter(
            (job) => suits(job, question) && this.covers(job, question),
        );
    }

    // A node that refused is asked in the job that it has: another job there would change nothing.
    private ableAt(worker: string, question: Question, excluded: Excluded): GatewayJob[] {
        return this.able(question, excluded).filter(
            ({ stored, running, terms }) => stored.worker === worker && running < terms.maxParallel,
        );
    }

    // Workers that come last are chosen only without others, and those as often as their weights say. After a failed
    // attempt those that answered last are chosen, or that were not asked yet: two cheap ones that answer nobody would
    // use up both attempts.
    private choose(jobs: readonly GatewayJob[], question: Question, excluded: Excluded): GatewayJob | undefined {
        const { nodes } = this.context;
        const ready = jobs.filter(({ stored }) => !nodes.isLast(stored.worker, question));
        const able = ready.length > 0 ? ready : jobs;
        const isAgain = excluded.workers.size + excluded.jobs.size > 0;
        const among = isAgain ? this.likeliest(able, question) : able;
        if (among.length < 2) {
            return among[0];
        }
        const facts = among.map((job) => ({ ...routedJob(job), jobs: 0 }));
        return among[choose(nodes.weights(facts, question), Math.random())];
    }

    /** The jobs whose workers are the likeliest to answer a key, by what they did last. */
    private likeliest(jobs: readonly GatewayJob[], { payer }: Question): readonly GatewayJob[] {
        const { stats } = this.context.nodes;
        const answered = jobs.map(({ stored }) => stats.answeredLast(stored.worker, keyOf(payer)));
        const best = [true, undefined, false].find((one) => answered.includes(one));
        return jobs.filter((_, i) => answered[i] === best);
    }

    private lend(job: GatewayJob, question: Question, queue: ModelQueue): Lease {
        this.addPending(queue, question, -1);
        return lease(job, question);
    }

    private addPending(queue: ModelQueue, { payer }: Question, count: number): void {
        queue.pending += count;
        addTo(queue.pendingOf, keyOf(payer), count);
    }

    // Why no job is opened for a key now, of which others might not get one otherwise.
    private objectionTo({ payer }: Need): ShareUsed | undefined {
        return this.context.people.openings.objectionTo(payer?.name);
    }

    // True if a question may get a job though none is opened for it.
    private mayGetFree(question: Question, excluded: Excluded, { coming }: ModelQueue): boolean {
        const { model } = question.modelRequest.body;
        const mayAnswer = (job: GatewayJob) => suits(job, question) && this.isWilling(job, question);
        return coming > 0 || this.usable(model, excluded).some((job) => this.hasMoney(job) && mayAnswer(job));
    }

    private wake(): void {
        this.waiting.forEach((end) => end());
    }

    private queueOf(model: string): ModelQueue {
        const queue = this.queues.get(model) ?? {
            ...{
                usage: new ModelUsage(),
                pending: 0,
                coming: 0,
                pendingOf: new Map(),
                questionsOf: new Map(),
                comingFor: new Map(),
                pausedUntil: new Map(),
                elsewhereFrom: 0,
                roomFrom: new Map(),
                objection: '',
            },
        };
        this.queues.set(model, queue);
        return queue;
    }

    private noteUse(model: string): void {
        const { usage, pending } = this.queueOf(model);
        const running = this.book.open(model).reduce((sum, job) => sum + job.running, 0);
        usage.setCurrent(running + pending, seconds());
    }

    /**
     * Opens another job for a question that no free place is for, if none is being opened. And further ones if more
     * questions wait than the jobs that are being opened will take: in all, and of the key that asks.
     */
    private openBeside(question: Question, excluded: Excluded, queue: ModelQueue): void {
        const { model } = question.modelRequest.body;
        const withRoom = this.withRoom(this.usable(model, excluded), question);
        const free = withRoom.reduce((sum, { terms, running }) => sum + terms.maxParallel - running, 0);
        const key = keyOf(question.payer);
        const isNeeded = () => queue.coming === 0 || queue.pending > free + queue.coming;
        const isOwn = () => (queue.pendingOf.get(key) ?? 0) > (queue.comingFor.get(key) ?? 0);
        const workers = new Set([...excluded.workers, ...this.vainWorkers(question, excluded)]);
        while (isNeeded() && isOwn()) {
            if (!this.openAnother(model, queue, workers, question)) {
                return;
            }
        }
    }

    // Another job at these would not take the question either: they have a new one that it cannot use, they refuse such
    // questions or answer its key nothing, or it is too dear there for any job. Each question would have up to
    // `job.maxOpen` opened.
    private vainWorkers(question: Question, excluded: Excluded): string[] {
        const fresh = freshOf(this.context.config.job.deposit);
        const isOut = this.isOutOf(this.fitting(question, excluded), question);
        const isNew = ({ ledger, running }: GatewayJob) => ledger.total === 0n && running === 0;
        const costsTooMuch = ({ terms, tokenizer }: GatewayJob) => minCost(terms.rates, question, tokenizer) > fresh;
        return this.usable(question.modelRequest.body.model, excluded)
            .filter((job) => isNew(job) || isOut(job) || !this.isWilling(job, question) || costsTooMuch(job))
            .map(({ stored }) => stored.worker);
    }

    // False if no other job may be opened now. `asker`: the key whose question needs it, also if it counts for another.
    private openAnother(
        model: string,
        queue: ModelQueue,
        workers: ReadonlySet<string>,
        need: Need,
        asker = need.payer,
    ): boolean {
        const { log } = this.context;
        const key = keyOf(asker);
        if (
            this.isMaxOpen(this.book.open(model), workers, need, queue) ||
            Date.now() < (queue.pausedUntil.get(key) ?? 0)
        ) {
            return false;
        }
        if (this.objectionTo(need) !== undefined) {
            queue.objection = SHARE_USED;
            return false;
        }
        const opening = this.opener.openAnother(model, new Set([...workers, ...this.stuckWorkers(model)]), need);
        this.countComing(queue, opening, need);
        opening.catch((error: unknown) => {
            if (error instanceof ShareUsed) {
                queue.objection = SHARE_USED; // the jobs of other keys do not wait for it
                return;
            }
            queue.pausedUntil.set(key, Date.now() + PAUSE_MS); // it may be for what this key asks for
            queue.objection = reasonOf(error);
            log.warn({ model, reason: queue.objection }, 'no other job is opened for a while');
        });
        return true;
    }

    // Once for each job that is being opened, however many questions wait for it.
    private countComing(queue: ModelQueue, opening: Promise<GatewayJob>, { payer }: Need): void {
        if (this.openings.has(opening)) {
            return;
        }
        this.openings.add(opening);
        const { maxParallel } = this.context.config.job;
        queue.coming += maxParallel;
        addTo(queue.comingFor, keyOf(payer), maxParallel);
        const end = () => {
            queue.coming -= maxParallel;
            addTo(queue.comingFor, keyOf(payer), -maxParallel);
            this.wake();
        };
        opening.then(end, end);
    }

    /**
     * Opens a job elsewhere, once in a while, if every job that may answer such a question is at a node that became
     * slow or fails often, or refuses most queries of the API key that asked it. The job is opened for this key, which
     * may be what is wrong.
     */
    openElsewhere({ stored: { model }, phase }: GatewayJob, question: Asked): void {
        const { nodes, log } = this.context;
        const open = this.book.open(model);
        const workers = new Set(open.map(({ stored }) => stored.worker));
        const queue = this.queueOf(model);
        const key = keyOf(question.payer);
        const { stats } = nodes;
        // A node that takes no job, or lists too little for the question, is never asked, and so never seems poor.
        const able = this.inUse(model).filter((job) => doesAll(job, question));
        const isPoor = (able.length > 0 ? able : open).every(
            ({ stored: { worker } }) =>
                stats.isPoor(worker) || stats.refuses(worker, key) || stats.answersNone(worker, key),
        );
        if (phase === 'open' && isPoor && queue.coming === 0 && Date.now() >= queue.elsewhereFrom) {
            if (this.openAnother(model, queue, workers, alike(question))) {
                const full = Date.now() - (MAX_ELSEWHERE - 1) * ELSEWHERE_MS;
                queue.elsewhereFrom = Math.max(queue.elsewhereFrom, full) + ELSEWHERE_MS;
                log.info(
                    { model },
                    'a job is opened at another node: those that serve it became slow, or fail or refuse often',
                );
            }
        }
    }

    // Below the configured part of its deposit, or when the use of the model will soon need more than its jobs have.
    private openAhead(job: GatewayJob, question: Asked): void {
        const { config, log } = this.context;
        const { model } = job.stored;
        const low = (other: GatewayJob) => other.unspent < this.threshold(other);
        if (job.phase !== 'open') {
            return;
        }
        const lasting = this.usable(model, nothing()).filter((other) => !low(other));
        const queue = this.queueOf(model);
        if (lasting.length === 0) {
            if (low(job)) {
                const failed = reporting(log, 'warn', 'no job opened ahead', { model });
                this.opener
                    .open(model, this.stuckWorkers(model), alike({ ...question, payer: undefined }))
                    .catch(failed);
            }
            return;
        }
        const room = {
            available: lasting.reduce((sum, { available }) => sum + available, 0n),
            slots: lasting.reduce((sum, { terms }) => sum + terms.maxParallel, 0),
        };
        const shortage = queue.usage.shortage(room, config.job.aheadSeconds, seconds());
        if (shortage !== undefined && queue.coming === 0) {
            log.info({ model, shortage }, 'the next job is opened ahead');
            const payer = shortage === 'slots' ? busiest(queue, question.payer) : question.payer;
            this.openAnother(model, queue, new Set(), alike({ ...question, payer }), question.payer);
        }
    }

    openJobs(): GatewayJob[] {
        return this.book.open();
    }

    /**
     * Open jobs that are used up or too many: no query runs or is without an ending, and another job has taken their
     * place. Jobs become too many when workers or other gateways were gone, and their jobs come back, or when nodes
     * fail and others stand in for them. Of those, a node keeps none open by withholding endings.
     */
    exhausted(): GatewayJob[] {
        const models = new Set(this.book.open().map(({ stored }) => stored.model));
        const tooMany = new Set([...models].flatMap((model) => this.beyondMaxOpen(model)));
        return this.book.open().filter((job) => {
            const others = this.usable(job.stored.model, { ...nothing(), jobs: new Set([job.number]) });
            const replaced = others.some((other) => other.available >= this.threshold(other));
            const surplus = replaced && this.isIdle(job) && others.some((other) => other.usedAt > job.usedAt);
            const isUsedUp = replaced && job.available < this.threshold(job);
            const over = this.isOver(job) || surplus || isUsedUp;
            return job.running === 0 && (tooMany.has(job) || (over && job.unfinished.length === 0));
        });
    }

    /**
     * The jobs with money beyond `job.maxOpen`: those that cannot be used now, those of nodes that did not answer a
     * moment ago, became slow or fail often, and then those used longest ago. A new job does not count while it is
     * shown to its worker: another may make room for it then. Nor does one that its worker never took: while it is
     * open, no other is opened there.
     */
    private beyondMaxOpen(model: string): GatewayJob[] {
        const usable = new Set(this.usable(model, nothing()));
        const { bans, stats } = this.context.nodes;
        const isBad = (worker: string) => bans.isCool(worker) || stats.isPoor(worker);
        const rank = (job: GatewayJob) => Number(usable.has(job)) + Number(!isBad(job.stored.worker));
        return this.lasting(model, nothing())
            .filter((job) => !job.isFirstShown && !job.isUntaken && job.available >= this.threshold(job))
            .sort((a, b) => rank(b) - rank(a) || b.usedAt - a.usedAt || b.number - a.number)
            .slice(this.context.config.job.maxOpen);
    }

    private disconnected(model: string, excluded: Excluded): GatewayJob[] {
        return this.lasting(model, excluded).filter(
            (job) => !job.isFirstShown && !job.isConnected(this.context.now()) && job.available >= this.threshold(job),
        );
    }

    // Workers with a job that is disconnected or not paid now, or whose every place waits for a first word: another one
    // there could not be used either. And workers that withhold so many endings that several of their jobs have no
    // money left: the next one would be the next.
    private stuckWorkers(model: string): Set<string> {
        const unpaid = this.book.open().filter(({ money }) => money.paused !== undefined);
        const silent = this.book.open(model).filter((job) => job.silent >= job.terms.maxParallel);
        const unusable = [...this.disconnected(model, nothing()), ...unpaid, ...silent];
        const stuck = new Set(unusable.map(({ stored }) => stored.worker));
        const blocked = this.book.open(model).filter((job) => this.isBlocked(job));
        blocked
            .map(({ stored }) => stored.worker)
            .filter((worker, i, all) => all.indexOf(worker) !== i)
            .forEach((worker) => stuck.add(worker));
        return stuck;
    }

    // Its money would be enough but for what endings that its worker withholds may cost, or they are too many, or their
    // answers fill memory.
    private isBlocked(job: GatewayJob): boolean {
        const { unspent, withheld } = job;
        const isReserved = unspent - withheld < this.threshold(job) && unspent >= this.threshold(job);
        return isReserved || keepsTooMuch(job);
    }

    // Open jobs that are paid and not in their last hours.
    private lasting(model: string, { workers, jobs, sessions }: Excluded): GatewayJob[] {
        const isExcluded = ({ number, stored, session }: GatewayJob) =>
            jobs.has(number) || workers.has(stored.worker) || (session !== undefined && sessions.has(session));
        return this.book
            .open(model)
            .filter((job) => job.money.paused === undefined && !isExcluded(job) && !this.isOver(job))
            .filter((job) => !keepsTooMuch(job));
    }

    // Jobs that a question may use again as soon as another process of their worker has them.
    private unreachable(model: string, excluded: Excluded): GatewayJob[] {
        const { sessions } = excluded;
        const isUnreachable = ({ session }: GatewayJob) => session !== undefined && sessions.has(session);
        return this.lasting(model, { ...excluded, sessions: new Set() }).filter(isUnreachable);
    }

    private usable(model: string, excluded: Excluded): GatewayJob[] {
        const { nodes, now } = this.context;
        return this.lasting(model, excluded)
            .filter((job) => job.isConnected(now()) && nodes.bans.banReason(job.stored.worker) === undefined)
            .sort((a, b) => nodes.bans.compare(a.stored.worker, b.stored.worker));
    }

    /** True if a worker may well say that a job's refund is too near. */
    isEnding({ terms }: GatewayJob): boolean {
        return terms.end - this.context.now() < terms.notice + ENDING_SECONDS;
    }

    private isIdle({ usedAt }: GatewayJob): boolean {
        return this.context.now() - usedAt > this.context.config.job.idleHours * 3600;
    }

    private isOver(job: GatewayJob): boolean {
        return job.terms.end - this.context.now() < this.context.config.job.lastHours * 3600;
    }

    // Always less than what a fresh job has, or jobs would be opened one after the other.
    private threshold({ stored }: GatewayJob): bigint {
        const part = BigInt(Math.round(this.context.config.job.openAhead * 1000));
        return (freshOf(stored.deposit) * part) / 1000n;
    }

    // A question that no fresh job could pay must not open one.
    private async requireCover(
        model: string,
        excluded: ReadonlySet<string>,
        question: Question,
        need: Need,
    ): Promise<Candidate> {
        const { nodes, config } = this.context;
        const candidate = await nodes.pick(model, excluded, need);
        const { rates, listing } = candidate;
        const min = minCost(rates, question, listing.tokenizer);
        if (min > freshOf(config.job.deposit)) {
            throw badRequest(
                `The prompt may cost ${min} nanoTON, more than a job holds: send less, or raise job.deposit`,
                'messages',
                'prompt_too_dear',
            );
        }
        return candidate;
    }

    /**
     * True if as many jobs as may be are open, with those that are being opened. Up to as many again do not count, if
     * they are at banned nodes, or at excluded ones that come last for who asks, became slow or fail often: a node that
     * had all jobs and served nobody well would keep out the others. The queue notes the objection to another job.
     */
    private isMaxOpen(
        jobs: readonly GatewayJob[],
        excluded: ReadonlySet<string>,
        need: Pick<Need, 'payer'>,
        queue: ModelQueue,
    ): boolean {
        const { nodes, config } = this.context;
        const { maxParallel, maxOpen } = config.job;
        const coming = Math.ceil(queue.coming / maxParallel);
        const isBad = (worker: string) => nodes.isLast(worker, need) || nodes.stats.isPoor(worker);
        const counts = ({ stored: { worker } }: GatewayJob) =>
            nodes.bans.banReason(worker) === undefined && !(excluded.has(worker) && isBad(worker));
        if (jobs.filter(counts).length + coming < maxOpen && jobs.length + coming < 2 * maxOpen) {
            return false;
        }
        queue.objection = `job.maxOpen (${maxOpen}) jobs are open`;
        return true;
    }

    // Those that can be used now and are not used up; one whose money running queries reserve is not.
    private inUse(model: string): GatewayJob[] {
        return this.usable(model, nothing()).filter((job) => this.hasMoney(job));
    }

    // Now, or when the queries end whose costs are reserved.
    private hasMoney(job: GatewayJob): boolean {
        return job.unspent - job.withheld >= this.threshold(job);
    }

    /**
     * The one of as many jobs as may be open that makes room, if none of them may answer a question whatever becomes
     * free: the one unused longest, of a node that has another if there is one.
     */
    private unneededFor(question: Question, excluded: Excluded, queue: ModelQueue): GatewayJob | undefined {
        const jobs = this.inUse(question.modelRequest.body.model);
        const wasTried = ({ number, stored }: GatewayJob) =>
            excluded.jobs.has(number) || excluded.workers.has(stored.worker);
        const mayAnswer = jobs.some((job) => !wasTried(job) && suits(job, question) && this.isWilling(job, question));
        if (mayAnswer || jobs.length === 0 || Date.now() < (queue.roomFrom.get(keyOf(question.payer)) ?? 0)) {
            return undefined;
        }
        const rank = (job: GatewayJob) => (isOnlyOf(job, jobs) ? 0 : 2) + (job.running === 0 ? 1 : 0);
        return [...jobs].sort((a, b) => rank(b) - rank(a) || a.usedAt - b.usedAt || a.number - b.number)[0];
    }

    /**
     * Settles a job once another is open in its place. The escrow may have no money for another, or leave it to other
     * keys, and then nothing would take its place.
     */
    private makeRoom(
        job: GatewayJob,
        opening: Promise<GatewayJob>,
        { payer }: Question,
        { roomFrom }: ModelQueue,
    ): void {
        const key = keyOf(payer);
        const last = roomFrom.get(key) ?? 0;
        const isOnly = isOnlyOf(job, this.inUse(job.stored.model));
        roomFrom.set(key, Date.now() + (isOnly ? ONLY_ROOM_MS : ROOM_MS));
        const settle = () => {
            if (job.phase === 'open') {
                this.rules.retire(job, 'it makes room for a job at another node');
            }
        };
        opening.then(settle, () => void roomFrom.set(key, last));
    }

    private covers(job: GatewayJob, question: Question): boolean {
        const max = maxCost(job.terms.rates, question, job.tokenizer);
        const enough = this.threshold(job);
        const min = minCost(job.terms.rates, question, job.tokenizer);
        const target = max < enough ? max : enough;
        return job.available >= (target > min ? target : min);
    }

    // No query that ends makes these jobs free: their worker is asked until one of its processes has one of them.
    private async waitForReturn(start: number, jobs: readonly GatewayJob[]): Promise<void> {
        const sessions = new Set(jobs.map(({ session }) => session));
        await firstTrue(jobs.map((job) => this.recovery.connect(job)));
        if (jobs.every(({ session }) => sessions.has(session))) {
            if (Date.now() - start > SLOT_MS) {
                throw unavailable('No process of the node has its jobs now. Ask again in a moment', 'node_down');
            }
            await sleep(RETURN_MS);
        }
    }

    // While a job is being opened, a question waits for it longer.
    private async waitForSlot(start: number, queue: ModelQueue, signal: AbortSignal): Promise<void> {
        const remaining = start + (queue.coming > 0 ? OPENING_MS : SLOT_MS) - Date.now();
        if (remaining <= 0) {
            const reason = queue.objection === '' ? '' : `, and no other is opened: ${queue.objection}`;
            throw unavailable(`Every job is busy${reason}. Ask again in a moment`, 'busy');
        }
        const ms = Date.now() - start < GRACE_MS ? GRACE_MS : Math.min(remaining, SLOT_MS);
        await new Promise<void>((resolve) => {
            const end = () => {
                this.waiting.delete(end);
                signal.removeEventListener('abort', end);
                clearTimeout(timer);
                resolve();
            };
            const timer = setTimeout(end, ms);
            this.waiting.add(end);
            signal.addEventListener('abort', end);
        });
    }
}

/** A question that was asked: jobs are opened for others like it. */
type Asked = Pick<Question, 'needed' | 'bounds' | 'count'> & Pick<Need, 'payer'>;

/** The need of another question of the same API key that needs as much. No question waits for its job alone. */
const alike = ({ needed, payer, bounds, count }: Asked): Need => ({
    needed: { ...needed, key: NO_NEEDS.key },
    ...(payer && { payer }),
    bounds,
    count,
});

const seconds = () => performance.now() / 1000;

const nothing = (): Excluded => ({ workers: new Set(), jobs: new Set(), sessions: new Set() });

/** The API key that has the most questions now: `payer`, unless another has more. */
function busiest({ questionsOf }: ModelQueue, payer: Need['payer']): Need['payer'] {
    let [found, max] = [payer, questionsOf.get(keyOf(payer)) ?? 0];
    for (const [name, count] of questionsOf) {
        if (count > max) {
            [found, max] = [name === '' ? undefined : { name }, count];
        }
    }
    return found;
}

function addTo(counts: Map<string, number>, name: string, count: number): void {
    const sum = (counts.get(name) ?? 0) + count;
    if (sum === 0) {
        counts.delete(name);
    } else {
        counts.set(name, sum);
    }
}

// A job that is opened for the question of another key, which may have to leave the day to others: this one need not.
function unlessShareUsed(opening: Promise<GatewayJob>): Promise<GatewayJob | undefined> {
    return opening.catch((error: unknown) => {
        if (error instanceof ShareUsed) {
            return undefined;
        }
        throw error;
    });
}

// Resolves as soon as one holds, or when none does.
async function firstTrue(promises: readonly Promise<boolean>[]): Promise<void> {
    const holds = promises.map(async (promise) => {
        if (!(await promise)) {
            throw new Error('not this one');
        }
    });
    await Promise.any(holds).catch(() => undefined);
}

/** True if the node of a job does what a question needs, also for its price. */
const doesAll = (job: GatewayJob, { needed, bounds }: Pick<Asked, 'needed' | 'bounds'>): boolean =>
    job.serves(needed) && !isTooDear(job.terms, job.tokenizer, bounds);

/** True if the node of a job does what a question needs, and the question wants that node. */
const suits = (job: GatewayJob, question: Question): boolean =>
    doesAll(job, question) && unwanted(question.preferences, routedJob(job)) === undefined;

/** True if a job is the only one of several at its node. */
const isOnlyOf = (job: GatewayJob, jobs: readonly GatewayJob[]): boolean =>
    jobs.every((one) => one === job || one.stored.worker !== job.stored.worker);

const keepsTooMuch = ({ keptBytes, brokenOff, terms }: GatewayJob): boolean =>
    keptBytes >= MAX_KEPT || brokenOff >= Math.max(MAX_BROKEN_OFF, 2 * terms.maxParallel);

/** A job as preferences see its node. */
function routedJob({ stored: { worker, tier, terms } }: GatewayJob): RoutedNode {
    const raw = (account: Buffer) => `0:${account.toString('hex')}`;
    return { url: worker, node: raw(terms.node), provider: raw(terms.provider), tier, rates: terms.rates };
}

// Taken in the same moment in which it was found free, so that no two questions get it.
function lease(job: GatewayJob, question: Question): Lease {
    const max = maxCost(job.terms.rates, question, job.tokenizer);
    const ceiling = max < job.available ? max : job.available;
    job.begin();
    return job.allocate(ceiling, question.payer?.name);
}

// By the maximal counts: what may be longer than a context does not surely fit.
function roomFor({ modelRequest, bounds }: Question): (listing: OfferFacts) => boolean {
    const answer = modelRequest.maxTokens / choicesOf(modelRequest);
    return ({ context = 0, tokenizer }) => bounds(tokenizer).promptBound + answer <= context;
}

// What queries of a job that was just opened may reserve.
function freshOf(deposit: bigint): bigint {
    return deposit > RENT ? deposit - RENT : 0n;
}

// The prompt and a short answer.
function minCost(rates: Rates, question: Question, tokenizer: string): bigint {
    const { modelRequest } = question;
    const short = { ...modelRequest, maxTokens: Math.min(16, modelRequest.maxTokens) };
    return maxCost(rates, { ...question, modelRequest: short }, tokenizer);
}
