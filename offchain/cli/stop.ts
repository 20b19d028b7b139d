/**
 * Resolves with the signal when somebody asks this process to stop. Whoever asks again does not want to wait: then it
 * ends at once.
 */
export async function stopRequested(): Promise<NodeJS.Signals> {
    const signals = ['SIGTERM', 'SIGINT'] as const;
    return new Promise((resolve) => {
        const first = (signal: NodeJS.Signals) => {
            for (const each of signals) {
                process.off(each, first);
                process.once(each, () => process.exit(1));
            }
            resolve(signal);
        };
        signals.forEach((each) => process.once(each, first));
    });
}

/** A process that serves until it is closed or fails. */
interface Serving {
    readonly failed: Promise<never>;
    close(cause: string): Promise<void>;
}

/**
 * Serves until `stop`, then closes. Rejects as soon as the process fails, also while it closes: what waits for a store
 * that is lost would wait for ever. `beforeClose`: runs between the two.
 */
export async function serveUntil(
    stop: Promise<string>,
    serving: Serving,
    beforeClose: () => void = () => undefined,
): Promise<void> {
    const cause = await Promise.race([stop, serving.failed]);
    beforeClose();
    await Promise.race([serving.close(cause), serving.failed]);
}
