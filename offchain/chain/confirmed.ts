/**
 * Words of the chain's API that take money out of sight: an account is gone, more was paid, a refund is due. One answer may
 * be wrong, late or a lie, so nothing of value ends on it. Such words are believed once they were said again and again over
 * a while, nothing else was said in between, and every other endpoint says the same.
 */
import type { Address } from '@ton/core';
import type { Account, AccountReader, Chain } from './chain';

/** When words are believed. */
export interface Confirmation {
    reads: number; // so many readings say the same ...
    seconds: number; // ... over so long at least; readings at closer quarters count as one
}

/** How often a word is heard before it is believed, where nothing else is said. */
export const CONFIRM_READS = 3;

/** A reading of an account and what it claims. */
export interface Reading {
    account: Account;
    claim: string | undefined; // what would take money out of sight; undefined: nothing
    confirmed: boolean; // the claim may be acted on
}

interface Heard {
    claim: string;
    since: number; // seconds
    last: number; // seconds, of the last reading that counted
    reads: number;
}

export class Confirmed {
    private readonly heard = new Map<string, Heard>();

    /** `now`: seconds of a clock that nobody sets; `others`: further endpoints, by default those of the chain. */
    constructor(
        private readonly chain: AccountReader & Pick<Chain, 'others'>,
        private readonly rules: Confirmation,
        private readonly now: () => number = () => performance.now() / 1000,
        private readonly others: readonly AccountReader[] = chain.others ?? [],
    ) {}

    /**
     * Reads an account. `claimOf` says in words what the reading would take out of sight, undefined if nothing; only equal
     * words count together, and a reading without such words forgets those before it.
     *
     * @throws what the API or `claimOf` throws; an answer that was not understood counts for nothing
     */
    async read(address: Address, claimOf: (account: Account) => string | undefined): Promise<Reading> {
        const account = await this.chain.account(address);
        const claim = claimOf(account);
        const often = this.hear(address.toRawString(), claim);
        const confirmed = often && (await this.othersSay(address, claim, claimOf));
        return { account, claim, confirmed };
    }

    /** Notes what a reading of `key` claims. True once it was said often and long enough. */
    hear(key: string, claim: string | undefined): boolean {
        if (claim === undefined) {
            this.heard.delete(key);
            return false;
        }
        const now = this.now();
        const before = this.heard.get(key);
        if (before?.claim !== claim) {
            this.heard.set(key, { claim, since: now, last: now, reads: 1 });
        } else if (now - before.last >= this.rules.seconds / this.rules.reads) {
            before.last = now;
            before.reads++;
        }
        const { since, reads } = this.heard.get(key)!;
        return reads >= this.rules.reads && now - since >= this.rules.seconds;
    }

    /** Seconds since `key` has claimed what it claims now; undefined when it claims nothing. */
    since(key: string | Address): number | undefined {
        const heard = this.heard.get(typeof key === 'string' ? key : key.toRawString());
        return heard === undefined ? undefined : this.now() - heard.since;
    }

    /** Forgets what was heard of an account, such as one that is watched no more. */
    forget(key: string | Address): void {
        this.heard.delete(typeof key === 'string' ? key : key.toRawString());
    }

    // An endpoint that does not answer, or not in words that are understood, has not agreed.
    private async othersSay(
        address: Address,
        claim: string | undefined,
        claimOf: (account: Account) => string | undefined,
    ): Promise<boolean> {
        const said = await Promise.all(
            this.others.map((other) =>
                other.account(address).then(
                    (account) => claimOf(account) === claim,
                    () => false,
                ),
            ),
        );
        return said.every(Boolean);
    }
}
