/**
 * Whose fault it is that a model server did not answer. Its words are read here and go no further: they may repeat the
 * prompt.
 */
// cspell:ignore badrequest bcuda unauthori
import { Reason } from '@cocoon-market/wrappers';

// Asked in this order: a server that refuses a key or lacks a model often says so with status 400.
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

/** The reason that a status and the body of an error tell; `status` undefined: an error in a stream that names none. */
export function reasonOf(status: number | undefined, body: unknown): Reason {
    switch (status) {
        case undefined:
        case 400:
        case 413:
        case 422:
            return reasonOfWords(body);
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

// A request is only at fault when a body says so: a proxy's page, or no body, says nothing of the request.
function reasonOfWords(body: unknown): Reason {
    const words = wordsOf(body).toLowerCase();
    return WORDS.find(([pattern]) => pattern.test(words))?.[1] ?? Reason.BackendDown;
}

const MAX_TEXT = 4096; // characters of each text

/** The texts in which servers name an error: `error` as text or object, its fields beside, or FastAPI's `detail`. */
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
