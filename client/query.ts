/** One query: its number is stored, the request leaves sealed, and every record is checked before it is believed. */
import { priceOf } from '@cocoon-market/wrappers';
import { sealQuery } from '@cocoon-market/wrappers/sealed';
import {
    choicesOf,
    type Frame,
    type ModelRequest,
    PieceError,
    PieceReader,
    RecordReader,
    RecordType,
    waits,
} from '../offchain/link';
import { boundsOf, costBound } from '../offchain/payer/bounds';
import { Breach, ClockInDoubt, type IncomingAnswer, type SignedEnding, takeChunk } from '../offchain/payer/incoming';
import { WorkerDown, WorkerRefusal } from '../offchain/payer/workerErrors';
import { conclude, fetchEndings, incomingOf, refuse } from './endings';
import { ClientError, closedError, WorkerBreach } from './errors';
import { type ActiveJob, workerError } from './activeJob';
import type { SavedQuery } from './records';
import { requireFeatures } from './request';
import type { Delta, Receipt } from './types';

const SESSION_TRIES = 2; // of a question at a worker that begins again
const MAX_BROKEN_OFF = 100; // queries without an ending, from which on their job takes no other: each is asked for again
const MAX_KEPT = 16 << 20; // bytes of answers without an ending, from which on their job takes no other query
const END_MS = 5_000; // for the ending of an answer that the caller cut

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
    job: ActiveJob,
    request: ModelRequest,
    options: QueryOptions,
): AsyncGenerator<Delta, Receipt> {
    job.requirePhase('open');
    if (job.context.halted.aborted) {
        throw closedError();
    }
    await connected(job);
    job.requirePhase('open');
    requireFeatures(request, job.features);
    if (job.running >= job.stored.terms.maxParallel) {
        throw new ClientError('too_many', 'As many queries run as the terms of the job allow', 'Wait for one to end.');
    }
    const isMany = job.reservations.size - job.running >= Math.max(MAX_BROKEN_OFF, 2 * job.stored.terms.maxParallel);
    if (job.keptBytes >= MAX_KEPT || isMany) {
        const message =
            'The worker withholds the endings of answers that broke off, which are in memory until it gives them';
        throw new ClientError('too_many', message, 'Settle this job, and open one at another node.');
    }
    job.running++;
    try {
        return yield* ask(job, await send(job, request, options), request, options);
    } finally {
        job.running--;
    }
}

/** Begins a session if there is none, and asks for the endings that are missing. */
async function connected(job: ActiveJob): Promise<void> {
    try {
        await job.connect();
    } catch (error) {
        throw workerError(error);
    }
    void fetchEndings(job, 0).catch(() => undefined);
}

/** A query that is on the disk, as it leaves. */
interface Leaving {
    query: SavedQuery;
    sealed: Buffer;
    session: Buffer;
}

async function send(job: ActiveJob, request: ModelRequest, { maxPrice }: QueryOptions): Promise<Leaving> {
    const { context, stored } = job;
    const bounds = boundsOf(request, job.counter);
    const cost = costBound(stored.terms.rates, { ...bounds, maxTokens: request.maxTokens });
    const ceiling = cost < maxPrice ? cost : maxPrice;
    if (ceiling > job.available) {
        throw new ClientError(
            'low_funds',
            `The query may cost ${ceiling} nanoTON, and ${job.available} nanoTON of the job can be spent`,
            'Ask for fewer tokens, set a lower `maxPrice`, or settle this job and open a new one.',
        );
    }
    const session = job.session!;
    const { number, position, concurrent } = job.reserve(ceiling);
    try {
        const plain = new TextEncoder().encode(JSON.stringify(request));
        const { salt, commitment, sealed, request: hash, secret } = await sealQuery(session, number, plain);
        const query: SavedQuery = {
            ...{ number, position, phase: 'sent', salt, commitment, request: hash, secret, ceiling, ...bounds },
            ...{ tokenizer: job.tokenizer, askedAt: context.now(), concurrent },
            ...{ accept: null, receipt: null, answerRoot: null, entry: null, note: '' },
        };
        await context.records.saveJob(stored); // the number first: it is never used again
        await context.records.saveQuery(stored, query);
        await job.money.signResult();
        const reservation = job.reservations.get(number)!;
        query.concurrent = reservation.concurrent; // others may have been sent meanwhile
        reservation.query = query;
        return { query, sealed, session: session.id };
    } catch (error) {
        job.reservations.delete(number);
        throw error;
    }
}

async function* ask(
    job: ActiveJob,
    { query, sealed, session }: Leaving,
    request: ModelRequest,
    options: QueryOptions,
    tries = SESSION_TRIES,
): AsyncGenerator<Delta, Receipt> {
    const { number, salt, commitment, ceiling } = query;
    const cut = new AbortController();
    const abort = () => cut.abort();
    const signals = [
        job.abandoned.signal,
        job.context.halted,
        ...(options.signal === undefined ? [] : [options.signal]),
    ];
    signals.forEach((signal) => signal.addEventListener('abort', abort));
    if (signals.some(({ aborted }) => aborted)) {
        abort();
    }
    const late = setTimeout(abort, waits.query * 1000);
    const incoming = incomingOf(job, query, { late: false, choices: choicesOf(request) });
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
        const again = await handle(job, { query, session }, incoming, error);
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
            reservation.received = incoming.received;
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
    job: ActiveJob,
    incoming: IncomingAnswer,
    body: AsyncIterable<Buffer>,
    onAccept: () => void,
): AsyncGenerator<Delta, SignedEnding> {
    const records = new RecordReader();
    const pieces = new PieceReader();
    let cost = 0n;
    for await (const chunk of body) {
        for await (const { type, frames } of takeChunk(incoming, records, chunk)) {
            if (type === RecordType.Accept) {
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

/** Books why no ending came; true if the query may be asked again with another number. Throws otherwise. */
async function handle(
    job: ActiveJob,
    { query, session }: Pick<Leaving, 'query' | 'session'>,
    incoming: IncomingAnswer,
    error: unknown,
): Promise<boolean> {
    if (error instanceof WorkerRefusal || (error instanceof WorkerDown && error.unsent)) {
        await job.end(query, { phase: 'void', note: error.message });
        if (error instanceof WorkerRefusal && error.code === 'unknown_session') {
            // Another query that ran may have begun a new session already.
            job.session = job.session?.id.equals(session) === true ? undefined : job.session;
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
    const remedy =
        'Its signed ending is fetched by recover(), by the next question, or by settle(). Ask again if needed.';
    throw new ClientError('broken_off', message, remedy, { cause: error });
}
