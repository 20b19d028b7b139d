/** Checks the receipt of one answer by what the gateway's store has of it, without asking anybody. */
import type { Accept, Result, TokenCounts } from '@cocoon-market/wrappers';
import { answerRoot, contentHash, Finish, jobHash, payloadOf, priceOf, Verifier } from '@cocoon-market/wrappers';
import { CLOCK_TOLERANCE, countTolerance, FrameReader, openReceipt, receiptLayouts, RecordType } from '../link';
import type { GatewayStore, StoredAnswer, StoredJob } from '../store/gateway';
import { AnswerCount, counterOf } from '../tokens';
import { isCut } from '../payer/check';

/** The name of a receipt: the job's number and the query's. */
export const receiptId = (job: number, number: number): string => `${job}-${number}`;

/** The numbers in a receipt's name; undefined if it is none. */
export function readReceiptId(id: string): { job: number; number: number } | undefined {
    const match = /^(\d{1,15})-(\d{1,10})$/.exec(id);
    return match === null ? undefined : { job: Number(match[1]), number: Number(match[2]) };
}

/** One field of a receipt; `not checked`: the store has not kept what it takes. */
export interface FieldCheck {
    field: string;
    state: 'right' | 'wrong' | 'not checked';
    reason?: string; // of the other two
}

/** What a receipt says, and what of it is right. */
export interface ReceiptReport {
    id: string;
    right: boolean; // no field is wrong
    model: string;
    worker: string; // URL
    tier: string;
    says?: Omit<Result, 'job' | 'content'> & { content: string; ended: string }; // undefined if it cannot be read
    checks: FieldCheck[];
}

/**
 * The report on a receipt.
 *
 * @throws Error if the store has no such query, or the query has no result
 */
export async function reportOf(
    store: Pick<GatewayStore, 'job' | 'storedAnswer' | 'wholeQuery' | 'entries'>,
    network: number,
    id: string,
): Promise<ReceiptReport> {
    const numbers = readReceiptId(id);
    if (numbers === undefined) {
        throw new Error('A receipt is named by job and query, such as 12-3: the usage of each answer has it');
    }
    const job = await store.job(numbers.job);
    const answer = job && (await store.storedAnswer(job.number, numbers.number));
    if (job === undefined || answer === undefined) {
        throw new Error(`The store has no query ${numbers.number} of job ${numbers.job}`);
    }
    if (answer.receipt === null || answer.phase !== 'result') {
        throw new Error(`Query ${id} has no result: it ended as "${answer.phase}", and nothing of it is billed`);
    }
    const whole = await store.wholeQuery(numbers.job, numbers.number);
    const entries = await store.entries(numbers.job);
    const parts = { job, network, answer: { ...answer, receipt: answer.receipt }, entries };
    const { says, checks } = checkReceipt({ ...parts, ...(whole && { whole }) });
    return {
        ...{ id, right: checks.every(({ state }) => state !== 'wrong') },
        ...{ model: job.model, worker: job.worker, tier: job.tier },
        ...(says && { says }),
        checks,
    };
}

export interface ReceiptParts {
    job: Pick<StoredJob, 'hash' | 'channel' | 'terms'>;
    network: number;
    answer: StoredAnswer & { receipt: Buffer };
    entries: { index: number; cumulative: bigint }[]; // of all results of the job
    whole?: { secret: Buffer; answer: Buffer }; // if the query is stored whole
}

