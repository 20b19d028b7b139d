// Longer than 350 lines because which life of an account a page shows decides what is stored and undone.
/** Follows one account: reads its transactions from the newest down to those that are stored, page by page. */
import { Address } from '@ton/core';
import { setImmediate } from 'node:timers/promises';
import { ChainError, type TransactionId } from '../chain';
import { factsOf } from './facts';
import type { FollowLimits } from './parts';
import { LargeTransaction, type MessageId, type Source } from './source';
import type { Log } from './logRows';
import { paymentsOf, transactionOf } from './senders';
import type { IndexStore, UndoRule } from './store';
import { HistoryError, isSame, type ProvedTransaction, proveTransaction } from './transaction';
import { hasWitness } from './witnesses';
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
    isGone: boolean; // a channel of which nothing is listed, or only what followed when its account came back
    isLost: boolean; // it paid somebody, and the endpoint does not find the transaction that did
}

const ATTEMPTS = 3; // of a page that contradicts the one before
const MAX_PAGES = 20; // that are read to find out where the history of an account begins

export class Follower {
    /**
     * `confirm` throws a HistoryError unless every endpoint has this transaction of a log, or says it is large; `has`
     * is true if one of several has it, `lists` if one of several lists it or what followed.
     */
    constructor(
        private readonly source: Source,
        private readonly store: IndexStore,
        private readonly registry: Address,
        private readonly limits: FollowLimits,
        private readonly confirm: (log: Log, id: TransactionId, isLarge?: boolean) => Promise<void>,
        private readonly has: (log: Log, id: TransactionId) => Promise<boolean>,
        private readonly lists: (log: Log, id: TransactionId) => Promise<boolean>,
    ) {}

