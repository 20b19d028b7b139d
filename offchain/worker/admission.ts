/** What happens between a query's arrival and its acceptance (rules 2 and 3). */
import { Accept, Decline, Reason } from '@cocoon-market/wrappers';
import { assertShallow } from '../process/doors';
import {
    commits,
    modelHash,
    openRequest,
    maxPrompt,
    querySecret,
    rentLeft,
    requestHash,
    sealedChat,
    signReceipt,
} from '../link';
import type { QueryHead, SealedChat } from '../link';
import type { ChatRequest } from '../backend';
import type { QueryRecord } from '../store/worker';
import type { WorkerContext } from './context';
import { answerTokens, covers, promptBoundPrice } from './credit';
import type { Job } from './job';
import type { AcceptedQuery, RunningQuery } from './query';
import { Refused } from './refusal';
import { takeVoucher } from './vouchers';

/** What a query is answered with: what is stored of it, a signed decline, or what a new answer needs. */
export type Admitted =
    | { kind: 'stored'; query: QueryRecord }
    | { kind: 'declined'; receipt: Buffer }
    | { kind: 'new'; running: RunningQuery; accept: () => Promise<Buffer> };

/**
 * Decides on a query. A `new` one, made by `begin`, is in `job.running` already; `accept` stores and returns the receipt.
 *
 * @throws {Refused} if it is not authentic, or its number was used by another
 */
export async function admit(
    context: WorkerContext,
    job: Job,
    head: QueryHead,
    sealed: Buffer,
    begin: (query: AcceptedQuery) => RunningQuery,
): Promise<Admitted> {
    const { number, salt, commitment, session: id } = head;
    const request = requestHash({ commitment, session: id, salt, sealed });
    const known = await storedQuery(context, job, number, request);
    if (known !== undefined) {
        return { kind: 'stored', query: known };
    }
    if (!job.isOwn) {
        throw new Refused('wrong_terms', 'This job is of an earlier receipt key of the node: open another');
    }
    const session = await job.session();
    if (!session.id.equals(id)) {
        throw new Refused('unknown_session', 'Register the job again: this session is not its newest');
    }
    const secret = querySecret(session, number, salt);
    if (!commits(commitment, secret)) {
        throw new Refused('not_sealed', "The key commitment is not this query's");
    }
    const plain = opened(secret, number, sealed);
    await job.recent();
    if (head.voucher !== null) {
        await takeVoucher(context, job, head.voucher);
    }
    job.requireNewest();
    const decision = decide(context, job, head.ceiling, plain);
    if (job.running.has(number)) {
        throw new Refused('running', 'This query is being answered');
    }
    if (typeof decision === 'number') {
        if (!job.maySignDecline()) {
            throw new Refused('declined', `Declined (${Reason[decision]}), too often in this job to sign it`);
        }
        return { kind: 'declined', receipt: await decline(context, job, { number, request, reason: decision }) };
    }
    if (!job.signsForNothing && !job.client.mayStart(job.terms.step)) {
        throw new Refused('declined', 'Too many queries of this job were dropped before they ran, and none is paid');
    }
    const query = { ...decision, number, request, secret, ceiling: head.ceiling };
    const running = begin(query);
    // In the same moment as the decision: many queries wait for one reading, and each must count those before it.
    job.running.set(number, running);
    return { kind: 'new', running, accept: () => accept(context, job, query) };
}

async function storedQuery(
    context: WorkerContext,
    job: Job,
    number: number,
    request: Buffer,
): Promise<QueryRecord | undefined> {
    const stored = await context.store.queries.get({ job: job.id, number });
    if (stored === undefined) {
        if (number <= job.lowWater) {
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

function opened(secret: Buffer, number: number, sealed: Buffer): Buffer {
    try {
        return openRequest(secret, number, sealed);
    } catch {
        throw new Refused('not_sealed', 'The request does not open under its session');
    }
}

type Decision = { chat: ChatRequest; promptBound: number; promptBytes: number };

/** Why the query is declined, or what runs. Asks nobody, so that between it and the acceptance nothing changes. */
function decide(context: WorkerContext, job: Job, ceiling: bigint, plain: Buffer): Decision | Reason {
    const { terms, seen } = job;
    const chat = parsed(plain);
    if (chat === undefined) {
        return Reason.BadRequest;
    }
    if (!modelHash(chat.model).equals(terms.model)) {
        return Reason.UnknownModel;
    }
    if (job.state !== 'open' || job.leaving()) {
        return Reason.Leaving;
    }
    if (job.running.size >= terms.parallel) {
        return Reason.TooBusy;
    }
    const request = chat;
    const promptBound = context.backend.promptBound(request);
    if (promptBoundPrice(promptBound, terms.rates) > maxPrompt(terms.step)) {
        return Reason.StepTooSmall;
    }
    const maxTokens = Math.min(chat.maxTokens, answerTokens(ceiling, promptBound, terms.rates));
    if (maxTokens < 1) {
        return Reason.TooLarge;
    }
    const ceilings = [...job.running.values()].reduce((sum, running) => sum + running.ceiling, 0n);
    const rent = rentLeft(seen.refundAt - job.chainNow());
    if (!covers({ ...seen, rent }, { results: job.cumulative, ceilings, ceiling })) {
        return Reason.Unfunded;
    }
    const promptBytes = chat.messages.reduce((sum, { content }) => sum + Buffer.byteLength(content), 0);
    return { chat: { ...request, maxTokens }, promptBound, promptBytes };
}

function parsed(plain: Buffer): SealedChat | undefined {
    try {
        assertShallow(plain);
        return sealedChat.parse(JSON.parse(plain.toString('utf8')));
    } catch {
        return undefined;
    }
}

async function decline(
    { store, receiptKey, now }: WorkerContext,
    job: Job,
    { number, request, reason }: { number: number; request: Buffer; reason: Reason },
): Promise<Buffer> {
    const receipt = signReceipt(Decline, { job: job.id, number, request, reason, signedAt: now() }, receiptKey);
    await store.queries.decline({ job: job.id, number, request, receipt });
    job.used(number);
    return receipt;
}

async function accept(
    { store, receiptKey, config, now }: WorkerContext,
    job: Job,
    query: AcceptedQuery,
): Promise<Buffer> {
    const { number, request, ceiling, promptBytes } = query;
    const deadline = now() + config.answerSeconds;
    const receipt = signReceipt(Accept, { job: job.id, number, request, ceiling, deadline }, receiptKey);
    await store.queries.accept({ job: job.id, number, request, ceiling, promptBytes, accept: receipt });
    job.used(number);
    return receipt;
}
