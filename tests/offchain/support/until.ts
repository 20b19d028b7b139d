const PATIENCE_MS = 30_000; // in which what has to happen also happens on a busy machine

/** Waits until `condition` holds. Throws if it does not in time. */
export async function until(condition: () => boolean | Promise<boolean>, ms = PATIENCE_MS): Promise<void> {
    const end = Date.now() + ms;
    while (!(await condition())) {
        if (Date.now() > end) {
            throw new Error('What the test waits for did not happen');
        }
        await new Promise((resolve) => setTimeout(resolve, 5));
    }
}

/** What waits until `go` is called. */
export function newGate(): { gate: Promise<void>; go: () => void } {
    let go!: () => void;
    const gate = new Promise<void>((resolve) => (go = resolve));
    return { gate, go };
}
