/** How a local network disturbs its clients: a limit of calls a second, and failures that tests plan. */

/** How one call is disturbed. */
export type Disturbance =
    | { kind: 'down'; status: number } // answered with this status and no JSON; nothing is done
    | { kind: 'late'; status: number; afterMs: number } // answered at once with this status, and done later
    | { kind: 'hang' }; // no answer for as long as the network runs

const OWN = 'localnet_'; // methods that no public API has: never limited, never failing

interface Late {
    work: () => Promise<unknown>;
    timer: NodeJS.Timeout;
}

/** Limit and disturbances of one network. */
export class Disturbances {
    /** Calls a second that are served; more are answered with 429. No limit when undefined. */
    limit: number | undefined;
    /** Calls that were answered with 429. */
    refused = 0;
    /** Calls so far, by method. */
    readonly calls = new Map<string, number>();
    private served: number[] = []; // when, in milliseconds, of the last second
    private readonly planned: { method: string; disturbance: Disturbance }[] = [];
    private readonly late = new Set<Late>();
    private readonly hung = new Set<() => void>();

    /** Disturbs the next `times` calls of a method. 0 forgets everything that was planned. */
    plan(method: string, disturbance: Disturbance, times = 1): void {
        if (times === 0) {
            this.clear();
        }
        this.planned.push(...Array.from({ length: times }, () => ({ method, disturbance })));
    }

    /** Forgets what was planned. */
    clear(): void {
        this.planned.length = 0;
    }

    /** Seconds to wait when a call is one too many; undefined when it may go on. */
    admit(method: string): number | undefined {
        if (method.startsWith(OWN)) {
            return undefined;
        }
        const now = performance.now();
        this.served = this.served.filter((at) => now - at < 1000);
        if (this.limit !== undefined && this.served.length >= this.limit) {
            this.refused++;
            return 1;
        }
        this.served.push(now);
        this.calls.set(method, (this.calls.get(method) ?? 0) + 1);
        return undefined;
    }

    /** The disturbance that is planned for this call. It is used once. */
    next(method: string): Disturbance | undefined {
        const found = this.planned.findIndex((one) => one.method === method);
        return found < 0 ? undefined : this.planned.splice(found, 1)[0].disturbance;
    }

    /** Runs a late call after its delay. */
    later(work: () => Promise<unknown>, afterMs: number): void {
        const late = { work, timer: setTimeout(() => void this.arrive(late), afterMs) };
        this.late.add(late);
    }

    /** Runs all late calls now and resolves when they are done. */
    async hurry(): Promise<void> {
        for (const late of this.late) {
            await this.arrive(late);
        }
    }

    private async arrive(late: Late): Promise<void> {
        clearTimeout(late.timer);
        this.late.delete(late);
        await late.work().catch(() => undefined); // as on a real network, a refusal is not reported
    }

    /** Resolves when the network ends. */
    hang(): Promise<void> {
        return new Promise((resolve) => this.hung.add(resolve));
    }

    close(): void {
        this.late.forEach(({ timer }) => clearTimeout(timer));
        this.hung.forEach((resolve) => resolve());
    }
}
