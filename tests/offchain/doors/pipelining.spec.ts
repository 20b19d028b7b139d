/** Several requests on one connection before the first of them is answered. */
import type { FastifyInstance } from 'fastify';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { createDoor, type DoorLimits } from '../../../offchain/process/doors';
import { until } from '../support/until';

let door: FastifyInstance;
let socket: Socket;
let received: string;
let asked: string[];
let release: () => void;

const get = (path: string) => `GET ${path} HTTP/1.1\r\nhost: door\r\n\r\n`;

async function start(limits?: DoorLimits): Promise<void> {
    door = createDoor({}, limits);
    asked = [];
    received = '';
    const released = new Promise<void>((resolve) => (release = resolve));
    door.get('/slow', async ({ url }) => {
        asked.push(url);
        await released;
        return 'first';
    });
    door.get('/quick', async ({ url }) => {
        asked.push(url);
        return 'second';
    });
    const { port } = new URL(await door.listen({ port: 0, host: '127.0.0.1' }));
    socket = connect(Number(port), '127.0.0.1').on('error', () => undefined);
    socket.on('data', (bytes) => (received += bytes.toString('latin1')));
    await once(socket, 'connect');
    socket.write(get('/slow'));
    await until(() => asked.length === 1);
}

async function stop(): Promise<void> {
    release();
    socket.destroy();
    await door.close();
}

beforeEach(() => start());
afterEach(stop);

describe('A connection with a request under way', () => {
    it('has the next one answered after it, and not begun before', async () => {
        const read = once(door.server, 'request');
        socket.write(get('/quick'));
        await read;
        expect(asked).toEqual(['/slow']);

        release();
        await until(() => received.includes('second'));
        expect(received.indexOf('first')).toBeLessThan(received.indexOf('second'));
        expect(asked).toEqual(['/slow', '/quick']);
    });

    it('never begins the next one when it ends before', async () => {
        const read = once(door.server, 'request') as Promise<[{ socket: Socket }]>;
        socket.write(get('/quick'));
        const [{ socket: other }] = await read;
        const closed = once(other, 'close');
        socket.destroy();
        await closed;
        release();
        await new Promise((resolve) => setImmediate(resolve));
        expect(asked).toEqual(['/slow']);
    });

    it('is closed when the next one waits long, for what came of its body fills memory meanwhile', async () => {
        await stop();
        await start({ connections: 8, bodyBytes: 1000, pipelinedMs: 1 });
        const closed = once(socket, 'close');
        socket.write(get('/quick'));
        await closed;
        expect(received).toBe('');
        expect(asked).toEqual(['/slow']);
    });

    it('is closed when it brings two more', async () => {
        const closed = once(socket, 'close');
        socket.write(get('/quick') + get('/quick'));
        await closed;
        expect(received).toBe('');
        expect(asked).toEqual(['/slow']);
    });

    it('is closed without a look at the rest of a packet of many more', async () => {
        const read = jest.fn();
        door.server.on('request', read);
        const closed = once(socket, 'close');
        socket.write(get('/quick').repeat(1000));
        await closed;
        expect(read).toHaveBeenCalledTimes(2);
        expect(asked).toEqual(['/slow']);
    });

    it.each([
        ['whose path cannot be decoded', get('/%zz')],
        ['that name no host', 'GET /quick HTTP/1.1\r\n\r\n'],
        ['that expect what no server does', 'GET /quick HTTP/1.1\r\nhost: door\r\nexpect: all\r\n\r\n'],
    ])('is closed when it brings two more %s', async (_, request) => {
        const closed = once(socket, 'close');
        socket.write(request + request);
        await closed;
        expect(received).toBe('');
        expect(asked).toEqual(['/slow']);
    });
});

describe('A request of HTTP/1.1', () => {
    it.each([
        ['names no host', 'GET /quick HTTP/1.1\r\n\r\n', 400],
        ['expects what no server does', 'GET /quick HTTP/1.1\r\nhost: door\r\nexpect: all\r\n\r\n', 417],
    ])('that %s is refused after the one before it, and ends its connection', async (_, request, status) => {
        const closed = once(socket, 'close');
        socket.write(request);
        release();
        await closed;
        expect(received).toContain('first');
        expect(received.slice(received.indexOf('first'))).toContain(`HTTP/1.1 ${status} `);
        expect(asked).toEqual(['/slow']);
    });
});
