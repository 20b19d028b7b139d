/** What each of several endpoints says alone: one of them may be wrong, or hide something. */
import { resolvesWithin } from '../process/tasks';
import type { Chain, ChainReader } from './chain';

const OTHERS_MS = 2000; // that each of several endpoints has for what it is asked beside the first

/**
 * Asks each of several endpoints, without urgency. Those that do not answer within `ms` have no say; one has none to
 * ask.
 */
export async function answersOf<T>(
    { others = [] }: Pick<Chain, 'others'>,
    ask: (endpoint: ChainReader) => Promise<T>,
    ms = OTHERS_MS,
): Promise<T[]> {
    const sources: readonly (ChainReader & Partial<Pick<Chain, 'as'>>)[] = others;
    const answers = await Promise.allSettled(sources.map((one) => answerSoon(ask(one.as?.('routine') ?? one), ms)));
    return answers.flatMap((answer) => (answer.status === 'fulfilled' ? [answer.value] : []));
}

/**
 * True if more than half of all endpoints say so, so that neither one of three nor one of two decides. One that does
 * not answer within `ms` does not say so. Resolves with the vote that decides: an endpoint that keeps its answer back
 * holds nobody up.
 */
export function majoritySays<T>(
    endpoints: readonly T[],
    says: (endpoint: T) => Promise<boolean>,
    ms = OTHERS_MS,
): Promise<boolean> {
    const needed = Math.floor(endpoints.length / 2) + 1;
    let [agreeing, missing] = [0, endpoints.length];
    return new Promise((resolve) => {
        const decide = () => {
            if (agreeing >= needed || agreeing + missing < needed) {
                resolve(agreeing >= needed);
            }
        };
        decide(); // without endpoints
        for (const one of endpoints) {
            const vote = answerSoon(says(one), ms).catch(() => false);
            void vote.then((agrees) => {
                missing--;
                agreeing += agrees ? 1 : 0;
                decide();
            });
        }
    });
}

/** The answer, if it comes soon enough for one that is asked beside the first. Throws if it does not. */
export async function answerSoon<T>(answer: Promise<T>, ms = OTHERS_MS): Promise<T> {
    if (!(await resolvesWithin(answer, ms))) {
        throw new Error('The endpoint did not answer in time');
    }
    return answer;
}
