/** Work on what an endpoint sends, which leaves most of the time to all else. */
import { setImmediate, setTimeout as sleep } from 'node:timers/promises';

const WORK_MS = 10; // of work before a rest
const REST = 3; // times as long as the work before it

/**
 * The pace of one list. A transaction of as many cells as one may have takes a second to read, and an endpoint may make
 * up any number of them.
 */
export class Pace {
    private worked = 0; // milliseconds since the last rest

    /** Does a piece of work, and rests after it if there was enough. */
    async take<T>(work: () => T): Promise<T> {
        const from = performance.now();
        const result = work();
        this.worked += performance.now() - from;
        if (this.worked < WORK_MS) {
            await setImmediate();
        } else {
            await sleep(this.worked * REST);
            this.worked = 0;
        }
        return result;
    }
}
