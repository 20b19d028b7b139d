// Longer than 350 lines because every step of one query is here, from its number to its ending.
/**
 * One query at one job: the number goes to disk, the request leaves sealed, and every record is checked as it arrives.
 */
import { priceOf, Rates, Refusal, Result } from '@cocoon-market/wrappers';
import { randomBytes } from 'node:crypto';
import type { Frame, ModelRequest } from '../link';
import type { CutReason } from './answers';
import {
    choicesOf,
    keyCommitment,
    querySecret,
    RecordReader,
    RecordType,
    requestHash,
    sealRequest,
    waits,
} from '../link';
import type { StoredQuery } from '../store/gateway';
import { counterOf, type PromptCounts, promptMax } from '../tokens';
import { boundsOf, costBound, type QueryBounds } from '../payer/bounds';
import { ClockReading, sentQueryOf } from '../payer/check';
import { Cut } from './cut';
import { ClientGone } from './errors';
import { Breach, IncomingAnswer, SignedEnding, takeChunk } from '../payer/incoming';
import type { GatewayJob, Lease } from './job';
import { requireMember } from './member';
import { NotStored } from './notStored';
import { type Needs, needsOf, textsOf } from './needs';
import type { RequestSize } from './nodeStats';
import type { Payer } from './people';
import type { Preferences } from './preferences';
import { Silence } from './silence';
import { WorkerDown, WorkerRefusal } from '../payer/workerErrors';

/** A client's question, with what money and sealing need to know of it. */
export interface Question {
    modelRequest: ModelRequest;
    needed: Needs; // of the node
    preferences?: Preferences | undefined; // of the request, about nodes
    payer?: Payer; // the key that pays it, if keys are needed
    /** Counts a long prompt by these tokenizers in several turns of the event loop. Otherwise it is counted at once. */
    count(tokenizers: () => readonly string[]): Promise<void>;
    /** Of the request as it is sealed. */
    bytes(): number;
    /** The maximal counts by the tokenizer that a node lists. */
    bounds(tokenizer: string): QueryBounds;
}

/** The question of a request; each tokenizer counts it once. */
export function questionOf(modelRequest: ModelRequest, { isLimited }: { isLimited: boolean }): Question {
    const counts = new Map<string, PromptCounts>(); // of a long prompt
    const counting = new Map<string, Promise<void>>(); // by tokenizer
    const byTokenizer = new Map<string, QueryBounds>();
    const bounds = (tokenizer: string) => {
        const bound =
            byTokenizer.get(tokenizer) ?? boundsOf(modelRequest, counterOf(tokenizer), counts.get(tokenizer)?.bound);
        byTokenizer.set(tokenizer, bound);
        return bound;
    };
    const isLong = promptMax(modelRequest) > LONG_PROMPT;
    const countBy = async (tokenizer: string) => {
        const counter = counterOf(tokenizer);
        if (counter.isExact) {
            counts.set(tokenizer, await counter.countPrompt(modelRequest, textsOf(modelRequest)));
        }
    };
    const count = async (tokenizers: () => readonly string[]) => {
        for (const tokenizer of isLong ? new Set(tokenizers()) : []) {
            const done = counting.get(tokenizer) ?? countBy(tokenizer);
            counting.set(tokenizer, done); // many nodes list the same one
            await done;
        }
    };
    const needed = needsOf(modelRequest, isLimited, (tokenizer) => counts.get(tokenizer)?.texts);
    let length: number | undefined;
    const bytes = () => (length ??= Buffer.byteLength(JSON.stringify(modelRequest)));
    return { modelRequest, needed, count, bytes, bounds };
}

const LONG_PROMPT = 32 * 1024; // bytes, which are counted in some 20 ms
const ACCEPT_MS = 250; // from an accept until it is stored, unless the query ends before
const END_MS = 1000; // from the signed ending to the end of the connection

/** How an attempt at a query ended that did not break off. */
export type QueryOutcome =
    | { type: 'result'; result: Result; receipt: Buffer }
    | {
          type: 'decline' | 'fail';
          refusal: Refusal;
          paid: boolean; // meters of it were
          retryAfter?: number; // seconds
      };

/**
 * The connection to the worker ended before the answer. The catcher has the query's lease and fetches its ending later.
 * `keepsPlace`: this gateway has cut it, so it runs on until the worker notices; the catcher ends it in the job.
 */
export class BrokenOff extends Error {
    constructor(
        readonly lease: Lease,
        readonly query: StoredQuery,
        readonly received: Buffer,
        cause: unknown,
        readonly keepsPlace = false,
    ) {
        super('the connection to the worker ended before the answer did', { cause });
        this.name = 'BrokenOff';
    }
}

/** nanoTON that a question may cost at most at these rates, by the tokenizer of the node. */
export function maxCost(rates: Rates, { modelRequest, bounds }: Question, tokenizer: string): bigint {
    return costBound(rates, { ...bounds(tokenizer), maxTokens: modelRequest.maxTokens });
}

