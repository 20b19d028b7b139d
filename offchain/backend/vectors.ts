/** Reads the vectors of an answer with embeddings, and packs them as 32-bit numbers in base64. */
import type { Dispatcher } from 'undici';
import { requestLimits } from '../link';
import { wholeAnswer } from '../process/bytes';
import { eventLoop } from '../process/loopShare';
import { BackendError } from './backend';
import type { WireUsage } from './usage';

/** One vector. */
interface Vector {
    index: number;
    embedding: number[] | string; // packed already, if a text
}

const JSON_BYTES = 6; // of a number, for one of its bytes when it is packed: some 25 digits for 5
const PACKED_BYTES = 16 / 3; // of a number
const MAX_BRACKETS = 3 * requestLimits.inputs; // each takes ten times the memory of its byte
const BYTES_PER_UNIT = 4; // of JSON that is parsed, for a unit of work in the event loop

/**
 * The vectors in the answer of a server; undefined if they are more than `max` bytes when packed. `usage`: as far as
 * the server told it in what was read.
 *
 * @throws {BackendError} if there are none
 */
export async function readVectors(
    body: Dispatcher.ResponseData['body'],
    max: number,
): Promise<{ vectors?: { index: number; embedding: string }[]; usage?: WireUsage }> {
    const json = await wholeAnswer(body, JSON_BYTES * max).catch(() => Buffer.alloc(0));
    if (json === undefined) {
        return {};
    }
    await eventLoop.take(json.length / BYTES_PER_UNIT); // long ones one after the other
    const answer = parsed(json);
    const data = Array.isArray(answer?.data) ? (answer.data as Partial<Vector>[]) : [];
    if (data.length === 0 || !data.every(isVector)) {
        throw new BackendError('the server answered a request for embeddings without vectors: check its model');
    }
    const vectors = data as Vector[];
    const usage = answer?.usage && { usage: answer.usage };
    return vectors.reduce((sum, { embedding }) => sum + packedLength(embedding), 0) > max
        ? { ...usage }
        : { vectors: vectors.map(({ index, embedding }) => ({ index, embedding: packed(embedding) })), ...usage };
}

function parsed(json: Buffer): { data?: unknown; usage?: WireUsage } | undefined {
    let brackets = 0;
    for (const bracket of ['[', '{']) {
        for (let at = json.indexOf(bracket); at >= 0; at = json.indexOf(bracket, at + 1)) {
            if (++brackets > MAX_BRACKETS) {
                return undefined;
            }
        }
    }
    try {
        return JSON.parse(json.toString('utf8')) as { data?: unknown; usage?: WireUsage };
    } catch {
        return undefined;
    }
}

const isVector = (one: Partial<Vector> | null): boolean =>
    Number.isInteger(one?.index) &&
    (typeof one?.embedding === 'string' || (Array.isArray(one?.embedding) && one.embedding.every(Number.isFinite)));

const packedLength = (embedding: number[] | string): number =>
    typeof embedding === 'string' ? embedding.length : embedding.length * PACKED_BYTES;

const packed = (embedding: number[] | string): string =>
    typeof embedding === 'string' ? embedding : Buffer.from(Float32Array.from(embedding).buffer).toString('base64');
