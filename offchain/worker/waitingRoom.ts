/** The memory of queries that wait for credit, and who gets it. */
import { NoRoom, UNCOUNTED_BODY } from '../process/doors';

const SHARE = 2; // one client gets at most 1/SHARE of the room

/** A query that waits for credit. */
export interface WaitingQuery {
    readonly size: number; // bytes of its sealed request
    /** Whose share it takes now. */
    client(): string;
    /** nanoTON that its job has paid so far, also while it waits. */
    paid(): bigint;
    /** Ends it, because another needs its room. */
    giveWay(): void;
}

/**
 * Room in memory for queries that wait for credit. Anyone can fill it by some escrows that pay little, so those of jobs
 * that have paid less give way, and to a client with a few short ones those of clients that take more.
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
        const client = query.client();
        const own = all.filter((one) => one.client() === client);
        const leaving = new Set<WaitingQuery>();
        const weak = this.givingWayTo(query);
        makeRoom(own, this.max / SHARE, query.size, weak, leaving);
        makeRoom(all, this.max, query.size, weak, leaving);
        for (const one of leaving) {
            this.queries.delete(one);
            one.giveWay();
        }
        this.queries.add(query);
        return () => void this.queries.delete(query);
    }

    /** Those that give way to a query: first of jobs that have paid the least, the newest first. */
    private givingWayTo(query: WaitingQuery): WaitingQuery[] {
        const [own, ownPaid] = [query.client(), query.paid()];
        const all = [...this.queries].map((one) => ({ one, client: one.client(), paid: one.paid() }));
        const bytes = new Map([[own, query.size]]); // by client
        for (const { one, client } of all) {
            bytes.set(client, (bytes.get(client) ?? 0) + one.size);
        }
        const ownBytes = bytes.get(own)!;
        const isFew = ownBytes <= UNCOUNTED_BODY;
        return all
            .filter(({ client, paid }) => paid < ownPaid || (isFew && bytes.get(client)! > ownBytes))
            .reverse()
            .sort((a, b) => (a.paid < b.paid ? -1 : a.paid > b.paid ? 1 : 0))
            .map(({ one }) => one);
    }
}

/** Adds to `leaving` as many of the weak ones as make room for `size` bytes more. Throws {@link NoRoom}. */
function makeRoom(
    queries: readonly WaitingQuery[],
    max: number,
    size: number,
    weak: readonly WaitingQuery[],
    leaving: Set<WaitingQuery>,
): void {
    const staying = new Set(queries.filter((one) => !leaving.has(one)));
    let bytes = [...staying].reduce((sum, one) => sum + one.size, size);
    for (const one of weak) {
        if (staying.size === 0 || bytes <= max) {
            break;
        }
        if (staying.delete(one)) {
            leaving.add(one);
            bytes -= one.size;
        }
    }
    if (staying.size > 0 && bytes > max) {
        throw new NoRoom();
    }
}
