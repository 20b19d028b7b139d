/**
 * Searches ended jobs for channels that exist after all: the answers of the API on which these jobs ended may have been
 * wrong.
 */
import type { EndCursor, JobRecord, OnDamaged } from '../store/worker';
import type { WorkerBook } from './book';
import type { WorkerContext } from './context';
import type { Costs } from './costs';

const HOUR = 3600;
const DAY = 24 * HOUR;
const PAGE = 500; // jobs read from the store at once

/** A search for jobs that a last claim of this worker has ended (`byLastClaim`), or for the others. */
export interface LostSearch {
    readonly byLastClaim: boolean;
    readonly everySeconds: number;
    readonly searchSeconds: number; // for which the vouchers of an ended job are searched for
    doneAt: number; // steady seconds when the last search was finished
    cursor: EndCursor | undefined; // of the search under way
}

export class LostJobs {
    readonly searches: LostSearch[] = [
        { byLastClaim: false, everySeconds: HOUR, searchSeconds: 30 * DAY, doneAt: -Infinity, cursor: undefined },
        { byLastClaim: true, everySeconds: DAY, searchSeconds: 7 * DAY, doneAt: -Infinity, cursor: undefined },
    ];

    constructor(
        private readonly context: WorkerContext,
        private readonly book: WorkerBook,
        private readonly costs: Costs,
        private readonly events: { isStopping: () => boolean; onDamaged: OnDamaged },
    ) {}

    /** Reads up to `max` channels of a search that is due, and returns the jobs whose channels exist. */
    async findDue(search: LostSearch, max: number): Promise<JobRecord[]> {
        if (this.context.steady() - search.doneAt < search.everySeconds) {
            return [];
        }
        const { revived, cursor } = await this.find(search, max, search.cursor);
        search.cursor = cursor;
        if (cursor === undefined) {
            search.doneAt = this.context.steady();
        }
        return revived;
    }

    /** Reads every channel of a search, and returns the jobs whose channels exist. */
    async findAll(search: LostSearch): Promise<JobRecord[]> {
        return (await this.find(search, Infinity, undefined)).revived;
    }

    /**
     * `cursor` of the result: where to go on; undefined at the end. Jobs whose claim would cost more than it pays are
     * left out.
     */
    private async find(
        { byLastClaim, searchSeconds }: LostSearch,
        max: number,
        start: EndCursor | undefined,
    ): Promise<{ revived: JobRecord[]; cursor: EndCursor | undefined }> {
        const { store, now } = this.context;
        const { onDamaged } = this.events;
        const revived: JobRecord[] = [];
        let remaining = max;
        let cursor = start;
        const next = () =>
            store.jobs.lost({ byLastClaim, since: now() - searchSeconds, cursor, limit: PAGE, onDamaged });
        for (let page = await next(); page.length > 0; page = await next()) {
            for (const record of page) {
                if (remaining === 0 || this.events.isStopping()) {
                    return { revived, cursor };
                }
                cursor = { at: record.snapshot.at, job: record.job };
                if (this.costs.isWorth((record.voucher?.cumulative ?? 0n) - record.confirmedPaid)) {
                    remaining--;
                    if (await this.readRevived(record)) {
                        revived.push(record);
                    }
                }
            }
        }
        return { revived, cursor: undefined };
    }

    /** Reads the channel; false if it does not exist or cannot be read. A later search reads it again. */
    private readRevived({ job: id }: JobRecord): Promise<boolean> {
        const read = this.book.use(id, async (job) => {
            await job.channel.read();
            return job.state !== 'ended';
        });
        return read.catch(() => false);
    }
}
