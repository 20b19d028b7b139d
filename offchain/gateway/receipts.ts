/** Checks the receipt of one answer by what the gateway's store has of it, without asking anybody. */
import type { Result, TokenCounts } from '@cocoon-market/wrappers';
import { Finish } from '@cocoon-market/wrappers';
import { type FieldCheck, type ReceiptParts, verifyReceipt } from '@cocoon-market/wrappers/market';
import { countTolerance, FrameReader } from '../link';
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

/** What a receipt says, and what of it is right. */
export interface StoredReceiptReport {
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
): Promise<StoredReceiptReport> {
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

/** What the store has of an answer. */
export interface StoredReceipt {
    job: Pick<StoredJob, 'hash' | 'channel' | 'terms'>;
    network: number;
    answer: StoredAnswer & { receipt: Buffer };
    entries: { index: number; cumulative: bigint }[]; // of all results of the job
    whole?: { secret: Buffer; answer: Buffer }; // if the query is stored whole
}

/** Checks every field of a result. A receipt that the node did not sign is read all the same. */
export function checkReceipt(stored: StoredReceipt): Pick<StoredReceiptReport, 'says' | 'checks'> {
    const { job, network, answer, whole, entries } = stored;
    const { receipt, number, index, request, ceiling, askedAt, accept } = answer;
    const cumulativeBefore =
        index === null ? undefined : entries.find((entry) => entry.index === index - 1)?.cumulative;
    const { says, checks } = verifyReceipt({
        ...{ receipt, network, channel: job.channel, terms: job.terms, job: job.hash },
        ...{ number, index: index ?? undefined, request, ceiling, askedAt, accept },
        cumulativeBefore,
        maxTokens: maxTokensOf(answer, whole && ownCount(whole, answer)),
        answer: whole?.answer,
    });
    if (says === undefined) {
        return { checks };
    }
    const objection = whole && answerObjection(says, answer, whole);
    const { job: _, content, ...rest } = says;
    return {
        says: { ...rest, content: content.toString('hex'), ended: Finish[says.finish] ?? 'unknown' },
        checks: checks.map((check) =>
            check.field === 'content' && check.state === 'right' && objection !== undefined
                ? { field: 'content', state: 'wrong', reason: objection }
                : check,
        ),
    };
}

function answerObjection(
    { finish }: Result,
    { number }: StoredAnswer,
    { secret, answer }: NonNullable<StoredReceipt['whole']>,
): string | undefined {
    const frames = new FrameReader(secret, number);
    try {
        frames.push(answer);
    } catch {
        return 'the stored answer does not open';
    }
    return frames.complete || isCut(finish) ? undefined : 'the answer has no end, and the receipt says it has';
}

/** The most tokens that the answer's text allows; none if the stored answer does not open. */
function ownCount({ secret, answer }: NonNullable<StoredReceipt['whole']>, { number, tokenizer }: StoredAnswer) {
    const count = new AnswerCount(counterOf(tokenizer));
    try {
        new FrameReader(secret, number).push(answer).forEach((frame) => count.take(frame));
        return count.bound;
    } catch {
        return { completion: 0, reasoning: 0 };
    }
}

/** The most tokens of each kind that a receipt may bill; without an own count the answer was not kept. */
function maxTokensOf(
    { promptBound, stopBound }: StoredAnswer,
    own: Pick<TokenCounts, 'completion' | 'reasoning'> | undefined,
): NonNullable<ReceiptParts['maxTokens']> {
    const prompt = countTolerance(promptBound);
    return own === undefined
        ? { prompt }
        : { prompt, completion: countTolerance(own.completion + stopBound), reasoning: countTolerance(own.reasoning) };
}
