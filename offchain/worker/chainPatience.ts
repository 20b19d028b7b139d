import { UNCOUNTED_BODY } from '../process/doors';
import { resolvesWithin } from '../process/tasks';
import { ChannelUnreadable } from './channels';

const LARGE_MS = 6000; // twice what a query of a secured job waits for a reading

/**
 * How long a large query waits for the chain in all while it is decided on. Of the memory that it takes there is little
 * for all clients, and a few jobs that keep the API of the chain busy must not hold it for a minute. Readings go on, so
 * that a later query finds what they show.
 */
export class ChainPatience {
    private remaining: number; // milliseconds

    /** `size`: bytes of the sealed request. */
    constructor(size: number) {
        this.remaining = size > UNCOUNTED_BODY ? LARGE_MS : Infinity;
    }

    /** Waits for a reading. Throws {@link ChannelUnreadable} if that takes too long for a large query. */
    async wait<T>(reading: Promise<T>): Promise<T> {
        if (this.remaining < Infinity) {
            const from = performance.now();
            if (!(await resolvesWithin(reading, this.remaining))) {
                throw new ChannelUnreadable(new Error('a large query has waited too long for the chain'));
            }
            this.remaining = Math.max(0, this.remaining - (performance.now() - from));
        }
        return reading;
    }
}
