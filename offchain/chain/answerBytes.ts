/** The bytes of an endpoint's answers: how many come at once, and how many in a while. */
import type { Dispatcher } from 'undici';
import { wholeAnswer } from '../process/bytes';
import type { Budget } from './budget';

const MIB = 1 << 20;
/** Of all answers of an endpoint that are on their way, and so of one; a page of transactions has a few at most. */
const MAX_AT_ONCE = 64 * MIB;

/** Reads the answers of one endpoint. */
export class AnswerBytes {
    private arriving = 0;

    /** `budget`: of its calls, which wait while it sends more than is read in passing. */
    constructor(private readonly budget: Pick<Budget, 'noteBytes'>) {}

    /** A body as text. Throws if it is longer than any answer, or all that come are, before they fill the memory. */
    async textOf(body: Dispatcher.ResponseData['body']): Promise<string> {
        const bytes = await wholeAnswer(this.countPieces(body), MAX_AT_ONCE);
        if (bytes === undefined) {
            throw new Error(`its answer has more than ${MAX_AT_ONCE / MIB} MiB`);
        }
        return bytes.toString('utf8');
    }

    private async *countPieces(body: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
        let own = 0;
        try {
            for await (const piece of body) {
                own += piece.length;
                this.arriving += piece.length;
                if (own <= MAX_AT_ONCE && this.arriving > MAX_AT_ONCE) {
                    throw new Error(`its answers have more than ${MAX_AT_ONCE / MIB} MiB at once`);
                }
                yield piece;
            }
        } finally {
            this.arriving -= own;
            this.budget.noteBytes(own);
        }
    }
}
