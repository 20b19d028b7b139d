/** Decides on a query between its arrival and its acceptance (rules 2 and 3). */
import { Accept, Decline, Reason } from '@cocoon-market/wrappers';
import {
    asksForNotes,
    choicesOf,
    commits,
    maxPrompt,
    modelHash,
    type ModelRequest,
    modelRequest as modelRequestShape,
    neededFeatures,
    openRequest,
    type QueryHead,
    querySecret,
    remainingRent,
    requestHash,
    signReceipt,
    unknownField,
} from '../link';
import { assertPlainJson, MAX_JSON_DEPTH } from '../process/json';
import { eventLoop } from '../process/loopShare';
import type { QueryRecord } from '../store/worker';
import { counterOf, type PromptCounts, promptMax, type TokenCounter } from '../tokens';
import { ChainPatience } from './chainPatience';
import type { WorkerContext } from './context';
import { answerTokens, covers, promptBoundPrice } from './credit';
import type { WorkerJob } from './job';
import { requireNoteRoom } from './noteRoom';
import type { AcceptedQuery, RunningQuery } from './query';
import { Refused } from './refusal';
import { takeWithQuery } from './vouchers';

/** The answer to a query: stored records, a signed decline, or a query that begins to run. */
export type Admission =
    | { kind: 'stored'; query: QueryRecord }
    | { kind: 'declined'; receipt: Buffer }
    | { kind: 'new'; running: RunningQuery; accept: () => Promise<Buffer>; discard: () => void };

/**
 * Decides on a query. A `new` one, made by `begin`, is in `job.running` already; `accept` stores and returns the
 * receipt, and `discard` takes the query out again if it was not accepted.
 *
 * @throws {Refused} if it is not authentic, or its number was used by another
 */
export async function admit(
    context: WorkerContext,
    job: WorkerJob,
    head: QueryHead,
    sealed: Buffer,
    begin: (query: AcceptedQuery) => RunningQuery,
): Promise<Admission> {
    const { number, salt, commitment, session: id } = head;
    const request = requestHash({ commitment, session: id, salt, sealed });
    const { written } = job;
    const stored = await storedQuery(context, job, number, request);
    if (stored !== undefined) {
        return { kind: 'stored', query: stored };
    }
    if (!job.isOwn) {
        throw new Refused('wrong_terms', 'This job is of an earlier receipt key of the node: open another');
    }
    const session = await job.session.current();
    if (!session.id.equals(id)) {
        throw new Refused('unknown_session', 'This session is not the newest of the job: register the job again');
    }
    const secret = querySecret(session, number, salt);
    if (!commits(commitment, secret)) {
        throw new Refused('not_sealed', "The key commitment is not this query's");
    }
    const plain = unseal(secret, number, sealed);
    if (job.running.has(number) || job.deciding.has(number)) {
        throw new Refused('running', 'This query is being answered');
    }
    job.deciding.add(number);
    try {
        // Another request of this number may have ended since the store was asked.
        const since = job.written === written ? undefined : await storedQuery(context, job, number, request);
        if (since !== undefined) {
            return { kind: 'stored', query: since };
        }
        await eventLoop.take(plain.length / BYTES_PER_UNIT); // long ones one after the other
        const modelRequest = parsed(plain);
        const patience = new ChainPatience(sealed.length);
        await patience.wait(job.channel.refresh());
        const voucher = head.voucher === null ? undefined : await takeWithQuery(context, job, head.voucher, patience);
        if (job.notes.isEmpty) {
            await voucher?.stored; // only then it counts
        }
        const { ceiling } = head;
        const counts = await countFor(context, job, { ceiling, modelRequest });
        requireAllowance(job);
        const decideNow = () => (typeof counts === 'number' ? counts : decide(context, job, { ceiling, ...counts }));
        let decision = decideNow();
        // A client may have topped its channel up, as the first endpoint shows and the others are not asked for yet.
        if (decision === Reason.Unfunded && (await patience.wait(job.channel.confirm(maxOwed(job, ceiling))))) {
            decision = decideNow();
        }
        if (typeof decision === 'number') {
            if (job.unpaid.isEmpty) {
                throw tooManyDeclines(decision);
            }
            job.unpaid.spend();
            try {
                await voucher?.stored;
                const receipt = await decline(context, job, { number, request, reason: decision });
                return { kind: 'declined', receipt };
            } catch (error) {
                job.unpaid.earn(); // nothing was signed for it
                throw error;
            }
        }
        const query = { ...decision, number, request, secret, ceiling };
        const running = begin(query);
        // In the same step as the decision, because queries that wait for one reading must count each other.
        job.running.set(number, running);
        const discard = () => {
            job.remove(number);
            query.seat.release();
        };
        const accepted = async () => {
            const [accepting, paying] = await Promise.allSettled([accept(context, job, query), voucher?.stored]);
            if (accepting.status === 'rejected') {
                throw accepting.reason;
            }
            if (paying.status === 'rejected') {
                // The client takes its voucher for delivered, and the accept is stored and not sent.
                context.fatal(new Error('The voucher of an accepted query was not stored', { cause: paying.reason }));
                throw paying.reason;
            }
            return accepting.value;
        };
        return { kind: 'new', running, accept: accepted, discard };
    } finally {
        job.deciding.delete(number);
    }
}

