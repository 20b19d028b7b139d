/** A transaction whose hash was computed from its content, and how it follows the one before it. */
import { withFewEntries } from '@cocoon-market/wrappers';
import { type Address, loadTransaction, type Message, type Transaction } from '@ton/core';
import type { TransactionId } from '../chain';
import type { RawTransaction } from './source';

/** A transaction that is what its name says. */
export interface ProvedTransaction extends TransactionId {
    previous: TransactionId; // lt 0 for the first of the account
    at: number; // unix seconds
    content: Transaction | undefined; // undefined if this release cannot read it
}

/** An endpoint contradicted itself, its earlier answers or another endpoint. The message says in what. */
export class HistoryError extends Error {}

/**
 * Computes the hash of a listed transaction and reads what links it to the others.
 * @throws HistoryError if the endpoint names it by another hash or lt, or it is of another account
 */
export function proveTransaction(account: Address, { lt, hash, cell }: RawTransaction): ProvedTransaction {
    const computed = cell.hash();
    const place = `of ${account.toRawString()} at lt ${lt}`;
    if (!computed.equals(hash)) {
        const names = `${hash.toString('hex')}, and its content has ${computed.toString('hex')}`;
        throw new HistoryError(`The endpoint names the transaction ${place} by the hash ${names}`);
    }
    const head = cell.beginParse();
    head.skip(4); // transaction$0111
    if (!head.loadBuffer(32).equals(account.hash)) {
        throw new HistoryError(`The endpoint lists a transaction of another account as one ${place}`);
    }
    const contentLt = head.loadUintBig(64);
    if (contentLt !== lt) {
        throw new HistoryError(`The endpoint lists the transaction at lt ${contentLt} as the one ${place}`);
    }
    const [previousHash, previousLt] = [head.loadBuffer(32), head.loadUintBig(64)];
    const at = head.loadUint(32);
    return { lt, hash, previous: { lt: previousLt, hash: previousHash }, at, content: contentOf(cell) };
}

function contentOf(cell: RawTransaction['cell']): Transaction | undefined {
    try {
        return withFewEntries(() => loadTransaction(cell.beginParse()));
    } catch {
        return undefined;
    }
}

/** True if two names are of one transaction. */
export function isSame(one: TransactionId, other: TransactionId): boolean {
    return one.lt === other.lt && one.hash.equals(other.hash);
}

/** True if the account did what the message asked: neither its code nor its actions failed. */
export function succeeded({ description }: Transaction): boolean {
    return description.type === 'generic' && !description.aborted;
}

/** Messages out of a transaction, in their order. */
export function messagesOut({ outMessages }: Transaction): Message[] {
    return outMessages.values();
}

/** nanoTON of gas and of the fees of actions. */
export function feesOfRun({ description }: Transaction): bigint {
    if (description.type !== 'generic') {
        return 0n;
    }
    const { computePhase, actionPhase } = description;
    return (computePhase.type === 'vm' ? computePhase.gasFees : 0n) + (actionPhase?.totalFwdFees ?? 0n);
}
