/** Errors as they are told in logs and by the command line. */

/** An error whose message says what to do. The command line prints it without its causes. */
export class Remedied extends Error {}

/** The message of an error, for logs and lists. */
export function reasonOf(error: unknown): string {
    return error instanceof Error ? error.message : String(error);
}