const BYTES_PER_UNIT = 4; // of JSON that is parsed, for a unit of work in the event loop

const tooManyDeclines = (reason: Reason): Refused =>
    new Refused('declined', `Declined (${Reason[reason]}), too often in this job to sign it`);

async function storedQuery(
    context: WorkerContext,
    job: WorkerJob,
    number: number,
    request: Buffer,
): Promise<QueryRecord | undefined> {
    const stored = await context.store.queries.get({ job: job.id, number });
    if (stored === undefined) {
        if (number <= job.record.lowWater) {
            throw new Refused('used_number', 'This query number is too old');
        }
        // A disk may have lost the row of such a number, and with it a result or a fail that another would contradict.
        if (number <= job.stored.highest) {
            throw new Refused('used_number', 'This query number may have been used');
        }
        return undefined;
    }
    if (!stored.request.equals(request)) {
        throw new Refused('used_number', 'This query number was used for another request');
    }
    if (stored.end === undefined) {
        throw new Refused('running', 'This query is being answered');
    }
    return stored;
}

function unseal(secret: Buffer, number: number, sealed: Buffer): Buffer {
    try {
        return openRequest(secret, number, sealed);
    } catch {
        throw new Refused('not_sealed', 'The request does not open under its session');
    }
}

/** A gateway takes as many levels as a door does, and seals what it took with some more around it. */
const MAX_SEALED_DEPTH = MAX_JSON_DEPTH + 16;

type Decision = Omit<AcceptedQuery, 'number' | 'request' | 'secret' | 'ceiling'>;

interface CountedRequest {
    modelRequest: ModelRequest;
    hasNotes: boolean; // see asksForNotes
    counter: TokenCounter; // of the offer
    counts: PromptCounts;
}

/** Counts a prompt, which may take long. A query that is declined whatever its prompt has: why, and nothing counts. */
async function countFor(
    context: WorkerContext,
    job: WorkerJob,
    { ceiling, modelRequest }: { ceiling: bigint; modelRequest: ModelRequest | undefined },
): Promise<CountedRequest | Reason> {
    requireAllowance(job);
    if (modelRequest === undefined) {
        return Reason.BadRequest;
    }
    const objection = objectionTo(context, job, modelRequest) ?? objectionNow(job, ceiling, job.counting);
    if (objection !== undefined) {
        return objection;
    }
    const hasNotes = asksForNotes(modelRequest);
    requireNoteRoom(context, job, hasNotes);
    if (job.unpaid.isEmpty) {
        // Nothing is counted for a client to which no decline is signed.
        const unpaid =
            objectionToCost(job, { ceiling, modelRequest, promptBound: promptMax(modelRequest) }) ??
            context.backends.objectionTo(modelRequest.body.model, job);
        if (unpaid !== undefined) {
            throw tooManyDeclines(unpaid);
        }
    }
    const counter = counterOf(job.record.tokenizer);
    job.counting++;
    try {
        return { modelRequest, hasNotes, counter, counts: await counter.countPrompt(modelRequest) };
    } finally {
        job.counting--;
    }
}

/** Throws {@link Refused} if no query of the job may run, and no decline is signed. */
function requireAllowance(job: WorkerJob): void {
    job.requireNewest();
    if (job.fails.isEmpty) {
        throw new Refused('declined', 'Too many queries of this job failed, and too few were answered and paid');
    }
    if (job.unpaid.isEmpty && !job.client.mayStart(job.terms.step, job.id)) {
        throw new Refused('declined', 'Too many queries of this job were dropped before they ran, and none is paid');
    }
}

/** Why a query is declined for what it asks; undefined if nothing speaks against it. */
function objectionTo(context: WorkerContext, job: WorkerJob, modelRequest: ModelRequest): Reason | undefined {
    const { model } = modelRequest.body;
    if (!modelHash(model).equals(job.terms.model)) {
        return Reason.UnknownModel;
    }
    const features = context.backends.featuresOf(model);
    const isUnknown = unknownField(modelRequest, context.config.extraFields) !== undefined;
    return isUnknown ||
        job.hasSpentCreditOf(modelRequest) ||
        neededFeatures(modelRequest).some(({ feature }) => !features.includes(feature))
        ? Reason.Unsupported
        : undefined;
}

