/**
 * A plain proxy as a process: what a gateway made of the same server and client as ours costs before it does anything.
 * It reads a request as JSON, and passes the bytes of the answer on. Arguments: port, and the URL of what is behind it.
 */
import Fastify from 'fastify';
import { Pool } from 'undici';

const [port, upstream] = process.argv.slice(2);
const { origin, pathname } = new URL(upstream);
const prefix = pathname.replace(/\/+$/, '');
const pool = new Pool(origin);
const server = Fastify();

server.post('/v1/chat/completions', async (request, reply) => {
    const { statusCode, headers, body } = await pool.request({
        method: 'POST',
        path: `${prefix}/chat/completions`,
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(request.body),
    });
    reply.code(statusCode).header('content-type', headers['content-type']);
    return reply.send(body);
});

server.listen({ port: Number(port), host: '127.0.0.1' }).then(
    (url) => console.log(url),
    (error: unknown) => {
        console.error(error);
        process.exitCode = 1;
    },
);
