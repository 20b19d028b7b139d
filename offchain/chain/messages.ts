/** The one way in which messages of an account are read: forward, each once, and none stops the reader. */

/** A message of an account; `unreadable`: why nobody can say what is in it. */
export interface Read {
    lt: bigint; // of the transaction
    unreadable?: Error;
}

/** What was found behind a cursor. */
export interface Found<M, T> {
    found: { message: M; value: T }[]; // oldest first
    newest: bigint; // lt, the next cursor
}

/**
 * Reads messages that came after the cursor, newest first as a chain gives them. `parse` gives what a message says, or
 * undefined for one that is of no concern; it asks nobody and keeps nothing, so that whatever it throws is the message's own
 * fault: such a message is told to `unreadable` and passed.
 *
 * @throws ChainError when the API does not answer; nothing was read then
 */
export async function readMessages<M extends Read, T>(
    messages: AsyncIterable<M>,
    after: bigint,
    parse: (message: M) => T | undefined,
    unreadable: (message: M, error: unknown) => void,
): Promise<Found<M, T>> {
    const read: Found<M, T> = { found: [], newest: after };
    for await (const message of messages) {
        read.newest = message.lt > read.newest ? message.lt : read.newest;
        try {
            const value = message.unreadable === undefined ? parse(message) : raise(message.unreadable);
            if (value !== undefined) {
                read.found.push({ message, value });
            }
        } catch (error) {
            unreadable(message, error);
        }
    }
    read.found.reverse();
    return read;
}

function raise(error: Error): never {
    throw error;
}
