/**
 * Who is next at the backends. Clients take turns, so that one with many queries does not keep the others waiting. A
 * client's own queries run in the order in which they came.
 */

/** A query that waits. */
export interface Waiting {
    readonly client: string;
}

export class ClientTurns<T extends Waiting> {
    private readonly queue: T[] = []; // in the order of arrival
    private readonly turns = new Map<string, number>(); // when each client had its last turn
    private turn = 0;

    get waiting(): readonly T[] {
        return this.queue;
    }

    add(one: T): void {
        this.queue.push(one);
    }

    remove(one: T): void {
        const at = this.queue.indexOf(one);
        if (at >= 0) {
            this.queue.splice(at, 1);
        }
    }

    /** Forgets a client that has no more queries. */
    forget(client: string): void {
        this.turns.delete(client);
    }

    /** Takes out and returns the first that `fits`, of the client whose last turn is longest ago. */
    take(fits: (one: T) => boolean): T | undefined {
        const fitting = this.queue.filter(fits);
        const turnOf = ({ client }: T) => this.turns.get(client) ?? 0;
        const next = fitting.reduce<T | undefined>(
            (best, one) => (best === undefined || turnOf(one) < turnOf(best) ? one : best),
            undefined,
        );
        if (next !== undefined) {
            this.turns.set(next.client, ++this.turn);
            this.remove(next);
        }
        return next;
    }
}
