/**
 * Which pages in browsers may ask this gateway. Off by default. A page of any origin may only with a key, because
 * without keys it would spend the client's money.
 */
import type { FastifyInstance } from 'fastify';
import type { GatewayConfig } from './config';
import type { People } from './people';

const MAX_AGE = 600; // seconds that a browser remembers a preflight
const METHODS = 'GET, POST, OPTIONS';
const EXPOSED = [
    ...['x-request-id', 'retry-after', 'x-should-retry', 'idempotent-replayed'],
    ...['x-cocoon-job', 'x-cocoon-query', 'x-cocoon-tier', 'x-cocoon-not-passed-on'],
].join(', ');
const HEADER_LIST = /^[a-z0-9-]+( *, *[a-z0-9-]+)*$/i;

/** Answers preflights and marks answers for the pages that the configuration allows. */
export function addCors(server: FastifyInstance, { cors }: GatewayConfig, { apiKeys }: People): void {
    if (cors.origins.length === 0 && !cors.anyOrigin) {
        return;
    }
    server.addHook('onRequest', async (request, reply) => {
        const { origin, 'access-control-request-method': method } = request.headers;
        if (!request.url.startsWith('/v1/') || origin === undefined) {
            return undefined;
        }
        reply.header('vary', 'Origin');
        if (!cors.origins.includes(origin) && !(cors.anyOrigin && apiKeys.areRequired)) {
            return undefined;
        }
        reply.header('access-control-allow-origin', origin).header('access-control-expose-headers', EXPOSED);
        if (request.method !== 'OPTIONS' || method === undefined) {
            return undefined;
        }
        const requested = request.headers['access-control-request-headers'] ?? '';
        const isLocal = request.headers['access-control-request-private-network'] === 'true';
        return reply
            .code(204)
            .headers({
                'access-control-allow-methods': METHODS,
                'access-control-max-age': String(MAX_AGE),
                ...(HEADER_LIST.test(requested) && { 'access-control-allow-headers': requested }),
                ...(isLocal && { 'access-control-allow-private-network': 'true' }),
            })
            .send();
    });
}
