const REASON = Object.assign(new Error('The connection was cut'), { name: 'AbortError' });

/**
 * Ends a connection as soon as one of several signals aborts, or after a time. Unlike AbortSignal.any, it leaves
 * nothing behind at a signal that lives longer than the connection.
 */
export class Cut {
    private readonly controller = new AbortController();
    private readonly timer: NodeJS.Timeout;
    private readonly onAbort = () => this.now();

    constructor(
        private readonly signals: readonly AbortSignal[],
        ms: number,
    ) {
        this.timer = setTimeout(this.onAbort, ms).unref();
        signals.forEach((signal) => signal.addEventListener('abort', this.onAbort));
        if (signals.some(({ aborted }) => aborted)) {
            this.now();
        }
    }

    get signal(): AbortSignal {
        return this.controller.signal;
    }

    now(): void {
        this.release();
        this.controller.abort(REASON); // made once, because an error costs as much as a frame
    }

    /** The connection has ended: nothing cuts it any more. */
    release(): void {
        clearTimeout(this.timer);
        this.signals.forEach((signal) => signal.removeEventListener('abort', this.onAbort));
    }
}