/** Why a query is declined at this moment, beside `others` that are on their way to run; undefined if it is not. */
function objectionNow(
    { state, channel, running, terms }: WorkerJob,
    ceiling: bigint,
    others: number,
): Reason | undefined {
    if (state !== 'open' || channel.isLeaving()) {
        return Reason.Leaving;
    }
    if (!channel.mayServe(ceiling)) {
        return Reason.Unfunded;
    }
    return running.size + others >= terms.maxParallel ? Reason.TooBusy : undefined;
}

interface Costs {
    ceiling: bigint; // nanoTON
    modelRequest: ModelRequest;
    promptBound: number; // tokens
}

/** Why a query is declined for what its prompt may cost; undefined if nothing speaks against it. */
function objectionToCost(job: WorkerJob, { ceiling, modelRequest, promptBound }: Costs): Reason | undefined {
    const { terms, channel } = job;
    if (promptBoundPrice(promptBound, terms.rates) > maxPrompt(terms.step)) {
        return Reason.StepTooSmall;
    }
    const isEmbedding = modelRequest.endpoint === 'embedding';
    const maxTokens = maxTokensOf(job, { ceiling, modelRequest, promptBound });
    // Of every choice at least one token, and an embedding has none.
    if (isEmbedding ? promptBoundPrice(promptBound, terms.rates) > ceiling : maxTokens < choicesOf(modelRequest)) {
        return Reason.TooLarge;
    }
    const rent = remainingRent(channel.snapshot.refundAt - channel.chainTime());
    const owed = { results: job.cumulative, ceilings: job.ceilings, ceiling };
    const isCovered = covers({ ...channel.money, rent }, owed) && channel.isConfirmed(maxOwed(job, ceiling));
    return isCovered ? undefined : Reason.Unfunded;
}

/** nanoTON of all results and every open ceiling, `ceiling` among them. */
const maxOwed = (job: WorkerJob, ceiling: bigint): bigint => job.cumulative + job.ceilings + ceiling;

const maxTokensOf = ({ terms }: WorkerJob, { ceiling, modelRequest, promptBound }: Costs): number =>
    Math.min(modelRequest.maxTokens, answerTokens(ceiling, promptBound, terms.rates));

/**
 * What runs, or the reason to decline. Throws {@link Refused} if there is no room for its notes. It awaits nothing, so
 * that nothing changes before the acceptance.
 */
function decide(
    context: WorkerContext,
    job: WorkerJob,
    { ceiling, modelRequest, hasNotes, counter, counts }: CountedRequest & { ceiling: bigint },
): Decision | Reason {
    requireNoteRoom(context, job, hasNotes);
    const promptBound = context.backends.promptBound(modelRequest, counts.bound);
    const costs = { ceiling, modelRequest, promptBound };
    const objection = objectionNow(job, ceiling, 0) ?? objectionToCost(job, costs);
    if (objection !== undefined) {
        return objection;
    }
    const seat = context.backends.reserve(modelRequest.body.model, job);
    if (typeof seat === 'number') {
        return seat;
    }
    const limited = { ...modelRequest, maxTokens: maxTokensOf(job, costs) };
    return { modelRequest: limited, promptBound, promptEstimate: counts.estimate, counter, seat };
}

function parsed(plain: Buffer): ModelRequest | undefined {
    try {
        assertPlainJson(plain, { maxDepth: MAX_SEALED_DEPTH });
        return modelRequestShape.safeParse(JSON.parse(plain.toString('utf8'))).data;
    } catch {
        return undefined;
    }
}

async function decline(
    { store, receiptKey, metrics, now }: WorkerContext,
    job: WorkerJob,
    { number, request, reason }: { number: number; request: Buffer; reason: Reason },
): Promise<Buffer> {
    const receipt = signReceipt(Decline, { job: job.id, number, request, reason, signedAt: now() }, receiptKey);
    await store.queries.decline({ job: job.id, number, request, receipt });
    metrics.addSigned('decline', reason);
    job.noteNumber(number);
    return receipt;
}

async function accept(
    { store, receiptKey, config, now }: WorkerContext,
    job: WorkerJob,
    query: AcceptedQuery,
): Promise<Buffer> {
    const { number, request, ceiling, promptEstimate } = query;
    const deadline = now() + config.answerSeconds;
    const receipt = signReceipt(Accept, { job: job.id, number, request, ceiling, deadline }, receiptKey);
    await store.queries.accept({ job: job.id, number, request, ceiling, promptEstimate, accept: receipt });
    job.noteNumber(number);
    return receipt;
}
