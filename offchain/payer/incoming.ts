/**
 * Takes the records of one answer, live or fetched afterwards, and checks every one before anything is believed or
 * paid.
 */
import type { Accept, Refusal, Result, TokenCounts, Verifier } from '@cocoon-market/wrappers';
import { answerRoot, contentHash, noTokens } from '@cocoon-market/wrappers';
import type { Frame, RecordReader, WireRecord } from '../link';
import { FrameReader, openReceipt, receiptLayouts, RecordType, MAX_RETRY_AFTER } from '../link';
import type { SentQuery, ClockReading, Objection } from './check';
import { checkAccept, isCut, isDoubtful, checkMeter, checkRefusal, checkResult, TimeObjection } from './check';
import { eventLoop } from '../process/loopShare';
import { AnswerCount, type AnswerTokens } from '../tokens/answerCount';
import type { TokenCounter } from '../tokens/bytes';

/** The node broke the protocol: it is paid no more, and its job is left. */
export class Breach extends Error {
    constructor(
        message: string,
        readonly receipt?: Buffer, // what was refused, kept as evidence
    ) {
        super(message);
        this.name = 'Breach';
    }
}

/** A time of the node does not fit, but this machine's clock may be the wrong one. So the node is not blamed. */
export class ClockInDoubt extends Error {}

/** How a query ended, signed by the node. */
export type SignedEnding =
    | { type: 'result'; result: Result; receipt: Buffer }
    | { type: 'decline' | 'fail'; refusal: Refusal; receipt: Buffer };

const FREE_RECORDS = 16;
const MIN_RECORD = 16; // bytes of a record of the answer, on average; a frame has more than twice as many

/** The records a chunk completes; what is none of this protocol's is a breach. */
export function recordsOf(reader: RecordReader, chunk: Buffer): WireRecord[] {
    try {
        return reader.push(chunk);
    } catch (error) {
        throw new Breach((error as Error).message);
    }
}

const PART = 32 << 10; // bytes of an answer that are opened and counted in one turn of the event loop

/**
 * A record in parts to take in turns of the event loop: an answer of a hundred thousand frames takes seconds. Nothing
 * but a long record of the answer has more than one.
 */
export function* partsOf(record: WireRecord): Generator<WireRecord> {
    const { type, bytes } = record;
    if (type !== RecordType.Answer || bytes.length <= PART) {
        yield record;
        return;
    }
    for (let at = 0; at < bytes.length; at += PART) {
        yield { type, bytes: bytes.subarray(at, at + PART) };
    }
}

/**
 * Takes what a chunk of a live answer completes: the type and the frames of each record, or part of one that takes
 * turns of the event loop. Throws {@link Breach}.
 */
export async function* takeChunk(
    incoming: IncomingAnswer,
    reader: RecordReader,
    chunk: Buffer,
): AsyncGenerator<{ type: RecordType; frames: Frame[] }> {
    for (const record of recordsOf(reader, chunk)) {
        for (const part of partsOf(record)) {
            if (part !== record) {
                await eventLoop.take(part.bytes.length);
            }
            yield { type: record.type, frames: incoming.take(part) };
        }
    }
}

/** One answer as it arrives. */
export class IncomingAnswer {
    readonly number: number;
    accept: Buffer | undefined; // the receipt
    ending: SignedEnding | undefined;
    retryAfter: number | undefined; // seconds, as an unsigned hint of a node that did not answer
    meter: TokenCounts = noTokens;
    private readonly own: AnswerCount;
    private readonly frames: FrameReader;
    private readonly chunks: Buffer[] = [];
    private length = 0;
    private records = 0;
    private hasWord = false; // a frame had text

    constructor(
        private readonly query: SentQuery,
        private readonly verifier: Verifier,
        secret: Buffer,
        counter: TokenCounter,
        private readonly options: {
            maxAnswer: number;
            clock: () => ClockReading;
            late: boolean;
            choices?: number; // answers that were asked for, if that is known
        },
    ) {
        this.number = query.number;
        this.own = new AnswerCount(counter, options.choices);
        this.frames = new FrameReader(secret, query.number);
    }

    /** Every byte of the answer so far. */
    get received(): Buffer {
        return Buffer.concat(this.chunks);
    }

    /** The frames that a record brings. Throws {@link Breach} when a record is not what the protocol says. */
    take({ type, bytes }: WireRecord): Frame[] {
        if (this.ending !== undefined) {
            throw new Breach('a record follows the end of the answer');
        }
        switch (type) {
            case RecordType.Accept:
                this.takeAccept(bytes);
                return [];
            case RecordType.Answer:
                return this.takeAnswer(bytes);
            case RecordType.Result:
                this.takeResult(bytes);
                return [];
            case RecordType.Decline:
                if (this.accept !== undefined) {
                    throw new Breach('a decline follows an accept', bytes);
                }
                this.takeRefusal('decline', bytes);
                return [];
            case RecordType.Fail:
                this.takeRefusal('fail', bytes);
                return [];
            case RecordType.RetryAfter:
                this.takeRetryAfter(bytes);
                return [];
        }
    }

