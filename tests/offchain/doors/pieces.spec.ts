/** A stranger may send a body in pieces of one byte: each of them is a piece of its own for Node.js. */
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { WorkerClient } from '../../../offchain/gateway/workers';
import { createDoor } from '../../../offchain/process/doors';
import { usedBytes } from '../../support/memory';
import { until } from '../support/until';
import { startFixture } from '../support/worker';

const PIECES = 50_000; // of one byte
const UNREAD = 16_000; // fewer bytes than Node.js takes before somebody reads them
const MAX_USED = 4 << 20; // bytes; a Buffer for each piece takes three times as much
const STARTED = 'http.server.request.start';

const chunk = (text: string) => `${text.length.toString(16)}\r\n${text}\r\n`;

/** Sends such a body between two texts. Returns the bytes that all its pieces take, and the status of the answer. */
async function sendPieces(url: string, type: string, [start, end]: [string, string] = ['', '']) {
    let server: Socket | undefined;
    const noteServer = (message: unknown) => (server = (message as { socket: Socket }).socket);
    subscribe(STARTED, noteServer);
    const { hostname, port, pathname } = new URL(url);
    const socket = connect(Number(port), hostname);
    const head = `POST ${pathname} HTTP/1.1\r\nhost: door\r\ncontent-type: ${type}\r\ntransfer-encoding: chunked\r\n\r\n`;
    socket.write(head);
    await until(() => server !== undefined);
    unsubscribe(STARTED, noteServer);
    const before = usedBytes();
    socket.write((start === '' ? '' : chunk(start)) + chunk('x').repeat(PIECES));
    await until(() => server!.bytesRead === socket.bytesWritten);
    const used = usedBytes() - before;
    socket.write(`${end === '' ? '' : chunk(end)}0\r\n\r\n`);
    const [answer] = (await once(socket, 'data')) as [Buffer];
    socket.destroy();
    return { used, status: Number(/^HTTP\/1\.1 (\d+)/.exec(answer.toString('latin1'))?.[1]) };
}

describe('A body that comes in pieces of one byte', () => {
    it('takes any door about as much memory as it has bytes while nobody reads it', async () => {
        const door = createDoor();
        const asked: Socket[] = [];
        door.get('/', ({ socket }) => new Promise<never>(() => void asked.push(socket)));
        const { port } = new URL(await door.listen({ port: 0, host: '127.0.0.1' }));
        const sockets = Array.from({ length: 8 }, () => connect(Number(port), '127.0.0.1'));
        sockets.forEach((socket) => socket.write('GET / HTTP/1.1\r\nhost: door\r\ntransfer-encoding: chunked\r\n\r\n'));
        await until(() => asked.length === sockets.length);
        const before = usedBytes();
        sockets.forEach((socket) => socket.write(chunk('x').repeat(UNREAD)));
        const sum = (bytes: number[]) => bytes.reduce((one, other) => one + other);
        const sent = sum(sockets.map(({ bytesWritten }) => bytesWritten));
        await until(() => sum(asked.map(({ bytesRead }) => bytesRead)) === sent);
        const used = usedBytes() - before;
        sockets.forEach((socket) => socket.destroy());
        await door.close();

        expect(used).toBeLessThan(MAX_USED);
    });

    it('takes a worker about as much memory as it has bytes', async () => {
        const { worker, stop } = await startFixture();
        const { used, status } = await sendPieces(`${worker.url}/v1/query`, 'application/octet-stream');
        await stop();

        expect(used).toBeLessThan(MAX_USED);
        expect(status).toBe(400); // it is no query
    });

    it.each<[string, [string, string]]>([
        ['application/json', ['"', '"']],
        ['text/plain', ['', '']],
    ])('takes any door about as much memory as it has bytes, and is read whole: %s', async (type, ends) => {
        const door = createDoor();
        const bodies: unknown[] = [];
        door.post('/', { bodyLimit: 2 * PIECES }, async ({ body }) => (bodies.push(body), {}));
        const url = await door.listen({ port: 0, host: '127.0.0.1' });
        const { used, status } = await sendPieces(url, type, ends);
        await door.close();

        expect(used).toBeLessThan(MAX_USED);
        expect(status).toBe(200);
        expect(bodies).toEqual(['x'.repeat(PIECES)]);
    });
});

describe('A node that sends an answer in pieces of one byte', () => {
    it('takes a gateway little memory while the answer waits for an app that reads slowly', async () => {
        const head = 'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n' + chunk('begin');
        const node = createServer((socket) => {
            socket.once('data', () => socket.write(head)).on('error', () => undefined);
            senders.push(socket);
        }).listen(0, '127.0.0.1');
        const senders: Socket[] = [];
        const readers: Socket[] = [];
        const noteReader = (message: unknown) => readers.push((message as { socket: Socket }).socket);
        subscribe('undici:client:connected', noteReader);
        await once(node, 'listening');
        const client = new WorkerClient(`http://127.0.0.1:${(node.address() as AddressInfo).port}`);
        const query = { job: Buffer.alloc(32), boot: Buffer.alloc(16), number: 1 } as never;
        const ask = async () =>
            (await client.query(query, Buffer.alloc(1), new AbortController().signal))[Symbol.asyncIterator]();
        const answers = await Promise.all(Array.from({ length: 8 }, ask));
        await Promise.all(answers.map((answer) => answer.next()));
        unsubscribe('undici:client:connected', noteReader);

        const before = usedBytes();
        senders.forEach((socket) => socket.write(chunk('x').repeat(UNREAD)));
        const sum = (counts: number[]) => counts.reduce((one, other) => one + other);
        const sent = sum(senders.map(({ bytesWritten }) => bytesWritten));
        await until(() => sum(readers.map(({ bytesRead }) => bytesRead)) === sent);
        const used = usedBytes() - before;
        senders.forEach((socket) => socket.destroy());
        await client.close();
        node.close();

        expect(used).toBeLessThan(1.5 * MAX_USED);
    });
});
