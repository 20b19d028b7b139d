/** What goes wrong, in a form that a program can act on: a code, a sentence, and what to do about it. */

/** Every kind of error of this package. */
export type ClientErrorCode =
    | 'bad_options' // a client or a store cannot be made of what it got
    | 'bad_request' // the request is none that a node answers; nothing was sent
    | 'over_limit' // it is above a limit that the caller set; nothing was signed
    | 'low_funds' // the job's money does not cover the query; nothing was sent
    | 'too_many' // as many queries run, or lack their endings, as there may be; nothing was sent
    | 'wrong_phase' // the job is not open, or not yet due
    | 'wrong_node' // what the worker says of itself is not what the chain says of its node
    | 'not_set_up' // the escrow does not exist, or has another key or code
    | 'order_pending' // the chain has not shown yet what became of an order
    | 'order_refused' // the escrow refused it, and nothing was spent
    | 'worker_down' // it does not answer, or not as the protocol says
    | 'worker_refused' // without a signature; nothing is owed
    | 'declined' // signed by the node; nothing is owed
    | 'failed' // accepted and not answered, signed by the node; nothing is owed
    | 'broken_off' // the answer ended before its signed ending, which is fetched later
    | 'clock' // a time of the node does not fit this machine's clock
    | 'breach' // the node broke the protocol: nothing more is paid
    | 'store_in_use' // another program has the store
    | 'store_failed'; // the store does not answer, or did not take a value

/** An error of this package. `remedy` says what to do. */
export class ClientError extends Error {
    constructor(
        readonly code: ClientErrorCode,
        message: string,
        readonly remedy: string,
        options?: { cause?: unknown },
    ) {
        super(message, options);
        this.name = 'ClientError';
    }
}

/** A client takes nothing more once it is closed. */
export const closedError = (): ClientError => new ClientError('wrong_phase', 'The client is closed', 'Open it again.');

/** An amount is above a limit that the caller set. */
export function overLimit(what: string, amount: bigint, limit: bigint): ClientError {
    const message = `${what} of ${amount} nanoTON is above this client's limit of ${limit}`;
    return new ClientError('over_limit', message, 'Ask for less, or open the client with a higher limit.');
}

/** The node declined a query, or accepted and failed it, and signed that. Nothing is owed for it. */
export class QueryRefused extends ClientError {
    constructor(
        code: 'declined' | 'failed',
        message: string,
        remedy: string,
        /** See `Reason` of the wrappers. */
        readonly reason: number,
        /** The signed receipt, as it came. */
        readonly receipt: Buffer,
        /** Seconds after which the node may answer, if it said so. */
        readonly retryAfter?: number,
    ) {
        super(code, message, remedy);
        this.name = 'QueryRefused';
    }
}

/** The node broke the protocol. Its job pays nothing more. `receipt`: what was refused, which may be evidence. */
export class WorkerBreach extends ClientError {
    constructor(
        message: string,
        readonly receipt?: Buffer,
    ) {
        super('breach', message, 'Nothing more is signed for this job: call settle(), which leaves it.');
        this.name = 'WorkerBreach';
    }
}
