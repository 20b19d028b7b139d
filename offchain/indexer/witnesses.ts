/** What every endpoint says, where there are several: one alone may make a history up. */
import type { Address } from '@ton/core';
import { ChainError, type TransactionId } from '../chain';
import { MAX_HASH } from '../chain/bags';
import { LargeTransaction, type MasterBlock, type Source } from './source';
import { HistoryError, isSame, proveTransaction } from './transaction';

/** A transaction that every endpoint must have. */
export interface Witnessed {
    what: string; // whose history it is of, for people
    account: Address;
    id: TransactionId;
}

/**
 * Asks every endpoint for a transaction. One that has it has all that came before, too.
 * @throws HistoryError unless every endpoint has it; ChainError of one that is silent
 */
export async function requireWitnesses(witnesses: readonly Source[], { what, account, id }: Witnessed): Promise<void> {
    for (const witness of witnesses) {
        const [found] = await witness.page(account, id).catch((error: Error) => {
            if (error instanceof ChainError && error.silent) {
                throw error; // it says nothing against what was read
            }
            throw new HistoryError(`${witness.name} does not confirm the history of ${what}: ${error.message}`);
        });
        if (found === undefined || !isSame(proveTransaction(account, found), id)) {
            throw new HistoryError(
                `${witness.name} does not have the transaction of ${what} at lt ${id.lt} ` +
                    `with the hash ${id.hash.toString('hex')}`,
            );
        }
    }
}

/**
 * True if an endpoint has a transaction that the one which is read lists no more: it may be behind, or hide it.
 * @throws ChainError of one that is silent
 */
export async function hasWitness(witnesses: readonly Source[], { account, id }: Witnessed): Promise<boolean> {
    for (const witness of witnesses) {
        const [found] = await witness.page(account, id).catch((error: Error) => {
            if (error instanceof ChainError && error.silent) {
                throw error;
            }
            return [];
        });
        if (found !== undefined && isSame(proveTransaction(account, found), id)) {
            return true;
        }
    }
    return false;
}

/**
 * True if an endpoint lists a transaction of an account that is no older than this one, so the account is not gone.
 * @throws ChainError of one that is silent
 */
export async function listsSome(witnesses: readonly Source[], { account, id }: Witnessed): Promise<boolean> {
    for (const witness of witnesses) {
        const [newest] = await witness.page(account).catch((error: Error) => {
            if (error instanceof ChainError && error.silent) {
                throw error;
            }
            return [];
        });
        if (newest !== undefined && proveTransaction(account, newest).lt >= id.lt) {
            return true;
        }
    }
    return false;
}

/**
 * Asks every endpoint for a transaction that is too large to be read: one could say it of any.
 * @throws HistoryError unless every endpoint says so; ChainError of one that is silent
 */
export async function requireLarge(witnesses: readonly Source[], { what, account, id }: Witnessed): Promise<void> {
    for (const witness of witnesses) {
        const error: unknown = await witness.page(account, id).then(
            () => undefined,
            (reason: unknown) => reason,
        );
        if (error instanceof ChainError && error.silent) {
            throw error;
        }
        if (!(error instanceof LargeTransaction) || !isSame(error.id, id)) {
            throw new HistoryError(
                `${witness.name} does not say that the transaction of ${what} at lt ${id.lt} is too large to be read`,
            );
        }
    }
}

/** The newest block of an endpoint, which is stored and shown as it is. @throws HistoryError if it names none */
async function readTip(source: Source): Promise<MasterBlock> {
    const { seqno, hash } = await source.tip();
    if (!Number.isSafeInteger(seqno) || seqno < 0 || typeof hash !== 'string' || hash.length > MAX_HASH) {
        throw new HistoryError(`${source.name} names no block by its number and its hash`);
    }
    return { seqno, hash };
}

/**
 * The newest block that every endpoint has: one could name a block that there is not, and all others would be behind
 * it for ever.
 * @throws HistoryError if one names none, or two name it by different hashes; ChainError
 */
export async function commonTip(sources: readonly Source[]): Promise<MasterBlock> {
    const tips = await Promise.all(sources.map(readTip));
    const lowest = tips.reduce((low, tip) => (tip.seqno < low.seqno ? tip : low));
    const other = tips.find(({ seqno, hash }) => seqno === lowest.seqno && hash !== lowest.hash);
    if (other !== undefined) {
        throw new HistoryError(
            `The endpoints name block ${lowest.seqno} by the hashes ${lowest.hash} and ${other.hash}`,
        );
    }
    return lowest;
}
