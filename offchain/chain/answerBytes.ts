/** The bytes and values of an endpoint's answers: how many come at once, and how many in a while. */
import { wholeAnswer } from '../process/bytes';
import type { Budget } from './budget';

const MIB = 1 << 20;
/** Of one answer, and of all that come from an endpoint beside the oldest; a page of transactions has a few at most. */
const MAX_BYTES = 64 * MIB;
const SMALL = MIB / 4; // bytes of an answer that waits for none: most have less, and there are dozens at once at most
/**
 * Values of one answer, and lists and objects: a page of a hundred transactions with 255 messages each has half as
 * many. One of nine characters may take 350 bytes of memory, and a microsecond to parse.
 */
const MAX_VALUES = 1 << 20;
const VALUE_BYTES = 160; // that are read in the time in which one value is
/**
 * Cells of one answer that are read in passing, as many as code and data of most contracts of this project have. One
 * more takes thirty microseconds. It counts as half of the bytes that are read in these, because a node may name an
 * account of many cells as its own, for which no endpoint is to blame.
 */
const SPARE_CELLS = 256;
const CELL_BYTES = 2500;

/** Reads the answers of one endpoint. */
export class AnswerBytes {
    private readonly open = new Set<symbol>(); // answers that come now, the oldest first
    private arriving = 0; // bytes of these
    private waiting: (() => void)[] = []; // until one has ended

    /** `budget`: of its calls, which wait while it sends more than is read in passing. */
    constructor(private readonly budget: Pick<Budget, 'noteBytes'>) {}

    /**
     * A body as text. One that would fill the memory together with others waits for them, except the oldest and small
     * ones. Throws if it alone is longer than any answer, or has more values, or once `signal` is aborted.
     */
    async textOf(body: AsyncIterable<Uint8Array>, signal: AbortSignal): Promise<string> {
        const bytes = await wholeAnswer(this.countPieces(body, signal), MAX_BYTES);
        if (bytes === undefined) {
            throw new Error(`its answer has more than ${MAX_BYTES / MIB} MiB`);
        }
        const values = valuesIn(bytes);
        if (values > MAX_VALUES) {
            throw new Error(`its answer has more than ${MAX_VALUES} values`);
        }
        this.budget.noteBytes(values * VALUE_BYTES);
        return bytes.toString('utf8');
    }

    /** Notes cells of an answer that are read whole. */
    noteCells(cells: number): void {
        this.budget.noteBytes(Math.max(0, cells - SPARE_CELLS) * CELL_BYTES);
    }

    private async *countPieces(body: AsyncIterable<Uint8Array>, signal: AbortSignal): AsyncGenerator<Uint8Array> {
        const answer = Symbol('answer');
        let own = 0;
        this.open.add(answer);
        try {
            for await (const piece of body) {
                own += piece.length;
                this.arriving += piece.length;
                while (own > SMALL && this.arriving > MAX_BYTES && this.oldest !== answer) {
                    await this.another(signal);
                }
                yield piece;
            }
        } finally {
            this.open.delete(answer);
            this.arriving -= own;
            this.budget.noteBytes(own);
            this.waiting.splice(0).forEach((go) => go());
        }
    }

    private get oldest(): symbol | undefined {
        return this.open.values().next().value;
    }

    /** Resolves when another answer has ended. Throws once `signal` is aborted. */
    private async another(signal: AbortSignal): Promise<void> {
        signal.throwIfAborted();
        await new Promise<void>((resolve) => {
            const go = () => {
                signal.removeEventListener('abort', go);
                resolve();
            };
            this.waiting.push(go);
            signal.addEventListener('abort', go);
        });
        signal.throwIfAborted();
    }
}

const [QUOTE, BACKSLASH, COMMA, OPEN_LIST, OPEN_OBJECT] = [0x22, 0x5c, 0x2c, 0x5b, 0x7b];

/**
 * Values in JSON of a server, each list or object counted once more; only one more than {@link MAX_VALUES} of these
 * that have more. What a text contains counts as nothing: a stranger chooses it.
 */
function valuesIn(json: Buffer): number {
    let [values, isText] = [1, false];
    for (let at = 0; at < json.length && values <= MAX_VALUES; at++) {
        const byte = json[at];
        if (isText) {
            at += byte === BACKSLASH ? 1 : 0; // the next one does not end it
            isText = byte !== QUOTE;
        } else if (byte === COMMA || byte === OPEN_LIST || byte === OPEN_OBJECT) {
            values++;
        } else {
            isText = byte === QUOTE;
        }
    }
    return values;
}
