/** Resolves when somebody asks this process to stop. Whoever asks again does not want to wait: then it ends at once. */
export async function stopRequested(): Promise<void> {
    const signals = ['SIGTERM', 'SIGINT'] as const;
    await new Promise<void>((resolve) => {
        const first = () => {
            for (const signal of signals) {
                process.off(signal, first);
                process.once(signal, () => process.exit(1));
            }
            resolve();
        };
        signals.forEach((signal) => process.once(signal, first));
    });
}
