/** Work on several elements at a time. */

const PARALLEL = 8; // at a time

/** Runs `work` on each element, a few at a time; throws the first error when all that began are over. */
export async function inParallel<T>(elements: readonly T[], work: (element: T) => Promise<void>): Promise<void> {
    const waiting = [...elements].reverse();
    const failures: { error: unknown }[] = [];
    const run = async () => {
        for (let next = waiting.pop(); next !== undefined && failures.length === 0; next = waiting.pop()) {
            await work(next).catch((error: unknown) => void failures.push({ error }));
        }
    };
    await Promise.all(Array.from({ length: PARALLEL }, run));
    if (failures.length > 0) {
        throw failures[0].error;
    }
}
