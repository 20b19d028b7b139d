/** How queries end: what a node signed is verified and booked, and what was lost on the way is fetched. */
import { answerRoot } from '@cocoon-market/wrappers';
import { causeOf, CLOCK_TOLERANCE } from '../offchain/link';
import { sentQueryOf } from '../offchain/payer/check';
import { Breach, IncomingAnswer, type SignedEnding } from '../offchain/payer/incoming';
import { isNoEnding, maxStoredBytes, takeStored, undeliveredObjection } from '../offchain/payer/stored';
import { WorkerRefusal } from '../offchain/payer/workerErrors';
import { inParallel } from '../offchain/process/parallel';
import type { ActiveJob, Reservation } from './activeJob';
import { counterOf } from './counting';
import { QueryRefused } from './errors';
import type { SavedQuery } from './records';
import type { Receipt } from './types';

const RETRY_MS = [50, 200, 500, 1000, 2000];
const MAX_FETCHED = 4; // answers of a job at a time

/** `choices`: answers that were asked for, if that is known. */
export function incomingOf(
    job: ActiveJob,
    query: SavedQuery,
    { late, choices }: { late: boolean; choices?: number },
): IncomingAnswer {
    const counter = counterOf(query.tokenizer, job.context.counters);
    return new IncomingAnswer(sentQueryOf(job.stored, query), job.verifier, query.secret!, counter, {
        maxAnswer: job.stored.terms.maxAnswer,
        clock: () => ({ now: job.context.now(), tolerance: CLOCK_TOLERANCE }),
        late,
        ...(choices !== undefined && { choices }),
    });
}

/** Books a verified ending. Returns the receipt of a result, and throws for a decline or a fail. */
export async function conclude(
    job: ActiveJob,
    query: SavedQuery,
    incoming: IncomingAnswer,
    ending: SignedEnding,
): Promise<Receipt> {
    const { number } = query;
    const accept = incoming.accept ?? null;
    const { receipt } = ending;
    if (ending.type !== 'result') {
        const wasPaid = job.ledger.meterOf(number) > 0n;
        job.ledger.dropMeter(number);
        await job.end(query, { phase: ending.type, accept, receipt, note: `reason ${ending.refusal.reason}` });
        await job.countFailure(ending.type === 'fail' && wasPaid);
        throw refusedBy(ending, incoming.retryAfter);
    }
    const { result } = ending;
    const { index, price, cumulative, finish } = result;
    const entry = { index, price, cumulative };
    const objection = job.book(number, entry);
    if (objection !== undefined) {
        throw new Breach(`the result is refused: ${objection}`, receipt);
    }
    const root = answerRoot(incoming.received);
    await job.end(query, { phase: 'result', accept, receipt, entry, answerRoot: root });
    const { prompt, cached, completion, reasoning } = result;
    const tokens = { prompt, cached, completion, reasoning };
    return { number, price, tokens, finish, result: receipt, accept: accept! };
}

function refusedBy({ type, refusal, receipt }: Exclude<SignedEnding, { type: 'result' }>, retryAfter?: number) {
    const { message, origin } = causeOf(refusal.reason);
    const remedies = {
        request: 'Change the question: no node answers it as it is.',
        job: 'Ask for less, or open a job with a larger step or deposit.',
        server: 'Change the question, or open a job at another node.',
        node: 'Ask again later, or open a job at another node.',
    };
    const code = type === 'decline' ? 'declined' : 'failed';
    return new QueryRefused(code, message, remedies[origin], refusal.reason, receipt, retryAfter);
}

/** Stores what was refused as evidence. Its meters stay counted: what was paid is paid. */
export async function refuse(
    job: ActiveJob,
    query: SavedQuery,
    { accept = null }: { accept?: Buffer | null },
    error: Breach,
) {
    const receipt = error.receipt === undefined ? null : Buffer.from(error.receipt);
    await job.abandon(error.message);
    await job.end(query, { phase: 'refused', accept, receipt, note: error.message });
}

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

