/** The errors of a call to a worker: it refused, did not answer, or answered with what is not ours. */
import type { RefusalCode, Session } from '../link';

/** The worker refused without a signature: nothing is owed. */
export class WorkerRefusal extends Error {
    /** Of a query: the session that it was sealed in. */
    session: Session | undefined;
    /** Of `taking_over`: true if that lasts longer than a takeover. */
    isOverdue = false;

    constructor(
        readonly code: RefusalCode | 'unknown',
        readonly status: number,
        readonly explanation: string, // the worker's own, for the log only
        readonly retryAfter?: number, // seconds
        readonly url?: string, // of the process that has the job
    ) {
        super(`the worker refused: ${code}`);
        this.name = 'WorkerRefusal';
    }
}

/** The worker did not answer, or not as the protocol says. */
export class WorkerDown extends Error {
    /** True if the worker cannot have read the request. */
    readonly unsent: boolean;

    constructor(message: string, cause?: unknown) {
        super(message, { cause });
        this.name = 'WorkerDown';
        this.unsent = UNSENT.includes(codeOf(cause));
    }
}

/** The worker has a voucher that the key of the job did not sign. */
export class ForeignVoucher extends Error {
    constructor() {
        super('The worker has a voucher that the key of its job did not sign');
        this.name = 'ForeignVoucher';
    }
}

const UNSENT = ['ECONNREFUSED', 'ENOTFOUND', 'EAI_AGAIN', 'UND_ERR_CONNECT_TIMEOUT'];

/** The code of an error of the network, such as ECONNREFUSED, or its name. */
export function codeOf(error: unknown): string {
    const { code, name } = (error ?? {}) as { code?: unknown; name?: unknown };
    return String(code ?? name);
}
