/**
 * Orders on disk that a script has signed and whose effect is not confirmed. The next run of any script first finds
 * out what became of such an order, so that nothing is sent twice.
 */
import { Address } from '@ton/core';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { Order } from '../offchain/chain/order';
import { ScriptError } from './scriptError';
import type { ScriptSession } from './session';
import { waitUntil } from './wallet';

/** An order as it is stored. */
interface Note extends Omit<Order, 'wallet'> {
    to: string; // the account whose change was waited for
    newest: string; // logical time of its newest transaction before
}

const BEYOND = 60_000; // milliseconds after its validity until an order's outcome is certain

/**
 * Stores an order before it is sent. `to`: the account of its last message; `newest`: that account's newest
 * transaction.
 */
export function keepOrder(session: ScriptSession, { wallet, ...order }: Order, to: Address, newest: bigint): void {
    const file = noteFile(session, wallet);
    mkdirSync(dirname(file), { recursive: true });
    const note: Note = { ...order, to: to.toRawString(), newest: newest.toString() };
    writeFileSync(file, JSON.stringify(note), { flush: true });
}

/** Deletes the order of a wallet after its effect is confirmed or it was not sent. */
export function forgetOrder(session: ScriptSession): void {
    if (session.wallet !== undefined) {
        rmSync(noteFile(session, session.wallet.address), { force: true });
    }
}

/** Waits for the outcome of an order that an earlier run left open. Refuses to go on without it. */
export async function settleOrder(session: ScriptSession): Promise<void> {
    const { wallet, patience } = session;
    const note = wallet === undefined ? undefined : noteOf(session, wallet.address);
    if (wallet?.outcome === undefined || note === undefined) {
        return;
    }
    const order: Order = { ...note, wallet: wallet.address };
    const name = `order ${note.seqno} (${note.hash.slice(0, 8)}…) of an earlier run`;
    let outcome = await wallet.outcome(order);
    if (outcome === 'waiting') {
        console.log(`Waiting for ${name}, which may still be taken`);
        const remaining = Math.max(0, note.validUntil - (await session.now())) * 1000 + BEYOND;
        await waitUntil(
            { ...patience, within: remaining },
            async () => (outcome = await wallet.outcome!(order)) !== 'waiting',
        );
    }
    if (outcome === 'executed') {
        console.log(`The wallet has sent ${name}; what it changed is read now`);
        const to = Address.parseRaw(note.to);
        const previous = BigInt(note.newest);
        await waitUntil(patience, async () => {
            const newest = await session.newest(to);
            const hasEnded = newest === 0n && previous > 0n; // of such an account nothing is listed
            const isNew = newest > previous && !(await session.arrivalSince(to, previous, wallet.address)).isDue;
            return hasEnded || isNew;
        }).catch((error: Error) => {
            throw new ScriptError(
                `The wallet has sent ${name}, and ${session.format(to)} has not confirmed it`,
                `look at both in an explorer; if all is well, remove ${noteFile(session, wallet.address)}: ${error.message}`,
            );
        });
    } else {
        const why = outcome === 'overtaken' ? ': it took another with its number' : '';
        console.log(`The wallet never took ${name}, and never will${why}`);
    }
    forgetOrder(session);
}

function noteOf(session: ScriptSession, wallet: Address): Note | undefined {
    const file = noteFile(session, wallet);
    try {
        return JSON.parse(readFileSync(file, 'utf8')) as Note;
    } catch (error) {
        if ((error as NodeJS.ErrnoException).code === 'ENOENT') {
            return undefined; // no order is open
        }
        throw new ScriptError(
            `${file} names an order of an earlier run and cannot be read: ${(error as Error).message}`,
            'look at the wallet in an explorer. When no order is on its way any more, remove the file',
        );
    }
}

function noteFile({ network }: ScriptSession, wallet: Address): string {
    return join('temp', network.name, `order-${wallet.hash.toString('hex')}.json`);
}
