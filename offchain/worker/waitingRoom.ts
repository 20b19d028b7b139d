import { NoRoom } from '../process/doors';

const SHARE = 2; // one client gets at most 1/SHARE of the room

/** A query that waits for credit. */
export interface WaitingQuery {
    readonly client: string; // whose share it takes
    readonly paid: bigint; // nanoTON, by its job
    readonly size: number; // bytes of its sealed request
    /** Ends it, because one whose job has paid more needs its room. */
    giveWay(): void;
}

/**
 * Room in memory for queries that wait for credit. Anyone can have them accepted by many escrows that pay nothing, so
 * those of jobs that have paid less give way.
 */
export class WaitingRoom {
    private readonly queries = new Set<WaitingQuery>(); // in the order in which they came

    /** `max`: bytes of all sealed requests. */
    constructor(private readonly max: number) {}

    /**
     * Returns what takes the query out again. One that is alone, or the only one of its client, may have any size.
     *
     * @throws {NoRoom} if there is no room for it now
     */
    take(query: WaitingQuery): () => void {
        const all = [...this.queries];
        const own = all.filter(({ client }) => client === query.client);
        const leaving = new Set<WaitingQuery>();
        this.makeRoom(own, this.max / SHARE, query, leaving);
        this.makeRoom(all, this.max, query, leaving);
        for (const one of leaving) {
            this.queries.delete(one);
            one.giveWay();
        }
        this.queries.add(query);
        return () => void this.queries.delete(query);
    }

    /** Adds to `leaving` those that must give way: of jobs that have paid the least, the newest first. */
    private makeRoom(
        queries: readonly WaitingQuery[],
        max: number,
        { paid, size }: WaitingQuery,
        leaving: Set<WaitingQuery>,
    ): void {
        const staying = queries.filter((one) => !leaving.has(one));
        const less = staying.filter((one) => one.paid < paid).reverse();
        less.sort((a, b) => (a.paid < b.paid ? -1 : a.paid > b.paid ? 1 : 0));
        let count = staying.length;
        let bytes = staying.reduce((sum, one) => sum + one.size, size);
        for (const one of less) {
            if (count === 0 || bytes <= max) {
                break;
            }
            leaving.add(one);
            count--;
            bytes -= one.size;
        }
        if (count > 0 && bytes > max) {
            throw new NoRoom();
        }
    }
}
