import { BackendError, type BackendEvent } from '../backend';
import type { ModelRequest } from '../link';
import type { Seat } from './backends';

const OVER = Object.assign(new Error('The query is over'), { name: 'AbortError' }); // made once: an error costs much

/** The answer of a backend to one query, event by event. It may begin before anyone reads it, and stop at any time. */
export class BackendAnswer {
    /** Resolves when it is stopped. */
    readonly stopped: Promise<void>;
    private readonly abort = new AbortController();
    private events: AsyncIterator<BackendEvent> | undefined;
    private first: Promise<IteratorResult<BackendEvent>> | undefined; // until it is taken
    private leave: () => void = () => undefined; // the event that is waited for

    constructor(
        private readonly seat: Pick<Seat, 'stream'>,
        private readonly request: ModelRequest,
    ) {
        this.stopped = new Promise((resolve) => {
            this.signal.addEventListener('abort', () => resolve(), { once: true });
        });
    }

    get signal(): AbortSignal {
        return this.abort.signal;
    }

    /** Asks the backend, and keeps its first event. */
    begin(): void {
        this.events = this.seat.stream(this.request, this.signal)[Symbol.asyncIterator]();
        this.first = this.events.next();
        this.first.catch(() => undefined); // next() meets the error
    }

    /**
     * The next event; undefined if it is stopped first.
     *
     * @throws {BackendError} and whatever else the backend throws
     */
    async next(): Promise<BackendEvent | undefined> {
        if (this.events === undefined) {
            this.begin();
        }
        const event = this.first ?? this.events!.next();
        this.first = undefined;
        const step = await new Promise<IteratorResult<BackendEvent> | undefined>((resolve, reject) => {
            this.leave = () => resolve(undefined);
            event.then(resolve, reject);
        });
        if (step?.done === true) {
            throw new BackendError('the backend ended without an end');
        }
        return step?.value;
    }

    /** Ends it, whatever the backend does. */
    stop(): void {
        this.abort.abort(OVER);
        this.leave();
        void this.events?.return?.()?.catch(() => undefined);
    }
}
