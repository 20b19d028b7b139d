/** Reads the messages of an account once each. A message that cannot be read does not stop the reader. */

/** A message of an account. */
export interface AccountMessage {
    lt: bigint; // of the transaction
    unreadable?: Error; // why its content cannot be read
}

/** The messages after a cursor. */
export interface MessageBatch<M, T> {
    parsed: { message: M; value: T }[]; // oldest first
    newest: bigint; // lt, the next cursor
}

/**
 * Reads messages later than the cursor, newest first as a chain gives them. `parse` returns a message's value, or
 * undefined for one that does not matter. It must have no side effects and make no calls, because its errors count as
 * errors of the message: `onUnreadable` gets them, and the reader goes on.
 *
 * @throws ChainError when the API does not answer; then nothing was read
 */
export async function readMessages<M extends AccountMessage, T>(
    messages: AsyncIterable<M>,
    cursor: bigint,
    parse: (message: M) => T | undefined,
    onUnreadable: (message: M, error: unknown) => void,
): Promise<MessageBatch<M, T>> {
    const batch: MessageBatch<M, T> = { parsed: [], newest: cursor };
    for await (const message of messages) {
        batch.newest = message.lt > batch.newest ? message.lt : batch.newest;
        try {
            const value = message.unreadable === undefined ? parse(message) : raise(message.unreadable);
            if (value !== undefined) {
                batch.parsed.push({ message, value });
            }
        } catch (error) {
            onUnreadable(message, error);
        }
    }
    batch.parsed.reverse();
    return batch;
}

function raise(error: Error): never {
    throw error;
}
