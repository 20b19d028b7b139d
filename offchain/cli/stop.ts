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
