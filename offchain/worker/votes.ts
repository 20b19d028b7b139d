/** What the endpoints of a chain say together of a channel: one of them may lie, and another may be behind. */
import { formatTon } from '@cocoon-market/wrappers';
import { RENT } from '../link';
import { resolvesWithin } from '../process/tasks';
import type { ChannelSnapshot } from '../store/worker';

/**
 * `agreed`: believed; `denied`: at least two endpoints say no, and they are most of those that answered; `disputed`:
 * half of those that answered say no, or one alone does.
 */
export type ChannelVerdict = 'agreed' | 'disputed' | 'denied';

/** True if an endpoint says no by how it shows a channel, which is undefined if it shows none of the terms. */
export type SaysNo = (snapshot: ChannelSnapshot | undefined) => boolean;

/** What one endpoint says; `word` is undefined if it gave no answer. */
export interface EndpointWord {
    endpoint: string; // its name, without keys
    word: 'yes' | 'no' | undefined;
    snapshot?: ChannelSnapshot | undefined;
}

export interface ChannelVote {
    verdict: ChannelVerdict;
    words: readonly EndpointWord[];
}

const LATE_MS = 1000; // below what a client's reading waits for a vote

/**
 * What endpoints answer, as far as they do in time. One that keeps its word back must not keep the others from being
 * believed: after a while nobody waits for it, if most of all endpoints say and show the same. No word more would
 * change the verdict then, nor what most show.
 */
export async function answersInTime<T extends Pick<EndpointWord, 'word' | 'snapshot'>>(
    requested: readonly Promise<T>[],
): Promise<PromiseSettledResult<T>[]> {
    const error = new Error('The endpoint did not answer in time');
    const answers = requested.map((): PromiseSettledResult<T> => ({ status: 'rejected', reason: error }));
    const open = new Set<Promise<unknown>>();
    requested.forEach((one, i) => {
        const noted = Promise.allSettled([one]).then(([answer]) => {
            answers[i] = answer;
            open.delete(noted);
        });
        open.add(noted);
    });
    const isDecided = () => {
        const words = answers.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []));
        return words.some((one) => 2 * words.filter((other) => isSame(one, other)).length > requested.length);
    };
    await resolvesWithin(Promise.all(open), LATE_MS);
    while (open.size > 0 && !isDecided()) {
        await Promise.race(open);
    }
    return [...answers];
}

type Shown = Pick<EndpointWord, 'word' | 'snapshot'>;

/** True if two endpoints say the same, and show the same but for rent. */
function isSame({ word, snapshot: one }: Shown, { word: otherWord, snapshot: other }: Shown): boolean {
    if (word !== otherWord || one === undefined || other === undefined) {
        return word === otherWord && one === other;
    }
    const difference = heldBy(one) - heldBy(other);
    return one.refundAt === other.refundAt && difference <= RENT && -difference <= RENT;
}

/** Counts what endpoints say. One endpoint alone denies nothing. */
export function voteOf(words: readonly EndpointWord[]): ChannelVote {
    const answers = answersIn(words).length;
    const noes = words.filter(({ word }) => word === 'no').length;
    if (noes >= 2 && 2 * noes > answers) {
        return { verdict: 'denied', words };
    }
    return { verdict: noes > 0 && 2 * noes >= answers ? 'disputed' : 'agreed', words };
}

/** True if at least two endpoints answered: one that has the word alone settles no dispute. */
export const isCompared = ({ words }: ChannelVote): boolean => answersIn(words).length >= 2;

/** How many endpoints say yes. */
export const yesesIn = ({ words }: ChannelVote): number => words.filter(({ word }) => word === 'yes').length;

/** How many endpoints show no channel of the terms. */
export const nonesIn = ({ words }: ChannelVote): number =>
    answersIn(words).filter(({ snapshot }) => snapshot === undefined).length;

type AmountOf = (snapshot: ChannelSnapshot) => bigint; // nanoTON

/**
 * nanoTON that most of all endpoints show at least: `of` a channel, unless given what it holds and has paid. Undefined
 * if so few answered that nobody knows.
 */
export function agreedAmount(vote: ChannelVote, of: AmountOf = heldBy): bigint | undefined {
    return amountsIn(vote, of)[vote.words.length >> 1];
}

/** The same, that most of them show at most. */
export function agreedLimit(vote: ChannelVote, of: AmountOf = heldBy): bigint | undefined {
    return amountsIn(vote, of).at(-1 - (vote.words.length >> 1));
}

/** nanoTON that each endpoint shows that answered, the largest first: 0 where there is no channel. */
function amountsIn({ words }: ChannelVote, of: AmountOf): bigint[] {
    const amounts = answersIn(words).map(({ snapshot }) => (snapshot === undefined ? 0n : of(snapshot)));
    return amounts.sort((a, b) => (a < b ? 1 : a > b ? -1 : 0));
}

/** nanoTON that a channel holds and has paid. */
export const heldBy = ({ balance, paid }: Pick<ChannelSnapshot, 'balance' | 'paid'>): bigint => balance + paid;

/** What each endpoint says, by its name, as the operator reads it. */
export function messagesIn({ words }: ChannelVote): Record<string, string> {
    const messageOf = ({ word, snapshot }: EndpointWord): string => {
        if (word === undefined) {
            return 'no answer';
        }
        return snapshot === undefined
            ? 'no such channel'
            : `${formatTon(snapshot.balance)} TON, and ${formatTon(snapshot.paid)} TON paid`;
    };
    return Object.fromEntries(words.map((one) => [one.endpoint, messageOf(one)]));
}

const answersIn = (words: readonly EndpointWord[]) => words.filter(({ word }) => word !== undefined);