    /**
     * Brings a log up to date. It is stored page by page, so a pass that ends early is continued by the next one.
     * @throws HistoryError, ChainError
     */
    async follow(log: Log, chain: ChainTime): Promise<Followed> {
        const counts = { added: 0, undone: 0, repeated: 0 };
        const followed: Followed = { log, ...counts, behind: false, isGone: false, isLost: false };
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
            let page = await this.page(account, expected, followed);
            if (expected === undefined) {
                const isListed = page.length > 0;
                page = await this.withLife(followed, account, page);
                if (!(await this.isNews(followed, page[0], chain, isListed))) {
                    return;
                }
            }
            const read = await Promise.all(page.map((transaction) => this.read(followed.log, account, transaction)));
            const keepsEarlier = await this.isLaterLife(followed.log, page.at(-1)!);
            const { log: stored, undone } = await this.store.append(log.log, read, { ...rule, keepsEarlier });
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

    /**
     * A page of the life of an account in which it is a channel. An endpoint lists nothing of an account that is gone,
     * as an ended channel is, and of one that came back only what followed. What a channel paid names its transactions.
     */
    private async withLife(
        followed: Followed,
        account: Address,
        listed: ProvedTransaction[],
    ): Promise<ProvedTransaction[]> {
        const { log } = followed;
        if (log.role !== 'channel') {
            return listed;
        }
        const first = await this.firstOf(followed, account, listed);
        if (listed.length > 0 && first === undefined) {
            return listed;
        }
        if (log.endedAt !== null) {
            return [];
        }
        followed.isGone = true;
        const range = { sinceLt: log.done?.lt, endLt: first?.lt };
        const { messages, isOpened } = await paymentsOf(this.store, account, range);
        const { own, other = listed } = await this.lastPage(followed, account, messages);
        // Another life is stored only of an account that no escrow opened: what is not a channel is read once. The life
        // of a job may be found by what a payout got that is read later.
        return own ?? (log.done === undefined && !isOpened && !followed.isLost ? other : []);
    }

    /**
     * The page that begins with what sent the newest of these messages in the life in which the account is a channel,
     * and one of another life. Anyone may deploy a channel that has ended and have it refund, any number of times for
     * next to nothing, so the lives are halved and not gone through.
     */
    private async lastPage(
        followed: Followed,
        account: Address,
        messages: readonly MessageId[], // from the oldest on
    ): Promise<{ own?: ProvedTransaction[] | undefined; other?: ProvedTransaction[] | undefined }> {
        const { log } = followed;
        let [own, other]: (ProvedTransaction[] | undefined)[] = [];
        let [low, high] = [0, messages.length]; // all before `low` are of that life, and none from `high` on
        for (let next = high - 1; low < high; next = (low + high) >> 1) {
            const sent = await transactionOf(this.source, messages[next]);
            followed.isLost ||= sent === undefined;
            if (sent === undefined || sent instanceof LargeTransaction) {
                high = next; // an older one may be found; and no channel sends so much
                continue;
            }
            const page = await this.page(account, sent, followed).catch((error: unknown) => {
                throw error instanceof ChainError && !error.silent ? this.hasNot(log, sent, error) : error;
            });
            if ((await this.firstOf(followed, account, page)) === undefined) {
                [own, low] = [page, next + 1];
            } else {
                [other, high] = [page, next];
            }
        }
        return { own, other };
    }

    /**
     * The first transaction of the life that a page shows, if the account may have had another one before: undefined if
     * the page goes on from what is stored, or the escrow deployed the channel in this life.
     */
    private async firstOf(
        followed: Followed,
        account: Address,
        listed: readonly ProvedTransaction[],
    ): Promise<ProvedTransaction | undefined> {
        const { log } = followed;
        let page = listed;
        for (let pages = 1; page.length > 0 && pages <= MAX_PAGES; pages++) {
            const first = page.at(-1)!;
            const { previous } = first;
            if (log.done !== undefined && (first.lt <= log.done.lt || isSame(previous, log.done))) {
                return undefined;
            }
            if (log.done === undefined && (await this.isDeployedIn(log, account, page))) {
                return undefined;
            }
            if (previous.lt === 0n) {
                return first;
            }
            page = await this.page(account, previous, followed);
        }
        return undefined;
    }

    /** Whether the escrow deployed the channel in one of these transactions: in the first, or after dust of others. */
    private async isDeployedIn(log: Log, account: Address, page: readonly ProvedTransaction[]): Promise<boolean> {
        for (const transaction of page) {
            const isInit = Boolean(transaction.content?.inMessage?.init);
            if (isInit && (await this.read(log, account, transaction)).facts.some(({ kind }) => kind === 'deployed')) {
                return true;
            }
        }
        return false;
    }

    private hasNot({ log }: Log, { lt, hash }: TransactionId, cause: Error): HistoryError {
        const name = `the transaction of ${log} at lt ${lt} with the hash ${hash.toString('hex')}`;
        return new HistoryError(`${this.source.name} does not have ${name}, which it says that paid`, { cause });
    }

    /** Whether the account was gone between what is stored and this first transaction of a page's history. */
    private async isLaterLife(log: Log, first: ProvedTransaction): Promise<boolean> {
        const { done, floor } = log;
        const isLater = done !== undefined && first.lt > done.lt && first.previous.lt <= floor;
        return isLater && !isSame(done, first.previous) && this.knows(log, done);
    }

    /** Whether the endpoint that is read has a transaction of a log, although it may list it no more. */
    private knows({ log: what, account }: Log, id: TransactionId): Promise<boolean> {
        return hasWitness([this.source], { what, account: Address.parseRaw(account), id });
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

    /**
     * Whether the newest transaction of the account is one that is not stored. Undoes what the account has lost.
     * `isListed`: the endpoint lists something of the account, be it of a later life.
     */
    private async isNews(
        followed: Followed,
        newest: ProvedTransaction | undefined,
        chain: ChainTime,
        isListed: boolean,
    ): Promise<boolean> {
        const { log, done, floor } = followed.log;
        const last = newest !== undefined && newest.lt > floor ? newest : undefined;
        if (done === undefined || (last !== undefined && isSame(done, last))) {
            return done === undefined && last !== undefined;
        }
        if (last !== undefined && (last.lt >= done.lt || !(await this.store.has(log, last)))) {
            return true;
        }
        const isHidden = last === undefined && (await this.knows(followed.log, done));
        if (isHidden && mayEnd(followed.log) && (isListed || !(await this.lists(followed.log, done)))) {
            return false; // the account is gone, or came back, and what it did is not undone by that
        }
        followed.behind = isHidden || chain.behind || (await this.has(followed.log, done));
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

/** True of an account that may be gone, after which no endpoint lists what it did. */
const mayEnd = ({ role }: Log): boolean => role !== 'registry' && role !== 'escrow';

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