/** How large a question is, by the tokenizer of a node. */
export function sizeOf({ modelRequest, bounds, bytes }: Question, tokenizer: string): RequestSize {
    const { promptBound: prompt } = bounds(tokenizer);
    return { prompt, total: prompt + modelRequest.maxTokens, bytes };
}

/** How a question is asked; `keep`: its query is stored whole, to be opened later. */
export interface Asking {
    clock: () => ClockReading;
    deliver: (frame: Frame, number: number) => Promise<void>;
    signal: AbortSignal;
    keep?: boolean;
    /** Gets an ending that the store did not take, to store it later. */
    onNotStored: (ending: NotStored) => void;
    /** The node does not begin, and the app has gone; or the answer stands still. */
    onSilent: () => void;
}

/**
 * Asks the worker and hands every frame to `deliver`. The lease's query is ended when this resolves or throws, unless
 * the connection broke off. Aborting `signal` cuts the query, after its first frame unless the gateway stops.
 *
 * @throws {BrokenOff} when the connection ended first, {@link WorkerRefusal} and {@link WorkerDown} when nothing came,
 * {@link Breach} when the node broke the protocol, {@link NotStored} when the store did not take the result
 */
export async function ask(
    lease: Lease,
    question: Question,
    { clock, deliver, signal, keep = false, onNotStored, onSilent }: Asking,
): Promise<QueryOutcome> {
    const { job, number, ceiling } = lease;
    let keepsPlace = false;
    const later = (error: unknown) => {
        if (!(error instanceof NotStored)) {
            throw error;
        }
        onNotStored(error);
    };
    try {
        const { session } = job;
        if (session === undefined) {
            lease.drop();
            throw new WorkerRefusal('unknown_session', 404, 'it began again meanwhile');
        }
        const salt = randomBytes(16);
        const secret = querySecret(session, number, salt);
        const commitment = keyCommitment(secret);
        const sealed = sealRequest(secret, number, Buffer.from(JSON.stringify(question.modelRequest)));
        const request = requestHash({ commitment, session: session.id, salt, sealed });
        const { tokenizer } = job;
        const { promptBound, stopBound } = question.bounds(tokenizer);
        const shared = { number, salt, commitment, ceiling };
        const query = {
            ...shared,
            job: job.number,
            secret,
            request,
            promptBound,
            stopBound,
            tokenizer,
            askedAt: clock().now,
        };
        await reserve(lease, question, query);
        // In one commit with what is owed: the query brings the voucher, so that none is posted.
        const [added] = await Promise.allSettled([
            job.store.addQuery(
                { ...query, apiKey: question.payer?.name },
                keep ? { session: session.id, sealed } : undefined,
            ),
            job.money.signResult(),
        ]);
        if (added.status === 'rejected') {
            lease.dropNotStored();
            throw added.reason;
        }
        await confirm(lease, question, query, later);
        if (signal.aborted) {
            await lease.end({ phase: 'void' }).catch(later);
            throw new ClientGone('the client went away');
        }
        requireMember(job.store);
        const head = { ...shared, job: job.stored.hash, session: session.id, voucher: job.stored.voucher };
        const incoming = new IncomingAnswer(
            sentQueryOf(job.stored, query),
            job.verifier,
            secret,
            counterOf(tokenizer),
            {
                maxAnswer: job.terms.maxAnswer,
                clock,
                late: false,
                choices: choicesOf(question.modelRequest),
            },
        );
        // Most queries end sooner, and their ending is stored with the accept.
        let saving: NodeJS.Timeout | undefined;
        const saveAccept = () => {
            if (incoming.accept !== undefined) {
                // Not awaited: no frame waits for it, and a store that fails ends the process.
                job.store.saveAccept(job.number, number, incoming.accept).catch(() => undefined);
            }
        };
        // A node that never begins, or goes on after its deadline, is not waited for.
        const cut = new Cut([job.abandoned.signal], waits.query * 1000);
        // Cut before its first word, an answer would be work for nothing: a worker allows a client little of that, over
        // all its apps. So the first word is waited for, and paid.
        let hasBegun = false;
        const silence = new Silence(job, onSilent);
        const leave = () => {
            const isStopping = signal.reason === ('stopping' satisfies CutReason);
            if (signal.aborted && !isStopping) {
                silence.noteGone();
            }
            if (signal.aborted && (hasBegun || isStopping)) {
                cut.now();
            }
        };
        signal.addEventListener('abort', leave);
        leave();
        try {
            const body = (await job.worker.query(head, sealed, cut.signal))[Symbol.asyncIterator]();
            const ending = await follow(job, incoming, body, {
                deliver: (frame) => {
                    hasBegun = true;
                    return silence.deliver(frame, () => {
                        leave();
                        return deliver(frame, number);
                    });
                },
                onAccept: () => {
                    job.money.noteDelivered(head.voucher);
                    saving = setTimeout(saveAccept, ACCEPT_MS);
                },
            });
            clearTimeout(saving);
            noteUnaccepted(job, incoming);
            void letGo(body, cut);
            return await conclude(lease, incoming, ending);
        } catch (error) {
            clearTimeout(saving);
            cut.now();
            noteUnaccepted(job, incoming);
            if (error instanceof NotStored) {
                onNotStored(error);
                throw error;
            }
            if (error instanceof WorkerRefusal || (error instanceof WorkerDown && error.unsent)) {
                await lease.end({ phase: 'void' }).catch(later);
                throw error instanceof WorkerRefusal ? Object.assign(error, { session }) : error;
            }
            if (error instanceof Breach) {
                await refuse(lease, incoming, { breach: error, at: clock().now }).catch(later);
                throw error;
            }
            saveAccept();
            const { received } = incoming;
            job.noteBrokenOff(number, received.length);
            keepsPlace = signal.aborted;
            throw new BrokenOff(lease, query, received, error, keepsPlace);
        } finally {
            signal.removeEventListener('abort', leave);
            silence.end();
        }
    } finally {
        if (!keepsPlace) {
            job.end();
        }
    }
}

