/** Errors of the gateway's API: an HTTP status, OpenAI's shape, and a message that says what to do. */

interface ErrorDetails {
    param?: string;
    retryAfter?: number; // seconds
    billed?: boolean;
    metadata?: Record<string, string>;
}

/** An error in OpenAI's shape. The message names the remedy and never contains a prompt or an answer. */
export class GatewayError extends Error {
    readonly type: string;
    readonly param: string | null;
    readonly retryAfter: number | undefined; // seconds
    readonly billed: boolean; // an SDK that asks again by itself would pay twice
    readonly metadata: Record<string, string> | undefined; // what the message says, for programs

    constructor(
        readonly status: number,
        readonly code: string,
        message: string,
        { param, retryAfter, billed = false, metadata }: ErrorDetails = {},
    ) {
        super(message);
        this.name = 'GatewayError';
        this.type = status === 402 ? 'insufficient_funds' : status < 500 ? 'invalid_request_error' : 'server_error';
        this.param = param ?? null;
        this.retryAfter = retryAfter ?? (ASK_AGAIN.includes(status) ? RETRY_SECONDS : undefined);
        this.billed = billed;
        this.metadata = metadata;
    }

    toBody() {
        const { message, type, param, code, metadata } = this;
        return { error: { message, type, param, code, ...(metadata && { metadata }) } };
    }

    /** Headers that tell an SDK whether and when to ask again. */
    toHeaders(): Record<string, string> {
        return {
            ...(this.retryAfter === undefined ? {} : { 'retry-after': String(this.retryAfter) }),
            ...(this.billed ? { 'x-should-retry': 'false' } : {}),
            ...(this.status === 401 ? { 'www-authenticate': 'Bearer' } : {}),
        };
    }
}

const RETRY_SECONDS = 5;
const ASK_AGAIN = [429, 503, 504];

/** The request itself is wrong; sending it again changes nothing. */
export function badRequest(message: string, param?: string, code = 'invalid_request'): GatewayError {
    return new GatewayError(400, code, message, { param });
}

/** There is no money for it, and why. 402, because SDKs ask again after 429 and not after 402. */
export function noMoney(message: string): GatewayError {
    return new GatewayError(402, 'insufficient_funds', message);
}

/** The gateway itself is full; SDKs ask again by themselves. */
export function tooMany(message: string): GatewayError {
    return new GatewayError(429, 'too_many_queries', message, { retryAfter: 1 });
}

/** No node can take it now. */
export function unavailable(message: string, code = 'no_node'): GatewayError {
    return new GatewayError(503, code, message);
}

/** The chain cannot be read. `progress`: what becomes of the request meanwhile. */
export function chainDown(progress = 'ask again'): GatewayError {
    const remedy = 'If it stays so, look at "endpoint" in the configuration';
    return unavailable(`The TON API does not answer as it should: ${progress}. ${remedy}`, 'chain');
}

/** The client closed the connection. */
export class ClientGone extends Error {}
