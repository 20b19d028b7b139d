/** What goes wrong with a chain's API. */

/** What is known of an error besides its text; see {@link ChainError}. */
export interface ChainErrorKind {
    final?: boolean;
    unknown?: boolean;
    silent?: boolean;
    cause?: unknown;
}

/** The API refused a message or did not answer; the text names the endpoint, and never its key. */
export class ChainError extends Error {
    /** True when asking again cannot help: a wrong network, a wrong key, a malformed call. */
    readonly final: boolean;
    /** True when a message was handed over and nobody said what became of it: only the chain's state can tell. */
    readonly unknown: boolean;
    /** True when nothing came back, as from an endpoint that does not run. */
    readonly silent: boolean;

    constructor(
        message: string,
        readonly exitCode?: number, // of an external message that its contract refused
        { final = false, unknown = false, silent = false, cause }: ChainErrorKind = {},
    ) {
        super(message, cause === undefined ? {} : { cause });
        this.name = 'ChainError';
        this.final = final;
        this.unknown = unknown;
        this.silent = silent;
    }
}
