/** What each of several endpoints says alone: one of them may be wrong, or hide something. */
import { setTimeout as sleep } from 'node:timers/promises';
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

/** The answer, if it comes soon enough for one that is asked beside the first. Throws if it does not. */
export async function answerSoon<T>(answer: Promise<T>, ms = OTHERS_MS): Promise<T> {
    const waits = new AbortController();
    const late = sleep(ms, undefined, { ref: false, signal: waits.signal }).then(() => {
        throw new Error('The endpoint did not answer in time');
    });
    try {
        return await Promise.race([answer, late]);
    } finally {
        late.catch(() => undefined);
        waits.abort();
    }
}