/** Fetches the endings that nobody waits for, for at most so many milliseconds; one attempt each if 0. */
export async function fetchEndings(job: ActiveJob, ms: number): Promise<void> {
    const fetched = fetchAll(job, Date.now() + ms);
    await (ms === 0 ? fetched : inTime(fetched, ms));
}

async function fetchAll(job: ActiveJob, until: number): Promise<void> {
    let missing = [...job.reservations.values()].filter(({ isTaken, query }) => !isTaken && query !== undefined);
    for (let attempt = 0; ; attempt++) {
        await inParallel(missing, (one) => fetchFree(job, one, attempt), MAX_FETCHED);
        missing = missing.filter((one) => isMissing(job, one));
        const wait = RETRY_MS[Math.min(attempt, RETRY_MS.length - 1)];
        if (missing.length === 0 || Date.now() + wait > until) {
            return;
        }
        await pause(wait);
    }
}

const isMissing = ({ reservations }: ActiveJob, one: Reservation): boolean =>
    one.query !== undefined && reservations.get(one.query.number) === one;

async function fetchFree(job: ActiveJob, reservation: Reservation, attempt: number): Promise<void> {
    const { query, isTaken, received } = reservation;
    if (query === undefined || isTaken || !isMissing(job, reservation) || job.fetching >= MAX_FETCHED) {
        return; // the next attempt fetches it, or the next question
    }
    reservation.isTaken = true;
    job.fetching++;
    try {
        await fetchEnding(job, query, { attempt, received });
    } finally {
        reservation.isTaken = false;
        job.fetching--;
    }
}

/** Waits for a promise, at most so many milliseconds: a worker may send an answer as slowly as it likes. */
async function inTime(fetched: Promise<unknown>, ms: number): Promise<void> {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const late = new Promise<void>((resolve) => (timer = setTimeout(resolve, ms)));
    try {
        await Promise.race([fetched, late]);
    } finally {
        clearTimeout(timer);
        fetched.catch(() => undefined);
    }
}

/** Fetches the ending of a query, if its worker has it. */
async function fetchEnding(
    job: ActiveJob,
    query: SavedQuery,
    { attempt, received }: { attempt: number; received: Buffer },
): Promise<boolean> {
    const { hash, terms } = job.stored;
    let bytes: Buffer;
    try {
        bytes = await job.link.stored(hash, query.number, maxStoredBytes(terms));
    } catch (error) {
        if (error instanceof WorkerRefusal) {
            return endMissing(job, query, error, attempt);
        }
        return false;
    }
    const incoming = incomingOf(job, query, { late: true });
    try {
        const ending = await takeStored(incoming, bytes, received);
        if (ending === undefined) {
            return false; // still being made
        }
        requireDelivered(job, query, ending);
        await conclude(job, query, incoming, ending).catch((error: unknown) => {
            if (!(error instanceof QueryRefused)) {
                throw error;
            }
        });
        return true;
    } catch (error) {
        if (error instanceof Breach) {
            await refuse(job, query, incoming, error);
            return true;
        }
        return false;
    }
}

function requireDelivered({ ledger, stored }: ActiveJob, query: SavedQuery, ending: SignedEnding): void {
    if (ending.type !== 'result') {
        return;
    }
    const { number, concurrent } = query;
    const { price } = ending.result;
    const objection = undeliveredObjection(ledger, { number, price }, { step: stored.terms.step, concurrent });
    if (objection !== undefined) {
        throw new Breach(`the result is refused: ${objection}`, ending.receipt);
    }
}

// A number that the worker does not know was never accepted. It is not used again all the same.
async function endMissing(job: ActiveJob, query: SavedQuery, error: WorkerRefusal, attempt: number): Promise<boolean> {
    if (isNoEnding(error)) {
        return false;
    }
    if (error.code === 'unknown_job') {
        job.session = undefined;
        await job.connect().catch(() => undefined);
        return false;
    }
    if (attempt === 0) {
        return false; // the request may still be on its way
    }
    job.ledger.dropMeter(query.number);
    await job.end(query, { phase: 'void', note: error.message });
    return true;
}
