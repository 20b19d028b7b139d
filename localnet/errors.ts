/** Failures that the HTTP API reports, worded as toncenter words them. */
import { type Address } from '@ton/core';

/** A failure with the HTTP status that it is answered with. */
export class ApiError extends Error {
    constructor(
        readonly status: number,
        message: string,
    ) {
        super(message);
    }
}

/** The lite server's own failures; toncenter passes them on with status 500. */
export function liteServerError(message: string): ApiError {
    return new ApiError(500, `LITE_SERVER_UNKNOWN: ${message}`);
}

/** What is known of an external message that was not accepted; `exitCode` is missing if no phase was reached. */
export interface Rejection {
    exitCode?: number;
    vmLogs?: string;
    blockchainLogs?: string;
}

const NOT_APPLIED = 'cannot apply external message to current state';
const LOG_TAIL = 256;

/** An external message that cannot be read. */
export function unreadableMessage(reason: string): ApiError {
    return liteServerError(`${NOT_APPLIED} : failed to parse external message ${reason}`);
}

/** An external message to an account that never existed. */
export function noSuchAccount(): ApiError {
    return liteServerError(`${NOT_APPLIED} : Failed to unpack account state`);
}

/** An external message that its account refused. */
export function refusedMessage(account: Address, refusal: Rejection): ApiError {
    const hash = account.hash.toString('hex').toUpperCase();
    const text = `${NOT_APPLIED} : External message was not accepted: cannot run message on account: `;
    if (refusal.exitCode === undefined) {
        return liteServerError(
            `${text}inbound external message rejected by account ${hash} before smart-contract execution`,
        );
    }
    const steps = /steps: (\d+) gas/.exec(refusal.blockchainLogs ?? '')?.[1] ?? '0';
    const log = refusal.vmLogs ? `\nVM Log (truncated):\n...${refusal.vmLogs.slice(-LOG_TAIL)}` : '';
    return liteServerError(
        `${text}inbound external message rejected by transaction ${hash}:\n` +
            `exitcode=${refusal.exitCode}, steps=${steps}, gas_used=0${log}`,
    );
}
