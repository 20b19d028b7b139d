/** Reads the body of a request in about as many bytes of memory as it has, whatever pieces it comes in. */
import { errorCodes, type FastifyRequest } from 'fastify';
import { IncomingMessage } from 'node:http';
import { GrowingBytes } from './bytes';

const JOINED = 4 << 10; // bytes of a body that are joined

/**
 * A request as Node.js reads it, whose reader gets small pieces of the body as one. Node.js keeps a Buffer for each
 * piece until somebody reads it, and nobody does while a GET is answered or a request waits for its turn.
 */
export class CompactRequest extends IncomingMessage {
    private joined = new GrowingBytes(JOINED);

    /** Takes a piece from the parser, or null at the end. */
    override push(piece: Buffer | null): boolean {
        if (piece !== null && this.joined.length + piece.length < JOINED) {
            this.joined.add(piece);
            return true;
        }
        const { all } = this.joined;
        if (all.length > 0) {
            this.joined = new GrowingBytes(JOINED);
            super.push(all);
        }
        return super.push(piece);
    }
}

/**
 * The whole body, up to the limit of its route. Each piece is copied as it comes. fastify keeps a Buffer for each until
 * the body is whole, which takes four hundred times as much if a stranger sends pieces of one byte.
 *
 * @throws an error with a `statusCode` below 500 if the body is too long, breaks off, or is not as long as it says
 */
export async function bodyOf(
    { headers, routeOptions }: Pick<FastifyRequest, 'headers' | 'routeOptions'>,
    payload: IncomingMessage,
): Promise<Buffer> {
    const max = routeOptions.bodyLimit;
    const length = headers['content-length'] === undefined ? undefined : Number(headers['content-length']);
    if (length !== undefined && length > max) {
        throw new errorCodes.FST_ERR_CTP_BODY_TOO_LARGE();
    }
    const bytes = new GrowingBytes(length);
    await new Promise<void>((resolve, reject) => {
        const stop = (error?: Error) => {
            payload.off('data', add).off('end', stop).off('error', fail);
            return error === undefined ? resolve() : reject(error);
        };
        const fail = (error: Error) => stop(Object.assign(error, { statusCode: 400 }));
        const add = (piece: Buffer) => {
            if (bytes.length + piece.length > max) {
                stop(new errorCodes.FST_ERR_CTP_BODY_TOO_LARGE());
            } else {
                bytes.add(piece);
            }
        };
        payload.on('data', add).on('end', stop).on('error', fail);
    });
    if (length !== undefined && length !== bytes.length) {
        throw new errorCodes.FST_ERR_CTP_INVALID_CONTENT_LENGTH();
    }
    return bytes.all;
}
