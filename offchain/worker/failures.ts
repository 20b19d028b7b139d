/**
 * What the failure of a query says about its backend. A client decides what a request holds, so it can bring about
 * errors that name the request, and no such error may take a backend from other clients.
 */
import { Reason } from '@cocoon-market/wrappers';
import { BackendError } from '../backend';

/** Reasons that lie with a server. Some are read from words of an error, which may repeat the request. */
const OF_SERVER: readonly Reason[] = [
    Reason.BackendDown,
    Reason.BackendBusy,
    Reason.BackendDenied,
    Reason.BackendModel,
    Reason.BackendSlow,
];
const BUSY: readonly number[] = [429, 503];
const MISCONFIGURED: readonly number[] = [401, 403, 404];

/** True if the failure counts against the backend. Too much to do is no failure. */
export function isOfServer(error: unknown): boolean {
    if (!(error instanceof BackendError)) {
        return true;
    }
    const { reason, status = 500 } = error;
    const isOfRequest = status >= 400 && status < 500 && !MISCONFIGURED.includes(status);
    return OF_SERVER.includes(reason) && reason !== Reason.BackendBusy && !isOfRequest;
}

/** True if the request may be tried at another backend: no server has answered it with an error of its own. */
export function mayGoElsewhere(error: unknown): boolean {
    if (!(error instanceof BackendError)) {
        return true;
    }
    const { reason, status } = error;
    const isAnswered = status !== undefined && ![...BUSY, ...MISCONFIGURED].includes(status);
    return OF_SERVER.includes(reason) && !isAnswered;
}
