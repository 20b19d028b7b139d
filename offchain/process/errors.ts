/** Errors as they are told in logs and by the command line. */

/**
 * An error whose message says what to do. The command line prints it without its causes. `remedy`, where the error has
 * one apart from `what`, is also a part of the message.
 */
export class Remedied extends Error {
    readonly remedy: string | undefined;

    constructor(
        readonly what: string,
        { cause, remedy }: { cause?: unknown; remedy?: string } = {},
    ) {
        super(remedy === undefined ? what : `${what}\n  → ${remedy}`, { cause });
        this.remedy = remedy;
    }
}

/** The message of an error, for logs and lists. */
export function reasonOf(error: unknown): string {
    return error instanceof Error ? error.message : String(error);
}