// Rule 7: the voucher that it brought is posted.
function noteUnaccepted({ money }: GatewayJob, { accept }: IncomingAnswer): void {
    if (accept === undefined) {
        money.noteUndelivered();
    }
}

// The budget of the key first: without it nothing is sent, and the job's money is free again.
async function reserve(lease: Lease, { payer }: Question, query: StoredQuery): Promise<void> {
    try {
        await payer?.reserve(query);
    } catch (error) {
        lease.drop();
        throw error;
    }
}

// Another process may have changed the key or reserved the rest of the budget meanwhile.
async function confirm(
    lease: Lease,
    { payer }: Question,
    query: StoredQuery,
    later: (error: unknown) => void,
): Promise<void> {
    try {
        await payer?.confirm(query);
    } catch (error) {
        await lease.end({ phase: 'void' }).catch(later);
        throw error;
    }
}

/**
 * Hands over the frames that come; resolves with the signed ending, with which the answer is over whatever else comes.
 */
async function follow(
    job: GatewayJob,
    incoming: IncomingAnswer,
    body: AsyncIterator<Buffer>,
    { deliver, onAccept }: { deliver: (frame: Frame) => Promise<void>; onAccept: () => void },
): Promise<SignedEnding> {
    const records = new RecordReader();
    for (let next = await body.next(); next.done !== true; next = await body.next()) {
        for await (const { type, frames } of takeChunk(incoming, records, next.value)) {
            if (type === RecordType.Accept) {
                onAccept();
            }
            if (frames.length > 0) {
                meter(job, incoming);
            }
            for (const frame of frames) {
                await deliver(frame);
            }
        }
        if (incoming.ending !== undefined) {
            return incoming.ending;
        }
    }
    throw new WorkerDown('the answer ends without a signed ending');
}

/** Waits a moment for the end of the connection, which can be used again then, and ends one that is held open. */
async function letGo(body: AsyncIterator<Buffer>, cut: Cut): Promise<void> {
    const late = setTimeout(() => cut.now(), END_MS).unref();
    try {
        while ((await body.next()).done !== true);
    } catch {
        // It broke off, after all that matters.
    }
    clearTimeout(late);
    cut.release();
}

function meter(job: GatewayJob, incoming: IncomingAnswer): void {
    job.ledger.raiseMeter(incoming.number, priceOf(incoming.meter, job.terms.rates));
    job.money.payIfDue();
}

/** Books a verified ending; it is on the disk, and what it adds is being paid, when this resolves. */
export async function conclude(lease: Lease, incoming: IncomingAnswer, ending: SignedEnding): Promise<QueryOutcome> {
    const { job, number } = lease;
    const { accept, retryAfter } = incoming;
    if (ending.type !== 'result') {
        const paid = job.ledger.meterOf(number) > 0n;
        const cost = job.ledger.paidFor(number);
        job.ledger.dropMeter(number);
        await lease.end({ phase: ending.type, accept, receipt: ending.receipt }, cost);
        return { type: ending.type, refusal: ending.refusal, paid, retryAfter };
    }
    const { result, receipt } = ending;
    const { index, price, cumulative } = result;
    const entry = { index, price, cumulative };
    const objection = job.ledger.objection(entry);
    if (objection !== undefined) {
        throw new Breach(`the result is refused: ${objection}`, receipt);
    }
    job.ledger.addResult(number, entry);
    await lease.end({ phase: 'result', accept, receipt, entry, tokens: result, answer: incoming.received });
    return { type: 'result', result, receipt };
}

/** Keeps what was refused as evidence, and that its job is left. Its meters stay counted: what was paid is paid. */
export async function refuse(
    lease: Lease,
    incoming: IncomingAnswer,
    { breach, at }: { breach: Breach; at: number }, // unix seconds
): Promise<void> {
    const receipt = breach.receipt && Buffer.from(breach.receipt);
    await lease.end({ phase: 'refused', accept: incoming.accept, receipt, breach: { at, reason: breach.message } });
}
