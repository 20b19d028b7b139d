/** Follows one account: reads its transactions from the newest down to those that are stored, page by page. */
import { Address } from '@ton/core';
import { setImmediate } from 'node:timers/promises';
import { ChainError, type TransactionId } from '../chain';
import { factsOf } from './facts';
import type { FollowLimits } from './parts';
import { LargeTransaction, type Source } from './source';
import type { Log } from './logRows';
import type { IndexStore, UndoRule } from './store';
import { HistoryError, isSame, type ProvedTransaction, proveTransaction } from './transaction';
import type { ReadTransaction } from './writes';

/** How far the chain is, and the pass. */
export interface ChainTime {
    at: number; // unix seconds of the newest transaction that is stored
    behind: boolean; // the endpoint is at an earlier block than one that was read before
    isLate: () => boolean; // the rest of an account that anyone may fill is for the next pass
}

/** What a pass over one account did. */
export interface Followed {
    log: Log;
    added: number; // transactions
    undone: number; // transactions that another history replaced
    repeated: number; // transactions that the endpoint listed twice
    behind: boolean; // the endpoint is at an earlier block, and does not have the newest stored transaction yet
}

const ATTEMPTS = 3; // of a page that contradicts the one before

export class Follower {
    /**
     * `confirm` throws a HistoryError unless every endpoint has this transaction of a log, or says it is large; `has`
     * is true if one of several has it.
     */
    constructor(
        private readonly source: Source,
        private readonly store: IndexStore,
        private readonly registry: Address,
        private readonly limits: FollowLimits,
        private readonly confirm: (log: Log, id: TransactionId, isLarge?: boolean) => Promise<void>,
        private readonly has: (log: Log, id: TransactionId) => Promise<boolean>,
    ) {}

    /**
     * Brings a log up to date. It is stored page by page, so a pass that ends early is continued by the next one.
     * @throws HistoryError, ChainError
     */
    async follow(log: Log, chain: ChainTime): Promise<Followed> {
        const followed: Followed = { log, added: 0, undone: 0, repeated: 0, behind: false };
        try {
            if (log.walk !== undefined) {
                await this.walk(followed, chain); // the rest of an earlier pass
            }
            if (followed.log.walk === undefined) {
                await this.walk(followed, chain);
            }
        } catch (error) {
            if (error instanceof LargeTransaction && mayBeFilled(log)) {
                await this.confirm(log, error.id, true);
                await this.giveUp(followed);
                return followed;
            }
            const isContradiction = error instanceof HistoryError || (error instanceof ChainError && !error.silent);
            const { walk } = (await this.store.log(log.log)) ?? {};
            if (isContradiction && walk !== undefined) {
                await this.store.dropWalk(log.log); // another history may have begun: the next pass starts at its end
            }
            throw error;
        }
        return followed;
    }

    private async walk(followed: Followed, chain: ChainTime): Promise<void> {
        const rule = this.ruleAt(chain);
        const { log } = followed;
        const account = Address.parseRaw(log.account);
        let expected = log.walk?.next;
        // What one endpoint alone could make up without an end.
        let unconfirmed = log.walk === undefined ? 0 : this.limits.confirmAfter;
        for (;;) {
            const page = await this.page(account, expected, followed);
            if (expected === undefined && !(await this.isNews(followed, page[0], chain))) {
                return;
            }
            const read = await Promise.all(page.map((transaction) => this.read(followed.log, account, transaction)));
            const { log: stored, undone } = await this.store.append(log.log, read, rule);
            followed.added += stored.size - followed.log.size + undone;
            followed.undone += undone;
            followed.log = stored;
            unconfirmed += sizeOf(read);
            const isBusy = this.isTooBusy(stored);
            if (isBusy || (stored.walk !== undefined && unconfirmed >= this.limits.confirmAfter)) {
                await this.confirm(stored, (stored.walk?.top ?? stored.done)!);
                unconfirmed = -Infinity;
            }
            if (isBusy) {
                await this.giveUp(followed);
                return;
            }
            if (stored.walk === undefined || (mayBeFilled(stored) && chain.isLate())) {
                return;
            }
            expected = stored.walk.next;
        }
    }

