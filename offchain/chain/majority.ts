/** What most of several endpoints answer. */
import { resolvesWithin } from '../process/tasks';

const LATE_MS = 1000; // for which others are waited for after the first answer

/**
 * The answers that more than half of all endpoints give alike, as soon as they do. Undefined if they do not, until `ms`
 * after the first answer. `all`: how many endpoints there are, of which some may not be asked.
 */
export async function majorityAnswers<T>(
    requested: readonly Promise<T>[],
    { all, isAlike, ms = LATE_MS }: { all: number; isAlike: (one: T, other: T) => boolean; ms?: number },
): Promise<[T, ...T[]] | undefined> {
    const answers: T[] = [];
    let majority: [T, ...T[]] | undefined;
    const decided = new Promise<void>((resolve) => {
        const note = (answer: T) => {
            const alike = answers.filter((other) => isAlike(answer, other));
            answers.push(answer);
            if (2 * (alike.length + 1) > all) {
                majority ??= [answer, ...alike];
                resolve();
            }
        };
        requested.forEach((one) => void one.then(note).catch(() => undefined)); // one that fails has no say
    });
    const over = Promise.race([decided, Promise.allSettled(requested)]);
    await Promise.any([...requested, over]).catch(() => undefined);
    await resolvesWithin(over, ms);
    return majority;
}
