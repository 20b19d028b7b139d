/**
 * Words of the chain's API that take money out of sight: an account is gone, more was paid, a refund is due. One answer may
 * be wrong, late or a lie, so nothing of value ends on it. Such words are believed once they were said again and again over
 * a while, nothing else was said in between, and every other endpoint says the same.
 */
import type { Address } from '@ton/core';
import type { Account, AccountReader } from './chain';

/** When words are believed. */
export interface Confirmation {
    reads: number; // so many readings say the same ...
    seconds: number; // ... over so long at least; readings at closer quarters count as one
}

/** How often a word is heard before it is believed, where nothing else is said. */
export const CONFIRM_READS = 3;

/** An answer, and what it says that would take money out of sight. */
export interface Said<T> {
    answer: T;
    word: string | undefined; // undefined: nothing
    confirmed: boolean; // the word may be acted on
}

/** A reading of an account. */
export type Reading = Omit<Said<Account>, 'answer'> & { account: Account };

interface Heard {
    word: string;
    since: number; // seconds
    last: number; // seconds, of the last reading that counted
    reads: number;
}

/** Asks one source, and before a word is believed all others: endpoints of a chain, unless it is used with another kind. */
export class Confirmed<Source = AccountReader> {
    private readonly heard = new Map<string, Heard>();

    /** `now`: seconds of a clock that nobody sets; `others`: further sources, by default those of the first. */
    constructor(
        private readonly source: Source & { readonly others?: readonly Source[] },
        private readonly rules: Confirmation,
        private readonly now: () => number = () => performance.now() / 1000,
        private readonly others: readonly Source[] = source.others ?? [],
    ) {}

    /**
     * Asks for `key`. `wordOf` says in words what the answer would take out of sight, undefined if nothing; only equal words
     * count together, and an answer without such words forgets those before it.
     *
     * @throws what `ask` or `wordOf` throws; an answer that was not understood counts for nothing
     */
    async ask<T>(
        key: string,
        ask: (source: Source) => Promise<T>,
        wordOf: (answer: T) => string | undefined,
    ): Promise<Said<T>> {
        const answer = await ask(this.source);
        const word = wordOf(answer);
        const confirmed = this.isOften(key, word) && (await this.othersSay(word, ask, wordOf));
        return { answer, word, confirmed };
    }

    /** Reads an account as {@link ask} does. */
    async read(this: Confirmed, address: Address, wordOf: (account: Account) => string | undefined): Promise<Reading> {
        const { answer: account, ...said } = await this.ask(
            address.toRawString(),
            (source) => source.account(address),
            wordOf,
        );
        return { account, ...said };
    }

    /** Seconds since `key` has said what it says now; undefined when it says nothing. */
    since(key: string | Address): number | undefined {
        const heard = this.heard.get(typeof key === 'string' ? key : key.toRawString());
        return heard === undefined ? undefined : this.now() - heard.since;
    }

    /** Forgets what was heard of an account, such as one that is watched no more. */
    forget(key: string | Address): void {
        this.heard.delete(typeof key === 'string' ? key : key.toRawString());
    }

    /** Notes what was said of `key`. True once it was said often and long enough. */
    private isOften(key: string, word: string | undefined): boolean {
        if (word === undefined) {
            this.heard.delete(key);
            return false;
        }
        const now = this.now();
        const before = this.heard.get(key);
        if (before?.word !== word) {
            this.heard.set(key, { word, since: now, last: now, reads: 1 });
        } else if (now - before.last >= this.rules.seconds / this.rules.reads) {
            before.last = now;
            before.reads++;
        }
        const { since, reads } = this.heard.get(key)!;
        return reads >= this.rules.reads && now - since >= this.rules.seconds;
    }

    // A source that does not answer, or not in words that are understood, has not agreed.
    private async othersSay<T>(
        word: string | undefined,
        ask: (source: Source) => Promise<T>,
        wordOf: (answer: T) => string | undefined,
    ): Promise<boolean> {
        const says = async (other: Source) => wordOf(await ask(other)) === word;
        return (await Promise.all(this.others.map((other) => says(other).catch(() => false)))).every(Boolean);
    }
}
