/**
 * Finds the reason for which a model server did not answer. The text of its error is read here only, because it may
 * repeat the prompt.
 */
// cspell:ignore badrequest bcuda unauthori
import { Reason } from '@cocoon-market/wrappers';

// In this order, because a server that refuses a key or lacks a model often answers with status 400.
const WORDS: [RegExp, Reason][] = [
    [/api.?key|authentic|unauthori[sz]ed|forbidden|permission|credential|billing|quota/, Reason.BackendDenied],
    [
        /model_not_found|model\b.{0,200}\b(not (found|exist|loaded|available)|does not exist)|no models? loaded/,
        Reason.BackendModel,
    ],
    [/rate.?limit|too many requests|overload|queue (is )?full|try again|out of memory|\bcuda\b/, Reason.BackendBusy],
    [
        /context.?(length|size|window)|exceed_context|maximum (input|context|model|total|prompt)|max_(new|total|input|model)|too (long|many tokens)|input.{0,40}(longer|exceed)|prompt.{0,40}(longer|exceed)/,
        Reason.ContextExceeded,
    ],
    [
        /invalid_request|badrequest|bad_request|bad request|validation|invalid_value|invalid_type|value_error|unsupported|unprocessable/,
        Reason.BackendRefused,
    ],
];

/** The reason in the status and the body of an error; `status` undefined: an error in a stream without one. */
export function reasonOf(status: number | undefined, body: unknown): Reason {
    switch (status) {
        case undefined:
            return reasonOfWords(wordsOf(body)) ?? Reason.BackendDown;
        case 400:
        case 413:
        case 422:
            return reasonOfRefusal(wordsOf(body));
        case 401:
        case 402:
        case 403:
        case 407:
            return Reason.BackendDenied;
        case 404:
        case 405:
        case 410:
            return Reason.BackendModel;
        case 408:
        case 504:
            return Reason.BackendSlow;
        case 429:
        case 529:
            return Reason.BackendBusy;
        default:
            return Reason.BackendDown;
    }
}

// The request is the cause when the body names an error: a proxy's page, or no body, says nothing about the request.
function reasonOfRefusal(words: string): Reason {
    return reasonOfWords(words) ?? (words === '' ? Reason.BackendDown : Reason.BackendRefused);
}

const reasonOfWords = (words: string): Reason | undefined =>
    WORDS.find(([pattern]) => pattern.test(words.toLowerCase()))?.[1];

const MAX_TEXT = 4096; // characters of each text

/**
 * The texts with which servers name an error: in `error` as text or object, in the body itself, or in FastAPI's
 * `detail`.
 */
function wordsOf(body: unknown): string {
    if (typeof body !== 'object' || body === null) {
        return '';
    }
    const { error, message, type, code, error_type, detail } = body as Record<string, unknown>;
    const inner = typeof error === 'object' && error !== null ? (error as Record<string, unknown>) : { message: error };
    const validation = Array.isArray(detail) ? ['validation'] : [detail];
    return [inner.type, inner.code, inner.message, type, code, error_type, message, ...validation]
        .filter((text) => typeof text === 'string')
        .map((text) => text.slice(0, MAX_TEXT))
        .join('\n');
}
