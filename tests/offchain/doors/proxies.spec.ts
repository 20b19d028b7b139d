/** A door behind a reverse proxy: who is listed, and who the client is. */
import type { FastifyInstance } from 'fastify';
import dns from 'node:dns';
import { once } from 'node:events';
import { connect, isIP, Socket } from 'node:net';
import { createDoor, listenAt } from '../../../offchain/process/doors';
import { placeOfAddress, Proxies, proxies } from '../../../offchain/process/proxies';

const LISTED = ['127.0.0.0/8'];
const LIMITS = { connections: 8, bodyBytes: 400_000 }; // the share of one address is half of each

let door: FastifyInstance;
let port: number;
let release: () => void;
const sockets: Socket[] = [];

async function open(listed: string[]): Promise<void> {
    door = createDoor({ proxies: listed }, LIMITS);
    const released = new Promise<void>((resolve) => (release = resolve));
    door.get('/slow', () => released.then(() => 'ok'));
    door.post('/', { bodyLimit: 1 << 20 }, () => 'ok');
    port = Number(new URL(await door.listen({ port: 0, host: '127.0.0.1' })).port);
}

afterEach(async () => {
    release();
    sockets.splice(0).forEach((socket) => socket.destroy());
    await door.close();
});

async function connection(text = ''): Promise<Socket> {
    const socket = connect(port, '127.0.0.1').on('error', () => undefined);
    sockets.push(socket);
    await once(socket, 'connect');
    socket.write(text);
    return socket;
}

const slow = (client: string) => connection(`GET /slow HTTP/1.1\r\nhost: door\r\nx-forwarded-for: ${client}\r\n\r\n`);
const large = (client: string) =>
    connection(
        `POST / HTTP/1.1\r\nhost: door\r\nx-forwarded-for: ${client}\r\ncontent-type: application/json\r\ncontent-length: 150000\r\n\r\n`,
    );

/** The status that the door answers with; undefined if it waits for more. */
async function statusOn(socket: Socket): Promise<number | undefined> {
    const answer = once(socket, 'data') as Promise<[Buffer]>;
    const [bytes] = await Promise.race([answer, new Promise<[]>((resolve) => setTimeout(resolve, 200, []))]);
    return bytes && Number(/^HTTP\/1\.1 (\d+)/.exec(bytes.toString('latin1'))?.[1]);
}

describe('Connections of one address', () => {
    it.each([
        { who: 'a stranger', listed: [], accepted: 4 },
        { who: 'a listed proxy', listed: LISTED, accepted: 8 },
    ])('are $accepted of 8 for $who', async ({ listed, accepted }) => {
        await open(listed);
        const all = await Promise.all(Array.from({ length: 9 }, () => connection()));
        await Promise.all(all.slice(accepted).map(async (socket) => socket.closed || once(socket, 'close')));
        expect(all.filter(({ closed }) => closed)).toHaveLength(9 - accepted);
    });
});

describe('Behind a listed proxy', () => {
    it('one client has half of the requests at once, and another its own', async () => {
        await open(LISTED);
        const four = await Promise.all(Array.from({ length: 4 }, () => slow('198.51.100.1')));
        expect(await statusOn(await slow('203.0.113.9, 198.51.100.1'))).toBe(503); // what comes first is a claim
        const other = await slow('198.51.100.2');
        release();
        expect(await Promise.all([...four, other].map(statusOn))).toEqual([200, 200, 200, 200, 200]);
    });

    it('one client has half of the requests at once, however many addresses its line has', async () => {
        await open(LISTED);
        const four = await Promise.all([1, 2, 3, 4].map((last) => slow(`2001:db8:7:8:${last}::1`)));
        expect(await statusOn(await slow('2001:DB8:0007:8::5'))).toBe(503);
        const other = await slow('2001:db8:7:9::1');
        release();
        expect(await Promise.all([...four, other].map(statusOn))).toEqual([200, 200, 200, 200, 200]);
    });

    it('large bodies count for the client that the proxy names', async () => {
        await open(LISTED);
        await large('198.51.100.1');
        expect(await statusOn(await large('198.51.100.1'))).toBe(503);
        expect(await statusOn(await large('198.51.100.2'))).toBeUndefined();
    });
});

describe('From any other address', () => {
    it('the header changes nothing', async () => {
        await open(['10.0.0.1']);
        await large('198.51.100.1');
        expect(await statusOn(await large('198.51.100.2'))).toBe(503);
    });
});

describe('The client of a request', () => {
    const listed = new Proxies(['10.0.0.0/8', '2001:db8::1']);

    it.each([
        { from: '10.1.2.3', header: '198.51.100.1', client: '198.51.100.1' },
        { from: '::ffff:10.1.2.3', header: '198.51.100.1', client: '198.51.100.1' },
        { from: '2001:db8::1', header: '2001:db8::2', client: '2001:db8::2' },
        { from: '10.1.2.3', header: '203.0.113.9, 198.51.100.1, 10.9.9.9', client: '198.51.100.1' },
        { from: '10.1.2.3', header: '198.51.100.1:4711', client: '10.1.2.3' },
        { from: '10.1.2.3', header: undefined, client: '10.1.2.3' },
        { from: '11.1.2.3', header: '198.51.100.1', client: '11.1.2.3' },
    ])('from $from with $header is $client', ({ from, header, client }) => {
        const headers = header === undefined ? {} : { 'x-forwarded-for': header };
        expect(listed.clientOf({ socket: { remoteAddress: from }, headers })).toBe(client);
    });
});

describe('What a client is counted by', () => {
    it.each([
        ['198.51.100.1', '198.51.100.1'],
        ['::ffff:198.51.100.1', '198.51.100.1'],
        ['2001:db8:7:8:9:a:b:c', '2001:db8:7:8'],
        ['2001:DB8::1', '2001:db8:0:0'],
        ['2001:db8:0:1::198.51.100.1', '2001:db8:0:1'],
        ['fe80::1%eth0', 'fe80:0:0:0'],
        ['::1', '0:0:0:0'],
        ['::', '0:0:0:0'],
        ['', ''],
    ])('of %s is %s', (address, place) => {
        expect(placeOfAddress(address)).toBe(place);
    });
});

describe('The setting', () => {
    it.each(['10.0.0.0/33', '10.0.0.0/', 'example.org', '10.0.0.0/8/8', '::1/129'])('refuses %s', (text) => {
        expect(proxies.safeParse([text]).success).toBe(false);
    });

    it.each(['127.0.0.1', '10.0.0.0/8', '::1', 'fd00::/8'])('takes %s', (text) => {
        expect(proxies.safeParse([text]).success).toBe(true);
    });
});

describe('A door at localhost', () => {
    it('is reached at 127.0.0.1, also where the machine names another address of it first', async () => {
        type Found = (error: null, found: string | { address: string; family: number }[], family?: number) => void;
        // Some versions of Node.js ask for one address of a host, others for all.
        const lookup = (host: string, ...rest: [Found] | [{ all?: boolean }, Found]) => {
            const address = host === 'localhost' ? '::1' : host;
            const family = isIP(address);
            const found = rest.at(-1) as Found;
            return rest.length > 1 ? found(null, [{ address, family }]) : found(null, address, family);
        };
        jest.spyOn(dns, 'lookup').mockImplementation(lookup as never);
        door = createDoor();
        release = () => undefined;
        const url = await listenAt(door, { host: 'localhost', port: 0 }).finally(() => jest.restoreAllMocks());
        expect(new URL(url).hostname).toBe('127.0.0.1');
        port = Number(new URL(url).port);
        await connection();
    });
});
