/**
 * Confirms what the chain's API says when that would end something of value: an account is gone, more was paid, a
 * refund is due. One answer may be wrong, late or a lie. Such a finding is confirmed once it came in several readings
 * over a while, no other finding came in between, and every other endpoint says the same.
 */
import type { Address } from '@ton/core';
import type { AccountReader, ChainAccount } from './chain';

/** When a finding is confirmed. */
export interface ConfirmationRules {
    reads: number; // readings in a row with the same finding
    seconds: number; // minimal time from the first of them to the last; readings in quick succession count as one
    /** An endpoint that gives no answer has no say, or none in these findings. */
    silentAgree?: boolean | ((finding: string | undefined) => boolean);
}

/** Readings that confirm a finding, unless the rules say otherwise. */
export const CONFIRM_READS = 3;

/** An answer of the first source, and what it says that would end something of value. */
export interface CheckedAnswer<T> {
    value: T;
    finding: string | undefined; // undefined: the answer ends nothing
    confirmed: boolean; // the finding may be acted on
}

interface Repetition {
    finding: string;
    since: number; // seconds
    last: number; // seconds, of the last reading that counted
    reads: number;
}

/**
 * Asks one source. Before it confirms a finding it asks the others, which are the endpoints of a chain or of another
 * kind.
 */
export class Confirmer<Source = AccountReader> {
    private readonly repetitions = new Map<string, Repetition>();

    /** `now`: seconds of a monotonic clock. */
    constructor(
        private readonly source: Source & { readonly others?: readonly Source[] },
        private readonly rules: ConfirmationRules,
        private readonly now: () => number = () => performance.now() / 1000,
    ) {}

    /**
     * Asks for `key`. `findingOf` names what the answer would end, undefined if nothing. Only equal findings count
     * together; an answer without a finding starts the count again.
     *
     * @throws what `ask` or `findingOf` throws; such an answer counts for nothing
     */
    async ask<T>(
        key: string,
        ask: (source: Source) => Promise<T>,
        findingOf: (answer: T) => string | undefined,
    ): Promise<CheckedAnswer<T>> {
        const value = await ask(this.source);
        const finding = findingOf(value);
        const confirmed = this.noteFinding(key, finding) && (await this.doOthersAgree(finding, ask, findingOf));
        return { value, finding, confirmed };
    }

    /** Reads an account as {@link ask} does. */
    read(
        this: Confirmer,
        address: Address,
        findingOf: (account: ChainAccount) => string | undefined,
    ): Promise<CheckedAnswer<ChainAccount>> {
        return this.ask(address.toRawString(), (source) => source.account(address), findingOf);
    }

    /** Forgets the readings of an account, such as one that is no longer watched. */
    forget(address: Address): void {
        this.repetitions.delete(address.toRawString());
    }

    /** Counts a finding of `key`. Returns true once it came often and long enough. */
    private noteFinding(key: string, finding: string | undefined): boolean {
        if (finding === undefined) {
            this.repetitions.delete(key);
            return false;
        }
        const now = this.now();
        const repetition = this.repetitions.get(key);
        if (repetition?.finding !== finding) {
            this.repetitions.set(key, { finding, since: now, last: now, reads: 1 });
        } else if (now - repetition.last >= this.rules.seconds / this.rules.reads) {
            repetition.last = now;
            repetition.reads++;
        }
        const { since, reads } = this.repetitions.get(key)!;
        return reads >= this.rules.reads && now - since >= this.rules.seconds;
    }

    /** A source that fails, or whose answer cannot be understood, has not agreed. */
    private async doOthersAgree<T>(
        finding: string | undefined,
        ask: (source: Source) => Promise<T>,
        findingOf: (answer: T) => string | undefined,
    ): Promise<boolean> {
        const agrees = async (other: Source) => findingOf(await ask(other)) === finding;
        const { silentAgree = false } = this.rules;
        const isSilentFine = typeof silentAgree === 'boolean' ? silentAgree : silentAgree(finding);
        const others = this.source.others ?? [];
        return (await Promise.all(others.map((other) => agrees(other).catch(() => isSilentFine)))).every(Boolean);
    }
}
