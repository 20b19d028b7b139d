/** Decides on a query between its arrival and its acceptance (rules 2 and 3). */
import { Accept, Decline, Reason } from '@cocoon-market/wrappers';
import {
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
import type { QueryRecord } from '../store/worker';
import { counterOf } from '../tokens';
import type { WorkerContext } from './context';
import { answerTokens, covers, promptBoundPrice } from './credit';
import type { WorkerJob } from './job';
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
    await job.channel.refresh();
    const voucher = head.voucher === null ? undefined : await takeWithQuery(context, job, head.voucher);
    job.requireNewest();
    if (job.fails.isEmpty) {
        throw new Refused('declined', 'Too many queries of this job failed, and too few were answered and paid');
    }
    if (job.unpaid.isEmpty && !job.client.mayStart(job.terms.step)) {
        throw new Refused('declined', 'Too many queries of this job were dropped before they ran, and none is paid');
    }
    if (job.running.has(number)) {
        throw new Refused('running', 'This query is being answered');
    }
    const decision = decide(context, job, head.ceiling, plain);
    if (typeof decision === 'number') {
        if (job.unpaid.isEmpty) {
            throw new Refused('declined', `Declined (${Reason[decision]}), too often in this job to sign it`);
        }
        job.unpaid.spend();
        await voucher?.stored;
        return { kind: 'declined', receipt: await decline(context, job, { number, request, reason: decision }) };
    }
    const query = { ...decision, number, request, secret, ceiling: head.ceiling };
    const running = begin(query);
    // In the same step as the decision, because queries that wait for one reading must count each other.
    job.running.set(number, running);
    const discard = () => {
        job.remove(number);
        query.seat.release();
    };
    const accepted = async () => (await Promise.all([accept(context, job, query), voucher?.stored]))[0];
    return { kind: 'new', running, accept: accepted, discard };
}

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

/** What runs, or the reason to decline. It awaits nothing, so that nothing changes before the acceptance. */
function decide(context: WorkerContext, job: WorkerJob, ceiling: bigint, plain: Buffer): Decision | Reason {
    const { terms, channel } = job;
    const modelRequest = parsed(plain);
    if (modelRequest === undefined) {
        return Reason.BadRequest;
    }
    const { model } = modelRequest.body;
    if (!modelHash(model).equals(terms.model)) {
        return Reason.UnknownModel;
    }
    const features = context.backends.featuresOf(model);
    const isUnknown = unknownField(modelRequest, context.config.extraFields) !== undefined;
    if (isUnknown || neededFeatures(modelRequest).some(({ feature }) => !features.includes(feature))) {
        return Reason.Unsupported;
    }
    if (job.state !== 'open' || channel.isLeaving()) {
        return Reason.Leaving;
    }
    if (job.running.size >= terms.maxParallel) {
        return Reason.TooBusy;
    }
    const counter = counterOf(job.record.tokenizer);
    const promptBound = context.backends.promptBound(modelRequest, counter);
    if (promptBoundPrice(promptBound, terms.rates) > maxPrompt(terms.step)) {
        return Reason.StepTooSmall;
    }
    const isEmbedding = modelRequest.endpoint === 'embedding';
    const maxTokens = Math.min(modelRequest.maxTokens, answerTokens(ceiling, promptBound, terms.rates));
    // Of every choice at least one token, and an embedding has none.
    if (isEmbedding ? promptBoundPrice(promptBound, terms.rates) > ceiling : maxTokens < choicesOf(modelRequest)) {
        return Reason.TooLarge;
    }
    const ceilings = [...job.running.values()].reduce((sum, running) => sum + running.ceiling, 0n);
    const rent = remainingRent(channel.snapshot.refundAt - channel.chainTime());
    if (!covers({ ...channel.snapshot, rent }, { results: job.cumulative, ceilings, ceiling })) {
        return Reason.Unfunded;
    }
    const promptEstimate = counter.promptEstimate(modelRequest);
    const seat = context.backends.reserve(model, terms.escrow.toString('hex'));
    return typeof seat === 'number'
        ? seat
        : { modelRequest: { ...modelRequest, maxTokens }, promptBound, promptEstimate, counter, seat };
}

function parsed(plain: Buffer): ModelRequest | undefined {
    try {
        assertPlainJson(plain, MAX_SEALED_DEPTH);
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
