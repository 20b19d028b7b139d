/**
 * Who is next at the backends. The client with the fewest running queries is, and among equals the one whose last turn
 * is longest ago, so that one with many queries does not keep the others waiting. A client's own queries run in the
 * order in which they came.
 */

/** A query that waits. */
export interface Waiting {
    readonly client: string; // may become another one while it waits
}

export class ClientTurns<T extends Waiting> {
    private readonly queue: T[] = []; // in the order of arrival
    private readonly turns = new Map<string, number>(); // when each client had its last turn
    private turn = 0;

    get waiting(): readonly T[] {
        return this.queue;
    }

    /** A client that is new comes after those that wait already, and before the one that had the last turn. */
    add(one: T): void {
        this.noteClient(one);
        this.queue.push(one);
    }

    private noteClient({ client }: T): void {
        this.turns.set(client, this.turns.get(client) ?? this.turn - 1);
    }

    remove(one: T): void {
        const at = this.queue.indexOf(one);
        if (at >= 0) {
            this.queue.splice(at, 1);
        }
    }

    /** Forgets all clients but these, which have queries. */
    keep(clients: ReadonlySet<string>): void {
        for (const client of this.turns.keys()) {
            if (!clients.has(client)) {
                this.turns.delete(client);
            }
        }
    }

    /** Takes out and returns the next that `fits`; `running`: the number of running queries of its client. */
    take(fits: (one: T) => boolean, running: (one: T) => number): T | undefined {
        this.queue.forEach((one) => this.noteClient(one));
        const isBefore = (one: T, other: T) =>
            (running(one) - running(other) || this.turns.get(one.client)! - this.turns.get(other.client)!) < 0;
        const next = this.queue
            .filter(fits)
            .reduce<T | undefined>((best, one) => (best === undefined || isBefore(one, best) ? one : best), undefined);
        if (next !== undefined) {
            this.turns.set(next.client, ++this.turn);
            this.remove(next);
        }
        return next;
    }
}
