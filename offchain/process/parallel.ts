/** Work on several elements at a time. */

const PARALLEL = 8; // at a time, unless another number is asked for

/**
 * Runs `work` on each element, in their order, `parallel` at a time; throws the first error when all that began are
 * over.
 */
export async function inParallel<T>(
    elements: readonly T[],
    work: (element: T) => Promise<void>,
    parallel = PARALLEL,
): Promise<void> {
    const waiting = [...elements].reverse();
    const failures: { error: unknown }[] = [];
    const run = async () => {
        for (let next = waiting.pop(); next !== undefined && failures.length === 0; next = waiting.pop()) {
            await work(next).catch((error: unknown) => void failures.push({ error }));
        }
    };
    await Promise.all(Array.from({ length: parallel }, run));
    if (failures.length > 0) {
        throw failures[0].error;
    }
}
