/** One query: its number is stored, the request leaves sealed, and every record is checked before it is believed. */
import { answerRoot, type Finish, priceOf, type TokenCounts } from '@cocoon-market/wrappers';
import { sealQuery } from '@cocoon-market/wrappers/sealed';
import {
    causeOf,
    CLOCK_TOLERANCE,
    type Frame,
    type ModelRequest,
    PieceError,
    PieceReader,
    RecordReader,
    RecordType,
    waits,
} from '../offchain/link';
import type { SentQuery } from '../offchain/payer/check';
import { Breach, ClockInDoubt, IncomingAnswer, type SignedEnding } from '../offchain/payer/incoming';
import { WorkerDown, WorkerRefusal } from '../offchain/payer/workerErrors';
import { boundsOf, counterOf, maxCost } from './counting';
import { ClientError, QueryRefused, WorkerBreach } from './errors';
import { type JobState, workerError } from './jobState';
import type { StoredQuery } from './records';
import { requireFeatures } from './request';

/** The next piece of an answer. */
export interface Delta {
    /** Text of the message; may be empty. */
    text: string;
    /** Text of the model's reasoning; may be empty. */
    reasoning: string;
    /** The index of the answer among several. */
    choice: number;
    /** All fields of the delta as the model's server sent them, such as `tool_calls`. */
    fields: Record<string, unknown>;
    /** What is said beside the delta, such as `logprobs`, or how a choice ended. */
    note: Record<string, unknown>;
    /** nanoTON of the answer so far, by the meter of the node. */
    cost: bigint;
}

/** What a query ended with, verified. */
export interface Receipt {
    /** Of the query in its job. */
    number: number;
    /** nanoTON. */
    price: bigint;
    tokens: TokenCounts;
    /** How the answer ended: see `Finish` of the wrappers. */
    finish: Finish;
    /** The node's signed result, as it came; evidence together with the job's terms. */
    result: Buffer;
    /** The node's signed accept, as it came. */
    accept: Buffer;
}

const SESSION_TRIES = 2; // of a question at a worker that begins again
const END_MS = 5_000; // for the ending of an answer that the caller cut
const RETRY_MS = [50, 200, 500, 1000, 2000];
const OVERHEAD = 1 << 20; // bytes of records besides the answer

const sentQueryOf = ({ stored }: JobState, query: StoredQuery): SentQuery => {
    const { number, request, ceiling, askedAt, promptBound, stopBound } = query;
    const { rates } = stored.terms;
    return { job: stored.hash, rates, number, request, ceiling, askedAt, promptBound, stopBound };
};

function incomingOf(job: JobState, query: StoredQuery, { late }: { late: boolean }): IncomingAnswer {
    const counter = counterOf(query.tokenizer, job.context.counters);
    return new IncomingAnswer(sentQueryOf(job, query), job.verifier, query.secret!, counter, {
        maxAnswer: job.stored.terms.maxAnswer,
        clock: () => ({ now: job.context.now(), tolerance: CLOCK_TOLERANCE }),
        late,
    });
}

/** What a caller decides about one query. */
export interface QueryOptions {
    maxPrice: bigint; // nanoTON
    signal: AbortSignal | undefined;
}

/**
 * Asks, and yields the answer as it arrives; returns its receipt. Ending the loop early cuts the answer, which then
 * costs what was delivered.
 *
 * @throws {ClientError} see `ClientErrorCode`
 */
export async function* askWorker(
    job: JobState,
    request: ModelRequest,
    options: QueryOptions,
): AsyncGenerator<Delta, Receipt> {
    job.requirePhase('open');
    await connected(job);
    job.requirePhase('open');
    requireFeatures(request, job.features);
    if (job.running >= job.stored.terms.maxParallel) {
        throw new ClientError('too_many', 'As many queries run as the terms of the job allow', 'Wait for one to end.');
    }
    job.running++;
    try {
        return yield* ask(job, await send(job, request, options), request, options);
    } finally {
        job.running--;
    }
}

/** Begins a session if there is none, and asks for the endings that are missing. */
async function connected(job: JobState): Promise<void> {
    try {
        await job.connect();
    } catch (error) {
        throw workerError(error);
    }
    void fetchEndings(job, 0).catch(() => undefined);
}

/** A query that is on the disk, as it leaves. */
interface Leaving {
    query: StoredQuery;
    sealed: Buffer;
    session: Buffer;
}

