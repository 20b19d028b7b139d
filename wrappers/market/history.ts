/**
 * The transactions of an account, proved: the content of each gives its hash, and each names the one before it. An
 * endpoint that pages twice is tolerated. One that skips, reorders or changes a transaction is asked again, and then
 * refused.
 */
import type { Address, Transaction } from '@ton/core';
import { bytesToNumber, numberToBytes } from '../bytes';
import { type MarketClient, readAccount, readPage, type TransactionName } from './chain';
import { MarketError } from './errors';

const PAGE = 100; // transactions
const ATTEMPTS = 3; // of a page that contradicts what is known
const MAX_READ = 1_000_000; // transactions in one reading: an endpoint could make up a history without an end

/** What a reading found. */
export interface ReadHistory<T> {
    found: T[]; // oldest first
    newest: TransactionName | undefined; // up to which the history is read
    isOther: boolean; // the history no longer contains `until`, and was read from its beginning
}

/**
 * Reads what is later than `until`, and all if it is left out. `read` says what of a transaction is kept, and
 * `lastOfDeleted` names the last transaction of an account that is deleted, below an lt from which it is another's.
 * @throws {MarketError} `contradiction`
 */
export async function readHistory<T>(
    client: MarketClient,
    address: Address,
    until: TransactionName | undefined,
    read: (transaction: Transaction) => T[],
    lastOfDeleted: (endLt?: bigint) => Promise<TransactionName | undefined> = async () => undefined,
): Promise<ReadHistory<T>> {
    const account = await readAccount(client, address);
    // One that came back without code, as by dust, begins a new history, and hides what it did before as well.
    const newest = (account.code === undefined ? await lastOfDeleted() : undefined) ?? account.newest;
    if (newest === undefined || (until !== undefined && newest.lt < until.lt)) {
        return { found: [], newest: until, isOther: false }; // the endpoint is behind, or there is nothing
    }
    const parts: T[][] = [];
    let count = 0;
    /** Reads down to `until`, or to the first transaction, which it returns. */
    const readDown = async (from: TransactionName): Promise<TransactionName | undefined> => {
        let first = from;
        for (let next: TransactionName | undefined = from; next !== undefined;) {
            if (until !== undefined && isSame(next, until)) {
                return undefined;
            }
            if (count >= MAX_READ) {
                throw contradiction(`the endpoint lists more than ${MAX_READ} transactions of ${address.toString()}`);
            }
            for (const transaction of await provedPage(client, address, next)) {
                first = nameOf(transaction);
                if (until !== undefined && isSame(first, until)) {
                    return undefined;
                }
                const part = read(transaction);
                if (part.length > 0) {
                    parts.push(part);
                }
                next = previousOf(transaction);
                count++;
            }
        }
        return first;
    };
    let first = await readDown(newest);
    if (until !== undefined && first !== undefined && first.lt > until.lt) {
        // One that somebody deployed again begins a new history, too.
        const last = await lastOfDeleted(first.lt);
        first = last !== undefined && last.lt > until.lt && last.lt < first.lt ? await readDown(last) : first;
    }
    return { found: parts.reverse().flat(), newest, isOther: until !== undefined && first !== undefined };
}

/** The name of a transaction, its hash computed from its content. */
export const nameOf = (transaction: Transaction): TransactionName => ({ lt: transaction.lt, hash: transaction.hash() });

/** True if two names are of one transaction. */
export const isSame = (one: TransactionName, other: TransactionName): boolean =>
    one.lt === other.lt && one.hash.equals(other.hash);

export function previousOf({ prevTransactionLt, prevTransactionHash }: Transaction): TransactionName | undefined {
    return prevTransactionLt === 0n ? undefined : { lt: prevTransactionLt, hash: numberToBytes(prevTransactionHash) };
}

/** A page of an account from a transaction on, newest first. @throws {MarketError} `contradiction` */
export async function provedPage(
    client: MarketClient,
    address: Address,
    from: TransactionName,
): Promise<Transaction[]> {
    for (let attempt = 1; ; attempt++) {
        const listed = await readPage(client, address, from, PAGE);
        const page = listed.slice(0, PAGE); // each is compared with the others, and an endpoint may list any number
        try {
            return linked(address, page, from);
        } catch (error) {
            if (!(error instanceof MarketError) || attempt === ATTEMPTS) {
                throw error;
            }
        }
    }
}

/** The transactions of a page without those that come twice. */
function linked(address: Address, page: readonly Transaction[], from: TransactionName): Transaction[] {
    const account = bytesToNumber(address.hash);
    const result: Transaction[] = [];
    let expected: TransactionName | undefined = from;
    for (const transaction of page) {
        const name = nameOf(transaction);
        if (result.some((earlier) => isSame(nameOf(earlier), name))) {
            continue;
        }
        if (expected === undefined || !isSame(expected, name) || transaction.address !== account) {
            throw contradiction(`the endpoint leaves out, reorders or changes transactions of ${address.toString()}`);
        }
        result.push(transaction);
        expected = previousOf(transaction);
    }
    if (result.length === 0) {
        throw contradiction(
            `the endpoint does not list the transaction of ${address.toString()} at lt ${from.lt}, which another names`,
        );
    }
    return result;
}

const contradiction = (reason: string) =>
    new MarketError(
        'contradiction',
        `Nothing of this answer is believed: ${reason}`,
        'Try again, or use an endpoint that keeps all transactions.',
    );
