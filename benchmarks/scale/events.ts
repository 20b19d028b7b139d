/** The events of a simulation, in the order of their times. Events of one time come in the order of their entry. */

interface Entry {
    at: number; // seconds
    order: number;
    run: () => void;
}

const isBefore = (a: Entry, b: Entry) => a.at < b.at || (a.at === b.at && a.order < b.order);

export class Events {
    private readonly heap: Entry[] = [];
    private added = 0;
    private time = 0;

    /** Seconds since the start of the first day. */
    get now(): number {
        return this.time;
    }

    add(at: number, run: () => void): void {
        const entry = { at: Math.max(at, this.time), order: this.added++, run };
        let place = this.heap.length;
        for (let above = (place - 1) >> 1; place > 0 && isBefore(entry, this.heap[above]); above = (place - 1) >> 1) {
            this.heap[place] = this.heap[above];
            place = above;
        }
        this.heap[place] = entry;
    }

    /** Runs all events up to and including this time. */
    runUntil(end: number): void {
        while (this.heap.length > 0 && this.heap[0].at <= end) {
            const first = this.takeFirst();
            this.time = first.at;
            first.run();
        }
        this.time = end;
    }

    private takeFirst(): Entry {
        const { heap } = this;
        const first = heap[0];
        const last = heap.pop()!;
        if (heap.length > 0) {
            let place = 0;
            for (;;) {
                const lower = 2 * place + 1;
                const child = lower + 1 < heap.length && isBefore(heap[lower + 1], heap[lower]) ? lower + 1 : lower;
                if (child >= heap.length || !isBefore(heap[child], last)) {
                    break;
                }
                heap[place] = heap[child];
                place = child;
            }
            heap[place] = last;
        }
        return first;
    }
}