    /** Follows an account no more, and keeps nothing of it. */
    private async giveUp(followed: Followed): Promise<void> {
        const { log } = followed;
        await this.store.forget(log.log, { busy: true });
        followed.log = { ...log, busy: true, size: 0, done: undefined, walk: undefined };
    }

    private isTooBusy(log: Log): boolean {
        return log.size > this.limits.maxSize && mayBeFilled(log);
    }

    /** An endpoint that is behind with its blocks cannot know what is later. */
    private ruleAt({ at, behind }: ChainTime): UndoRule {
        const refusal = behind
            ? 'the endpoint is behind the block that was read before, so this is not believed'
            : undefined;
        return { at, maxSeconds: this.limits.maxUndoSeconds, refusal };
    }

    /** Whether the newest transaction of the account is one that is not stored. Undoes what the account has lost. */
    private async isNews(
        followed: Followed,
        newest: ProvedTransaction | undefined,
        chain: ChainTime,
    ): Promise<boolean> {
        const { log, done, floor } = followed.log;
        const last = newest !== undefined && newest.lt > floor ? newest : undefined;
        if (done === undefined || (last !== undefined && isSame(done, last))) {
            return done === undefined && last !== undefined;
        }
        if (last !== undefined && (last.lt >= done.lt || !(await this.store.has(log, last)))) {
            return true;
        }
        followed.behind = chain.behind || (await this.has(followed.log, done));
        if (!followed.behind) {
            const { log: shortened, undone } = await this.store.shorten(log, last, this.ruleAt(chain));
            followed.undone += undone;
            followed.log = shortened;
        }
        return false;
    }

    private async read(log: Log, account: Address, transaction: ProvedTransaction): Promise<ReadTransaction> {
        const { content: _, ...name } = transaction;
        const facts = await factsOf({ role: log.role, account, registry: this.registry }, transaction);
        return { ...name, facts };
    }

    /** A page whose transactions follow each other; asked again while the endpoint contradicts itself. */
    private async page(
        account: Address,
        from: TransactionId | undefined,
        followed: Followed,
    ): Promise<ProvedTransaction[]> {
        for (let attempt = 1; ; attempt++) {
            try {
                const listed = await this.source.page(account, from);
                const proved: ProvedTransaction[] = [];
                for (const raw of listed) {
                    await setImmediate(); // one may take a tenth of a second, and requests wait meanwhile
                    proved.push(proveTransaction(account, raw));
                }
                return linked(account, proved, from, () => followed.repeated++);
            } catch (error) {
                if (!(error instanceof HistoryError) || attempt === ATTEMPTS) {
                    throw error;
                }
            }
        }
    }
}

/** True of an account to which anyone may send, or that a provider may name although it has nothing to do with it. */
const mayBeFilled = ({ role }: Log): boolean => role !== 'registry' && role !== 'provider';

const TRANSACTION_SIZE = 10_000; // characters of facts that count as a further transaction

/** How many transactions these are; one that says much counts as several. */
function sizeOf(read: readonly ReadTransaction[]): number {
    return read.reduce((sum, { facts }) => sum + 1 + Math.floor(JSON.stringify(facts).length / TRANSACTION_SIZE), 0);
}

/** The transactions of a page without those that come twice. Throws a HistoryError if one is left out. */
function linked(
    account: Address,
    page: readonly ProvedTransaction[],
    from: TransactionId | undefined,
    onRepeat: () => void,
): ProvedTransaction[] {
    const result: ProvedTransaction[] = [];
    let expected = from;
    for (const transaction of page) {
        if (result.some((earlier) => isSame(earlier, transaction))) {
            onRepeat();
            continue;
        }
        if (expected !== undefined && !isSame(expected, transaction)) {
            const found = `lt ${transaction.lt}, ${transaction.hash.toString('hex')}`;
            const next = `lt ${expected.lt}, ${expected.hash.toString('hex')}`;
            throw new HistoryError(
                `The endpoint leaves out or reorders transactions of ${account.toRawString()}: ` +
                    `it lists ${found} where ${next} comes`,
            );
        }
        result.push(transaction);
        expected = transaction.previous;
    }
    if (from !== undefined && result.length === 0) {
        throw new HistoryError(
            `The endpoint does not list the transaction of ${account.toRawString()} at lt ${from.lt} ` +
                `with the hash ${from.hash.toString('hex')}, which the next one names`,
        );
    }
    return result;
}
