/** The bytes of an endpoint's answers: how many come at once, and how many in a while. */
import { wholeAnswer } from '../process/bytes';
import type { Budget } from './budget';

const MIB = 1 << 20;
/** Of one answer, and of all that come from an endpoint beside the oldest; a page of transactions has a few at most. */
const MAX_BYTES = 64 * MIB;
const SMALL = MIB / 4; // bytes of an answer that waits for none: most have less, and there are dozens at once at most

/** Reads the answers of one endpoint. */
export class AnswerBytes {
    private readonly open = new Set<symbol>(); // answers that come now, the oldest first
    private arriving = 0; // bytes of these
    private waiting: (() => void)[] = []; // until one has ended

    /** `budget`: of its calls, which wait while it sends more than is read in passing. */
    constructor(private readonly budget: Pick<Budget, 'noteBytes'>) {}

    /**
     * A body as text. One that would fill the memory together with others waits for them, except the oldest and small
     * ones. Throws if it alone is longer than any answer, or once `signal` is aborted.
     */
    async textOf(body: AsyncIterable<Uint8Array>, signal: AbortSignal): Promise<string> {
        const bytes = await wholeAnswer(this.countPieces(body, signal), MAX_BYTES);
        if (bytes === undefined) {
            throw new Error(`its answer has more than ${MAX_BYTES / MIB} MiB`);
        }
        return bytes.toString('utf8');
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