async function send(job: JobState, request: ModelRequest, { maxPrice }: QueryOptions): Promise<Leaving> {
    const { context, stored } = job;
    const bounds = boundsOf(request, job.counter);
    const cost = maxCost(stored.terms.rates, request, bounds);
    const ceiling = cost < maxPrice ? cost : maxPrice;
    if (ceiling > job.available) {
        throw new ClientError(
            'low_funds',
            `The query may cost ${ceiling} nanoTON, and ${job.available} nanoTON of the job can be spent`,
            'Ask for fewer tokens, set a lower `maxPrice`, or settle this job and open a new one.',
        );
    }
    const session = job.session!;
    const { number, concurrent } = job.reserve(ceiling);
    try {
        const plain = new TextEncoder().encode(JSON.stringify(request));
        const { salt, commitment, sealed, request: hash, secret } = await sealQuery(session, number, plain);
        const query: StoredQuery = {
            ...{ number, phase: 'sent', salt, commitment, request: hash, secret, ceiling, ...bounds },
            ...{ tokenizer: job.tokenizer, askedAt: context.now(), concurrent },
            ...{ accept: null, receipt: null, answerRoot: null, entry: null, note: '' },
        };
        await context.records.saveJob(stored); // the number first: it is never used again
        await context.records.saveQuery(stored, query);
        await job.money.signResult();
        job.reservations.get(number)!.query = query;
        return { query, sealed, session: session.id };
    } catch (error) {
        job.reservations.delete(number);
        throw error;
    }
}

async function* ask(
    job: JobState,
    { query, sealed, session }: Leaving,
    request: ModelRequest,
    options: QueryOptions,
    tries = SESSION_TRIES,
): AsyncGenerator<Delta, Receipt> {
    const { number, salt, commitment, ceiling } = query;
    const cut = new AbortController();
    const abort = () => cut.abort();
    const signals = [job.abandoned.signal, ...(options.signal === undefined ? [] : [options.signal])];
    signals.forEach((signal) => signal.addEventListener('abort', abort));
    if (signals.some(({ aborted }) => aborted)) {
        abort();
    }
    const late = setTimeout(abort, waits.query * 1000);
    const incoming = incomingOf(job, query, { late: false });
    let isOver = false;
    try {
        job.context.requireOpen();
        const voucher = job.stored.voucher;
        const head = { job: job.stored.hash, session, number, salt, commitment, ceiling, voucher };
        const body = await job.link.query(head, sealed, cut.signal);
        const ending = yield* follow(job, incoming, body, () => job.money.noteDelivered(voucher));
        isOver = true;
        return await conclude(job, query, incoming, ending);
    } catch (error) {
        isOver = true;
        const again = await handle(job, query, incoming, error);
        if (!again || tries <= 1) {
            throw workerError(error);
        }
    } finally {
        cut.abort();
        clearTimeout(late);
        signals.forEach((signal) => signal.removeEventListener('abort', abort));
        if (incoming.accept === undefined) {
            job.money.noteUndelivered();
        }
        const reservation = job.reservations.get(number);
        if (reservation !== undefined) {
            reservation.isTaken = false;
        }
        if (!isOver || options.signal?.aborted === true) {
            await fetchEndings(job, END_MS).catch(() => undefined); // the caller ended the answer
        }
    }
    // The worker began again meanwhile, and knows the session no more: nothing of the query was used.
    await connected(job);
    return yield* ask(job, await send(job, request, options), request, options, tries - 1);
}

/** Yields what arrives, pays by its meters, and returns the signed ending. */
async function* follow(
    job: JobState,
    incoming: IncomingAnswer,
    body: AsyncIterable<Buffer>,
    onAccept: () => void,
): AsyncGenerator<Delta, SignedEnding> {
    const records = new RecordReader();
    const pieces = new PieceReader();
    let cost = 0n;
    for await (const chunk of body) {
        for (const record of parse(records, chunk)) {
            const frames = incoming.take(record);
            if (record.type === RecordType.Accept) {
                onAccept();
            }
            if (frames.length > 0) {
                cost = priceOf(incoming.meter, job.stored.terms.rates);
                job.ledger.raiseMeter(incoming.number, cost);
                job.money.payIfDue();
            }
            for (const frame of frames) {
                yield* deltas(read(pieces, frame), cost);
            }
        }
        if (incoming.ending !== undefined) {
            yield* deltas(pieces.end(), cost);
            return incoming.ending;
        }
    }
    throw new WorkerDown('the answer ends without a signed ending');
}

function read(pieces: PieceReader, frame: Frame) {
    try {
        return pieces.push(frame);
    } catch (error) {
        throw error instanceof PieceError ? new Breach(error.message) : error;
    }
}

function* deltas(pieces: ReturnType<PieceReader['push']>, cost: bigint): Generator<Delta> {
    for (const { choice, delta, note } of pieces) {
        const textOf = (value: unknown) => (typeof value === 'string' ? value : '');
        const [text, reasoning] = [textOf(delta.content), textOf(delta.reasoning_content)];
        yield { text, reasoning, choice, fields: delta, note, cost };
    }
}

