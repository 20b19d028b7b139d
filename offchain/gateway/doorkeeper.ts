/** Who may ask this gateway: a request to /v1 shows its API key once keys exist. */
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { Remedied } from '../process/errors';
import { isLoopback } from '../process/publicAddress';
import type { StoredApiKey } from '../store/people';
import { requireAllowed } from './apiKeys';
import type { GatewayConfig } from './config';
import type { Payer, People } from './people';

declare module 'fastify' {
    interface FastifyRequest {
        /** The key of a request to /v1; undefined while this gateway has no keys. */
        apiKey: StoredApiKey | undefined;
    }
}

/** Where programs of the same machine reach the gateway of these settings. */
export function ownUrl({ listen: { host, port, tls } }: GatewayConfig): string {
    const ownNames: Record<string, string> = { '0.0.0.0': '127.0.0.1', '::': '127.0.0.1', localhost: '127.0.0.1' };
    const name = ownNames[host] ?? (host.includes(':') ? `[${host}]` : host);
    return `http${tls === undefined ? '' : 's'}://${name}:${port}`;
}

/** Throws if a gateway would listen for other machines and nobody has a key. */
export function requireKeysBeyondLoopback({ listen: { host } }: GatewayConfig, { apiKeys }: People): void {
    if (!isLoopback(host) && !apiKeys.hasUsable) {
        throw new Remedied(
            `This gateway would listen at ${host}, where others could spend its money without a key: make one first ` +
                'with "cocoon keys create --name NAME", or set listen.host to 127.0.0.1',
        );
    }
}

/** Reads the key of every request to /v1. Answers 401 to a request that needs one and has none. */
export function addKeyCheck(server: FastifyInstance, { apiKeys }: People): void {
    server.decorateRequest('apiKey', undefined);
    server.addHook('onRequest', async (request) => {
        // The route, not the path: a path can be written in more than one way.
        if (request.routeOptions.url?.startsWith('/v1/') === true) {
            const { authorization, 'x-api-key': plain } = request.headers;
            // Anthropic's SDK sends its key in a header of its own.
            request.apiKey = apiKeys.authenticate(typeof plain === 'string' ? `Bearer ${plain}` : authorization);
        }
    });
}

/** Who pays a request for a model; undefined without keys. Throws 403 if the key may not use it. */
export function payerFor({ apiKey }: FastifyRequest, model: string, people: People): Payer | undefined {
    if (apiKey === undefined) {
        return undefined;
    }
    requireAllowed(apiKey, model);
    return people.payerOf(apiKey);
}
