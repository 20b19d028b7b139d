/** Reads bodies of a model server, which may be too long, or never end. */
import type { Dispatcher } from 'undici';
import { wholeAnswer } from '../process/bytes';
import { assertPlainJson } from '../process/json';

const ERROR_BYTES = 64 * 1024;
const ERROR_MS = 5_000;
const LARGE_EVENT = 64 * 1024; // characters; millions of values in one event would take seconds

/** The body of an error as JSON; undefined when it is not JSON, too long, or does not come in time. */
export async function errorBody(body: Dispatcher.ResponseData['body']): Promise<unknown> {
    const late = setTimeout(() => body.destroy(), ERROR_MS);
    try {
        return await readJson(body, ERROR_BYTES);
    } finally {
        clearTimeout(late);
    }
}

/** A body as JSON; undefined when it is not JSON, longer than `max` bytes, or breaks off. */
export async function readJson(body: Dispatcher.ResponseData['body'], max: number): Promise<unknown> {
    try {
        const bytes = await wholeAnswer(body, max);
        return bytes && (JSON.parse(bytes.toString('utf8')) as unknown);
    } catch {
        return undefined;
    }
}

/** The JSON of one event of a stream. Throws if it is none, or has more values than any answer. */
export function eventJson(data: string): unknown {
    if (data.length > LARGE_EVENT) {
        assertPlainJson(Buffer.from(data));
    }
    return JSON.parse(data) as unknown;
}
