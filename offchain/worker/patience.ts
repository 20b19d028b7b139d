const LONG_PART = 6; // of the fixed time: five seconds, which hardly a client needs to pay or to read

/**
 * How long a query may wait for its client in all: for vouchers, and until the client has read. It may wait for a fixed
 * time, and for as long as the model worked. Without an end in all, a client that pays for one frame now and then would
 * hold its place at the backend until the deadline.
 */
export class ClientPatience {
    private start: number | undefined; // of the model's answer
    private waited = 0; // milliseconds
    /** True once it has waited for much longer than it did not: its place stood idle. */
    isLong = false;

    /** `ms`: the fixed time, which is also the longest for one wait. */
    constructor(private readonly ms: number) {}

    /** The model answers: from now on it works whenever the query does not wait. */
    begin(): void {
        this.start ??= performance.now();
    }

    /** Waits for the client's act, and calls `late` if that takes longer than the query may wait now. */
    async wait(act: Promise<unknown>, late: () => void): Promise<void> {
        const from = performance.now();
        const worked = from - (this.start ??= from) - this.waited;
        const timer = setTimeout(late, Math.min(this.ms, this.ms + worked - this.waited));
        await act;
        clearTimeout(timer);
        this.waited += performance.now() - from;
        this.isLong ||= this.waited - worked > this.ms / LONG_PART;
    }
}
