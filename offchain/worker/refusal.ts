import type { RefusalCode } from '../link';

const STATUS: Record<RefusalCode, number> = {
    bad_request: 400,
    bad_signature: 403,
    unknown_job: 404,
    unknown_session: 404,
    used_number: 409,
    running: 409,
    wrong_terms: 422,
    wrong_channel: 422,
    leaving: 409,
    bad_voucher: 422,
    not_sealed: 400,
    too_large: 413,
    declined: 429,
    chain_down: 503,
    paused: 503,
    no_storage: 507,
    other_process: 421,
    taking_over: 503,
    shutting_down: 503,
    internal: 500,
};

/** A refusal without a signature: nothing is owed and no number is used. */
export class Refused extends Error {
    readonly status: number;
    readonly url: string | undefined; // of the process that has the job

    constructor(
        readonly code: RefusalCode,
        message: string,
        { status, url }: { status?: number; url?: string | undefined } = {},
    ) {
        super(message);
        this.name = 'Refused';
        this.status = status ?? STATUS[code];
        this.url = url;
    }
}
