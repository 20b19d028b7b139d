/** Errors as they are told in logs and by the command line. */

/** An error that says itself what to do: its causes stay with it, and the command line does not print them. */
export class Remedied extends Error {}

/** The message of an error, for logs and lists. */
export function reasonOf(error: unknown): string {
    return error instanceof Error ? error.message : String(error);
}
