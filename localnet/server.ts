/**
 * The HTTP face: the JSON-RPC endpoint, the same methods by their paths, and a health check, on the loopback interface
 * only. Any page may call it, because its coins are worth nothing.
 */
import fastify, { type FastifyError, type FastifyInstance, type FastifyReply } from 'fastify';
import { z } from 'zod';
import { RPC_PATH } from './client';
import { ApiError } from './errors';
import { type Disturbances } from './disturbances';
import { type LocalLedger } from './ledger';
import { methods } from './methods';

const call = z.object({
    id: z.union([z.string(), z.number()]).nullish(),
    jsonrpc: z.literal('2.0').optional(),
    method: z.string(),
    params: z.record(z.string(), z.unknown()).default({}),
});

const API = RPC_PATH.slice(0, RPC_PATH.lastIndexOf('/') + 1);

/** What changes nothing, and so may be asked by GET. */
const isReading = (name: string) => name !== 'sendBoc' && !name.startsWith('localnet_');

/** Other APIs that TON clients speak, by how their paths begin. */
const OTHER_APIS: [RegExp, string][] = [
    [/^\/api\/v3\b/, "toncenter's API v3"],
    [/^\/(block|account|send|config)\b/, 'the API of TonClient4'],
    [/^\/v2\//, 'tonapi'],
];

function absence(method: string, url: string): string {
    const other = OTHER_APIS.find(([path]) => path.test(url))?.[1];
    const here = `this is the TON HTTP API v2, with methods at POST ${RPC_PATH} and GET ${API}METHOD`;
    return other === undefined
        ? `Not found: ${method} ${url}; ${here}`
        : `There is no ${other} here (${method} ${url}): ${here}. Use TonClient of @ton/ton with this endpoint`;
}

/** Parameters of a query string, numbers as numbers. Hashes and addresses have other signs than digits. */
function parametersOf(query: unknown): Record<string, unknown> {
    const entries = Object.entries(query as Record<string, string>);
    return Object.fromEntries(
        entries.map(([name, value]) => {
            const isNumber = /^-?\d{1,15}$/.test(value) && !['lt', 'to_lt', 'created_lt'].includes(name);
            return [name, isNumber ? Number(value) : value];
        }),
    );
}

/** Builds the server over a ledger; the caller listens. */
export function createServer(ledger: LocalLedger, disturbances: Disturbances): FastifyInstance {
    const app = fastify({ forceCloseConnections: true });

    app.setReplySerializer((payload) =>
        JSON.stringify(payload, (_, value: unknown) => (typeof value === 'bigint' ? value.toString() : value)),
    );
    app.setErrorHandler<FastifyError>((error, _, reply) => {
        reply.code(error.statusCode ?? 500).send(failure(error.statusCode ?? 500, error.message));
    });
    app.setNotFoundHandler((request, reply) => {
        reply.code(404).send(failure(404, absence(request.method, request.url)));
    });
    app.addHook('onRequest', async (request, reply) => {
        reply.header('access-control-allow-origin', '*').header('access-control-expose-headers', 'retry-after');
        if (request.method === 'OPTIONS') {
            const requested = request.headers['access-control-request-headers'] ?? 'content-type';
            return reply
                .code(204)
                .header('access-control-allow-methods', 'GET, POST')
                .header('access-control-allow-headers', requested)
                .header('access-control-max-age', '86400')
                .send();
        }
        return undefined;
    });

    app.get('/healthz', () => ({ ok: true, seqno: ledger.height, now: ledger.clock.now() }));

    app.post(RPC_PATH, async (request, reply) => {
        const read = call.safeParse(request.body);
        if (!read.success) {
            return reply.code(422).send(failure(422, `Not a JSON-RPC call: ${z.prettifyError(read.error)}`));
        }
        const { id, method: name, params } = read.data;
        return answer(reply, name, params, { jsonrpc: '2.0', id });
    });

    app.get(RPC_PATH, (_, reply) =>
        reply.code(405).send(failure(405, `POST a JSON-RPC call to ${RPC_PATH}, or GET ${API}METHOD?…`)),
    );
    app.get<{ Params: { method: string } }>(`${API}:method`, (request, reply) => {
        const { method } = request.params;
        return isReading(method) || !methods.has(method)
            ? answer(reply, method, parametersOf(request.query), {})
            : reply.code(405).send(failure(405, `${method} changes the network: POST it`));
    });
    app.post<{ Params: { method: string } }>(`${API}:method`, (request, reply) =>
        answer(reply, request.params.method, request.body ?? {}, {}),
    );

    return app;

    async function answer(reply: FastifyReply, name: string, params: unknown, envelope: object) {
        const refused = disturbances.admit(name);
        if (refused !== undefined) {
            return reply
                .code(429)
                .header('retry-after', refused)
                .send({ ...failure(429, 'Ratelimit exceed'), ...envelope });
        }
        const disturbance = disturbances.next(name);
        if (disturbance?.kind === 'down') {
            return reply.code(disturbance.status).send('<html>no server answers</html>');
        }
        try {
            const method = methods.get(name);
            if (!method) {
                throw new ApiError(422, `Unknown method ${name}; known are ${[...methods.keys()].join(', ')}`);
            }
            if (disturbance?.kind === 'late') {
                disturbances.later(async () => method(params, ledger, disturbances), disturbance.afterMs);
                return reply.code(disturbance.status).send('<html>the answer took too long</html>');
            }
            if (disturbance?.kind === 'hang') {
                await disturbances.hang();
            }
            return { ok: true, result: await method(params, ledger, disturbances), ...envelope };
        } catch (error) {
            const status = error instanceof ApiError ? error.status : 500;
            return reply.code(status).send({ ...failure(status, (error as Error).message), ...envelope });
        }
    }
}

function failure(code: number, error: string) {
    return { ok: false, error, code };
}
