/** The one way in which messages of an account are read: forward, each once, and none stops the reader. */
import type { Address } from '@ton/core';
import type { Chain, Received } from './chain';

/** What was found behind a cursor. */
export interface Read<T> {
    found: { message: Received; value: T }[]; // oldest first
    newest: bigint; // lt, the next cursor
    unreadable: number; // messages that were passed
}

/**
 * Reads the messages that an account took after the cursor. `parse` gives what a message says, or undefined for one that
 * is of no concern; it asks nobody and keeps nothing, so that whatever it throws is the message's own fault: such a
 * message is told to `unreadable`, counted and passed.
 *
 * @throws ChainError when the API does not answer; nothing was read then
 */
export async function readMessages<T>(
    chain: Pick<Chain, 'received'>,
    { address, after }: { address: Address; after: bigint },
    parse: (message: Received) => T | undefined,
    unreadable: (message: Received, error: unknown) => void,
): Promise<Read<T>> {
    const read: Read<T> = { found: [], newest: after, unreadable: 0 };
    for await (const message of chain.received(address, after)) {
        read.newest = message.lt > read.newest ? message.lt : read.newest;
        try {
            const value = message.unreadable === undefined ? parse(message) : raise(message.unreadable);
            if (value !== undefined) {
                read.found.push({ message, value });
            }
        } catch (error) {
            read.unreadable++;
            unreadable(message, error);
        }
    }
    read.found.reverse();
    return read;
}

function raise(error: Error): never {
    throw error;
}