    private takeAccept(bytes: Buffer): void {
        if (this.accept !== undefined) {
            throw new Breach('there are two accepts', bytes);
        }
        const accept: Accept = this.open(RecordType.Accept, bytes);
        // Fetched afterwards, an accept is as old as its query.
        const clock = this.options.late ? { ...this.options.clock(), now: this.query.askedAt } : this.options.clock();
        this.refuse('accept', checkAccept(accept, this.query, clock), bytes);
        this.accept = Buffer.from(bytes);
    }

    private takeAnswer(bytes: Buffer): Frame[] {
        if (this.accept === undefined) {
            throw new Breach('an answer comes before its accept');
        }
        if (bytes.length === 0) {
            throw new Breach('a record of the answer is empty'); // any number of them would be within the largest answer
        }
        this.length += bytes.length;
        // A record holds a frame at least, but for a few: each costs memory besides its bytes.
        if (++this.records > FREE_RECORDS && this.length < this.records * MIN_RECORD) {
            throw new Breach('the answer comes in records that are shorter than frames');
        }
        if (this.length > this.options.maxAnswer) {
            throw new Breach('the answer is longer than the terms allow');
        }
        let frames: Frame[];
        try {
            frames = this.frames.push(bytes);
        } catch {
            throw new Breach('a frame does not open');
        }
        this.chunks.push(Buffer.from(bytes));
        for (const frame of frames) {
            this.count(frame);
        }
        return frames;
    }

    private count(frame: Frame): void {
        const { meter } = frame;
        this.own.take(frame);
        this.hasWord ||= frame.text !== '';
        // The text is counted anew only for a meter above what was counted: a frame of one character takes 0.1 ms.
        const objectionBy = (own: AnswerTokens) => checkMeter(meter, this.meter, own, this.query);
        this.refuse('frame', objectionBy(this.own.lastBound) && objectionBy(this.own.bound));
        this.meter = meter;
    }

    private takeResult(bytes: Buffer): void {
        if (this.accept === undefined) {
            throw new Breach('a result comes without an accept', bytes);
        }
        const result: Result = this.open(RecordType.Result, bytes);
        const { late } = this.options;
        this.refuse(
            'result',
            checkResult(result, this.query, this.own.bound, { ...this.options.clock(), late }),
            bytes,
        );
        if (!isCut(result.finish) && !this.frames.complete) {
            throw new Breach('a result says that its answer is whole, and the final frame is missing', bytes);
        }
        // Rule 12: that is a fail, which costs nothing.
        if (isCut(result.finish) && !this.hasWord) {
            throw new Breach('a result is over an answer that has no word', bytes);
        }
        // A worker that was killed signs over the prefix it had stored, and then stores and sends nothing else.
        if (!contentHash(this.query.request, answerRoot(this.received)).equals(result.content)) {
            throw new Breach("a result's content is not the answer that arrived", bytes);
        }
        this.ending = { type: 'result', result, receipt: Buffer.from(bytes) };
    }

    private takeRefusal(type: 'decline' | 'fail', bytes: Buffer): void {
        const refusal: Refusal = this.open(type === 'decline' ? RecordType.Decline : RecordType.Fail, bytes);
        this.refuse(type, checkRefusal(refusal, this.query), bytes);
        this.ending = { type, refusal, receipt: Buffer.from(bytes) };
    }

    private takeRetryAfter(bytes: Buffer): void {
        if (bytes.length !== 4 || this.retryAfter !== undefined) {
            throw new Breach('a hint of when to ask again is malformed or comes twice');
        }
        this.retryAfter = Math.min(bytes.readUInt32BE(), MAX_RETRY_AFTER);
    }

    private open<T extends keyof typeof receiptLayouts>(type: T, bytes: Buffer) {
        try {
            return openReceipt(receiptLayouts[type] as never, bytes, this.verifier) as never;
        } catch {
            throw new Breach(`the node did not sign this ${RecordType[type].toLowerCase()}`, bytes);
        }
    }

    private refuse(what: string, objection: Objection | undefined, receipt?: Buffer): void {
        if (objection === undefined) {
            return;
        }
        const clock = this.options.clock();
        if (objection instanceof TimeObjection && isDoubtful(clock)) {
            const off = clock.offset === undefined ? 'has not been compared' : `is ${Math.abs(clock.offset)} s off`;
            throw new ClockInDoubt(
                `the ${what} does not fit the time, and this machine's clock ${off} with the chain's`,
            );
        }
        throw new Breach(`the ${what} is refused: ${objection.toString()}`, receipt);
    }
}