function parse(records: RecordReader, chunk: Buffer) {
    try {
        return records.push(chunk);
    } catch (error) {
        throw new Breach((error as Error).message);
    }
}

/** Books a verified ending. Returns the receipt of a result, and throws for a decline or a fail. */
async function conclude(
    job: JobState,
    query: StoredQuery,
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
    const objection = job.ledger.objection(entry);
    if (objection !== undefined) {
        throw new Breach(`the result is refused: ${objection}`, receipt);
    }
    job.ledger.addResult(number, entry);
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

/** Books why no ending came; true if the query may be asked again with another number. Throws otherwise. */
async function handle(job: JobState, query: StoredQuery, incoming: IncomingAnswer, error: unknown): Promise<boolean> {
    if (error instanceof WorkerRefusal || (error instanceof WorkerDown && error.unsent)) {
        await job.end(query, { phase: 'void', note: error.message });
        if (error instanceof WorkerRefusal && error.code === 'unknown_session' && job.session !== undefined) {
            job.session = undefined;
            return true;
        }
        throw workerError(error);
    }
    if (error instanceof Breach) {
        await refuse(job, query, incoming, error);
        throw new WorkerBreach(error.message, error.receipt);
    }
    if (error instanceof ClockInDoubt) {
        throw new ClientError('clock', error.message, "Set this machine's clock; the answer is fetched again then.");
    }
    if (error instanceof ClientError) {
        throw error; // a decline or a fail, which is booked
    }
    const message = `The answer to query ${query.number} broke off: ${error instanceof Error ? error.message : 'cut'}`;
    const remedy = 'Its signed ending is fetched by recover(), by the next question, or by settle(). Ask again if needed.';
    throw new ClientError('broken_off', message, remedy, { cause: error });
}

/** Stores what was refused as evidence. Its meters stay counted: what was paid is paid. */
async function refuse(job: JobState, query: StoredQuery, { accept = null }: { accept?: Buffer | null }, error: Breach) {
    const receipt = error.receipt === undefined ? null : Buffer.from(error.receipt);
    await job.abandon(error.message);
    await job.end(query, { phase: 'refused', accept, receipt, note: error.message });
}

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

/** Fetches the endings that nobody waits for, for at most so many milliseconds; one attempt each if 0. */
export async function fetchEndings(job: JobState, ms: number): Promise<void> {
    const until = Date.now() + ms;
    const waiting = [...job.reservations.values()].filter(({ isTaken, query }) => !isTaken && query !== undefined);
    waiting.forEach((one) => (one.isTaken = true));
    await Promise.all(
        waiting.map(async (reservation) => {
            try {
                for (let attempt = 0; !(await fetchEnding(job, reservation.query!, attempt)); attempt++) {
                    const wait = RETRY_MS[Math.min(attempt, RETRY_MS.length - 1)];
                    if (Date.now() + wait > until) {
                        return;
                    }
                    await pause(wait);
                }
            } finally {
                reservation.isTaken = false;
            }
        }),
    );
}

/** True once the query has an ending. */
async function fetchEnding(job: JobState, query: StoredQuery, attempt: number): Promise<boolean> {
    const { hash, terms } = job.stored;
    let bytes: Buffer;
    try {
        bytes = await job.link.stored(hash, query.number, terms.maxAnswer + OVERHEAD);
    } catch (error) {
        if (error instanceof WorkerRefusal) {
            return endMissing(job, query, error, attempt);
        }
        return false;
    }
    const incoming = incomingOf(job, query, { late: true });
    try {
        for (const record of parse(new RecordReader(), bytes)) {
            incoming.take(record);
        }
        if (incoming.ending === undefined) {
            return false; // still being made
        }
        requireDelivered(job, query, incoming.ending);
        await conclude(job, query, incoming, incoming.ending).catch((error: unknown) => {
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

// Rule 14: a worker sends one step for each query that runs before it is paid. What bills more was not delivered.
function requireDelivered({ ledger, stored }: JobState, query: StoredQuery, ending: SignedEnding): void {
    if (ending.type !== 'result') {
        return;
    }
    const { price } = ending.result;
    if (ledger.unpaidWith(query.number, price) > stored.terms.step * BigInt(query.concurrent)) {
        const reason = `it bills ${price} nanoTON for an answer that was not delivered, more than a step ahead of what is paid`;
        throw new Breach(`the result is refused: ${reason}`, ending.receipt);
    }
}

// A number that the worker does not know was never accepted. It is not used again all the same.
async function endMissing(job: JobState, query: StoredQuery, error: WorkerRefusal, attempt: number): Promise<boolean> {
    if (['running', 'paused', 'shutting_down'].includes(error.code) || error.status >= 500) {
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
