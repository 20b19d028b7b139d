/**
 * Pages in browsers may ask a worker, from any origin. A worker knows no cookies and no addresses: what may be done
 * with a job is decided by the signatures of its voucher key, wherever they come from.
 */
import type { FastifyInstance } from 'fastify';

const MAX_AGE = 86_400; // seconds that a browser remembers a preflight

/** Answers preflights, and marks answers for pages. A page reads no other paths than those for clients. */
export function addCors(server: FastifyInstance): void {
    server.addHook('onRequest', async (request, reply) => {
        const { origin, 'access-control-request-method': method } = request.headers;
        if (origin === undefined || !request.url.startsWith('/v1/')) {
            return undefined;
        }
        // On the response itself, because the stream of an answer is written past fastify.
        reply.raw.setHeader('access-control-allow-origin', '*');
        reply.raw.setHeader('access-control-expose-headers', 'retry-after');
        if (request.method !== 'OPTIONS' || method === undefined) {
            return undefined;
        }
        return reply
            .code(204)
            .headers({
                'access-control-allow-methods': 'GET, POST',
                'access-control-allow-headers': 'content-type',
                'access-control-max-age': String(MAX_AGE),
            })
            .send();
    });
}
