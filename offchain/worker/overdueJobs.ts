/**
 * Ends open jobs that have nothing to claim, once their time is over. Their channels are read by nobody else, and what
 * is stored of a job that does not end stays for ever.
 */
import { inParallel } from '../process/parallel';
import type { OnDamaged } from '../store/worker';
import type { WorkerBook } from './book';
import type { WorkerContext } from './context';

const EVERY_SECONDS = 3600; // a channel that its client leaves where it is costs a call in each search

export class OverdueJobs {
    private doneAt = -Infinity; // steady seconds when the last search was finished
    private cursor: Buffer | undefined; // of the search under way

    constructor(
        private readonly context: WorkerContext,
        private readonly book: WorkerBook,
        private readonly events: { onDamaged: OnDamaged; onUnread: (job: Buffer, error: unknown) => void },
    ) {}

    /** Reads up to `max` channels of a search that is due. A job ends when its channel was gone several times. */
    async readDue(max: number): Promise<void> {
        const { now, steady, store } = this.context;
        if (steady() - this.doneAt < EVERY_SECONDS) {
            return;
        }
        const { cursor } = this;
        const { onDamaged, onUnread } = this.events;
        const page = await store.jobs.overdue({ cursor, limit: max, onDamaged }, now());
        await inParallel(page, ({ job: id }) =>
            this.book.use(id, (job) => job.channel.read()).catch((error: unknown) => onUnread(id, error)),
        );
        this.cursor = page.at(-1)?.job;
        if (page.length === 0) {
            this.doneAt = steady();
        }
    }
}