/** Checks every field of a result. A receipt that the node did not sign is read all the same. */
export function checkReceipt(parts: ReceiptParts): Pick<ReceiptReport, 'says' | 'checks'> {
    const { job, network, answer, whole } = parts;
    const verifier = new Verifier(job.terms.receiptKey);
    const checks: FieldCheck[] = [];
    const check = (field: string, objection: string | undefined) =>
        checks.push(objection === undefined ? { field, state: 'right' } : { field, state: 'wrong', reason: objection });
    const skip = (field: string, reason: string) => checks.push({ field, state: 'not checked', reason });

    const { result, isSigned } = read(answer.receipt, verifier);
    check('signature', isSigned ? undefined : "it is not the node's, by the receipt key of the job's terms");
    if (result === undefined) {
        return { checks };
    }
    const { rates } = job.terms;
    check(
        'terms',
        jobHash(network, job.channel, job.terms).equals(job.hash) ? undefined : 'they are not those of the job',
    );
    check('job', result.job.equals(job.hash) ? undefined : 'it is of another job');
    check('number', differs(result.number, answer.number));
    check('index', result.index === 0 ? 'it is 0' : differs(result.index, answer.index));
    const bounds = { ...answer, own: whole && ownCount(whole, answer) };
    for (const kind of ['prompt', 'completion', 'reasoning'] as const) {
        const max = maxOf(kind, bounds);
        if (max === undefined) {
            skip(kind, 'the answer was not kept: see keepHours');
        } else {
            const count = kind === 'prompt' ? result.prompt + result.cached : result[kind];
            check(kind, count > max ? `it bills ${count} tokens, and ${max} are possible` : undefined);
        }
    }
    check('price', differs(result.price, priceOf(result, rates)));
    check('ceiling', result.price > answer.ceiling ? `its price is above the ceiling of ${answer.ceiling}` : undefined);
    const sumBefore = parts.entries.find(({ index }) => index === result.index - 1)?.cumulative;
    if (sumBefore === undefined && result.index > 1) {
        skip('cumulative', 'the result before it is not in the store');
    } else {
        check('cumulative', differs(result.cumulative, (sumBefore ?? 0n) + result.price));
    }
    check('finish', Finish[result.finish] === undefined ? `${result.finish} is no way to end` : undefined);
    const { accept } = answer;
    const accepted = accept === null ? undefined : readAccept(accept, verifier);
    check('accept', acceptObjection(accepted, parts));
    check('finishedAt', timeObjection(result, answer, accepted));
    if (whole === undefined) {
        skip('content', 'the answer was not kept: see keepHours');
    } else {
        check('content', contentObjection(result, answer, whole));
    }
    const { job: _, content, ...rest } = result;
    const ended = Finish[result.finish] ?? 'unknown';
    return { says: { ...rest, content: content.toString('hex'), ended }, checks };
}

const differs = <T>(value: T, expected: T): string | undefined =>
    value === expected ? undefined : `it is ${String(value)}, and should be ${String(expected)}`;

function read(receipt: Buffer, verifier: Verifier): { result: Result | undefined; isSigned: boolean } {
    const layout = receiptLayouts[RecordType.Result];
    try {
        return { result: openReceipt(layout, receipt, verifier), isSigned: true };
    } catch {
        // Not signed, or no receipt at all.
    }
    try {
        return { result: layout.decode(payloadOf(receipt)), isSigned: false };
    } catch {
        return { result: undefined, isSigned: false };
    }
}

function readAccept(accept: Buffer, verifier: Verifier): Accept | undefined {
    try {
        return openReceipt(receiptLayouts[RecordType.Accept], accept, verifier);
    } catch {
        return undefined;
    }
}

function acceptObjection(accept: Accept | undefined, { job, answer }: ReceiptParts): string | undefined {
    if (accept === undefined) {
        return 'the store has none that the node signed';
    }
    if (!accept.job.equals(job.hash) || accept.number !== answer.number || !accept.request.equals(answer.request)) {
        return 'it is for another request';
    }
    return accept.ceiling === answer.ceiling ? undefined : 'it names another ceiling';
}

function timeObjection({ finishedAt }: Result, { askedAt }: StoredAnswer, accept: Accept | undefined) {
    if (finishedAt < askedAt - CLOCK_TOLERANCE) {
        return `it is before the query was asked, at ${askedAt}`;
    }
    const late = accept !== undefined && finishedAt > accept.deadline + CLOCK_TOLERANCE;
    return late ? `it is after the deadline, ${accept.deadline}` : undefined;
}

function contentObjection(
    result: Result,
    { request, number }: StoredAnswer,
    { secret, answer }: NonNullable<ReceiptParts['whole']>,
) {
    if (!contentHash(request, answerRoot(answer)).equals(result.content)) {
        return 'it is not the hash of the stored answer';
    }
    const frames = new FrameReader(secret, number);
    try {
        frames.push(answer);
    } catch {
        return 'the stored answer does not open';
    }
    return frames.complete || isCut(result.finish) ? undefined : 'the answer has no end, and the receipt says it has';
}

/** The most tokens that the answer's text allows; none if the stored answer does not open. */
function ownCount({ secret, answer }: NonNullable<ReceiptParts['whole']>, { number, tokenizer }: StoredAnswer) {
    const count = new AnswerCount(counterOf(tokenizer));
    try {
        new FrameReader(secret, number).push(answer).forEach((frame) => count.take(frame));
        return count.bound;
    } catch {
        return { completion: 0, reasoning: 0 };
    }
}

function maxOf(
    kind: 'prompt' | 'completion' | 'reasoning',
    { promptBound, stopBound, own }: StoredAnswer & { own: Pick<TokenCounts, 'completion' | 'reasoning'> | undefined },
): number | undefined {
    if (kind === 'prompt') {
        return countTolerance(promptBound);
    }
    return own && countTolerance(own[kind] + (kind === 'completion' ? stopBound : 0));
}
