/** The HTTP face: one JSON-RPC endpoint and a health check, on the loopback interface only. */
import fastify, { type FastifyError, type FastifyInstance } from 'fastify';
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
        reply
            .code(404)
            .send(failure(404, `Not found: ${request.method} ${request.url}; methods are at POST ${RPC_PATH}`));
    });

    app.get('/healthz', () => ({ ok: true, seqno: ledger.height, now: ledger.clock.now() }));

    app.post(RPC_PATH, async (request, reply) => {
        const read = call.safeParse(request.body);
        if (!read.success) {
            return reply.code(422).send(failure(422, `Not a JSON-RPC call: ${z.prettifyError(read.error)}`));
        }
        const { id, method: name, params } = read.data;
        const envelope = { jsonrpc: '2.0', id };
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
    });

    return app;
}

function failure(code: number, error: string) {
    return { ok: false, error, code };
}
