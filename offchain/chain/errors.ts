/** Errors of a chain's API. */

/** The fields of a {@link ChainError} besides its text. */
export interface ChainErrorKind {
    final?: boolean;
    unknown?: boolean;
    silent?: boolean;
    otherNetwork?: boolean;
    busy?: boolean;
    cause?: unknown;
}

/** The API refused a message or did not answer. The text names the endpoint, and never its key. */
export class ChainError extends Error {
    /** True when another try cannot help: a wrong network, a wrong key, a malformed call. */
    readonly final: boolean;
    /** True when a message was sent and may have been taken: only the chain's state shows whether it was. */
    readonly unknown: boolean;
    /** True when no answer came, as from an endpoint that does not run. */
    readonly silent: boolean;
    /** True when the endpoint is one of another network than is configured. */
    readonly otherNetwork: boolean;
    /** True when the endpoint was not asked, because too many calls wait for it here. */
    readonly busy: boolean;

    constructor(
        message: string,
        readonly exitCode?: number, // of an external message that its contract refused
        {
            final = false,
            unknown = false,
            silent = false,
            otherNetwork = false,
            busy = false,
            cause,
        }: ChainErrorKind = {},
    ) {
        super(message, cause === undefined ? {} : { cause });
        this.name = 'ChainError';
        this.final = final;
        this.unknown = unknown;
        this.silent = silent;
        this.otherNetwork = otherNetwork;
        this.busy = busy;
    }
}
