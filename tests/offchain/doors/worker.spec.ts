/** The worker's door and those who have no business there. */
import { Verifier } from '@cocoon-market/wrappers';
import { connect, Socket } from 'node:net';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import pino from 'pino';
import { request } from 'undici';
import { BytesInUse, NoRoom, Turns } from '../../../offchain/process/doors';
import { assertPlainJson, MAX_JSON_DEPTH } from '../../../offchain/process/json';
import { logOptions } from '../../../offchain/process/log';
import { TestClient } from '../support/client';
import { type Fixture, startFixture } from '../support/worker';

let fixture: Fixture;

beforeAll(async () => {
    fixture = await startFixture();
});

afterAll(() => fixture.stop());

async function posted(path: string, body: string | Buffer, type = 'application/json') {
    const from = performance.now();
    const response = await request(fixture.worker.url + path, {
        method: 'POST',
        headers: { 'content-type': type },
        body,
    });
    const answer = (await response.body.json()) as { error: { code: string; message: string } };
    return { status: response.statusCode, ...answer.error, ms: performance.now() - from };
}

/** A connection that has sent these bytes. */
async function opened(text: string, bytes = Buffer.alloc(0)): Promise<Socket> {
    const { hostname, port } = new URL(fixture.worker.url);
    const socket = connect(Number(port), hostname);
    socket.on('error', () => undefined);
    await once(socket, 'connect');
    socket.write(Buffer.concat([Buffer.from(text), bytes]));
    return socket;
}

/** The status of what the server answers on this connection. */
async function statusOn(socket: Socket): Promise<number> {
    const [first] = (await once(socket, 'data')) as [Buffer];
    return Number(/^HTTP\/1\.1 (\d+)/.exec(first.toString('latin1'))?.[1]);
}

const head = (path: string, length: number, type: string) =>
    `POST ${path} HTTP/1.1\r\nhost: worker\r\ncontent-type: ${type}\r\ncontent-length: ${length}\r\n\r\n`;

describe("A worker's door", () => {
    it.each([
        ['/v1/jobs', 16 << 10],
        ['/v1/vouchers', 4 << 10],
        [`/v1/jobs/${'00'.repeat(32)}/end`, 4 << 10],
    ])('takes no body at %s that is larger than its largest request', async (path, max) => {
        const text = (length: number) => `"${'x'.repeat(length - 2)}"`;
        expect((await posted(path, text(max + 1))).status).toBe(413);
        expect((await posted(path, text(max))).status).not.toBe(413);
    });

    it('parses no head of a query that is longer than any', async () => {
        const head = Buffer.from('['.repeat(1 << 20));
        const length = Buffer.alloc(4);
        length.writeUInt32BE(head.length);
        const parse = jest.spyOn(JSON, 'parse');
        const { status } = await posted('/v1/query', Buffer.concat([length, head]), 'application/octet-stream');

        const longest = Math.max(0, ...parse.mock.calls.map(([text]) => text.length));
        parse.mockRestore();
        expect(status).toBe(400);
        expect(longest).toBeLessThan(1000);
    });

    it('reads no JSON where a sealed query is expected', async () => {
        const { status, code, message } = await posted('/v1/query', '['.repeat(1 << 20));
        expect({ status, code }).toEqual({ status: 400, code: 'bad_request' });
        expect(message).toContain('application/octet-stream');
    });

    it('refuses JSON that is deeper than any request, before it is parsed', async () => {
        const nested = (depth: number) => '['.repeat(depth) + ']'.repeat(depth);
        expect((await posted('/v1/jobs', nested(MAX_JSON_DEPTH + 1))).message).toContain('levels');
        expect((await posted('/v1/jobs', nested(MAX_JSON_DEPTH))).message).not.toContain('levels');
    });

    it('checks no two signatures of strangers that take milliseconds in one turn of the event loop', async () => {
        const client = new TestClient(fixture.worker.url, fixture.chain);
        await client.draft();
        await client.open();
        const smallOrder = Buffer.concat([Buffer.of(1), Buffer.alloc(62, 0), Buffer.of(1)]); // R is 1
        let [turn, isOver] = [0, false];
        const count = () => {
            turn++;
            if (!isOver) setImmediate(count);
        };
        const verify = jest.spyOn(Verifier.prototype, 'verify');
        const turns: number[] = [];
        verify.mockImplementation(() => {
            turns.push(turn);
            return false;
        });
        count();
        const answers = await Promise.all(
            Array.from({ length: 20 }, () => client.register({ signature: smallOrder })),
        ).finally(() => {
            isOver = true;
            verify.mockRestore();
        });

        expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([403]));
        expect(turns).toHaveLength(40); // for each code of channels
        expect(new Set(turns).size).toBe(40);
    });

    it('writes no line to its log for what it has no room for', async () => {
        const lines: string[] = [];
        const log = pino({ ...logOptions, level: 'warn' }, { write: (line: string) => void lines.push(line) });
        const small = await startFixture({}, { log });
        const take = jest.spyOn(BytesInUse.prototype, 'take').mockImplementation(() => {
            throw new NoRoom();
        });
        const client = await TestClient.withJob(small.worker.url, small.chain);
        const { status, refusal } = await client.ask(1, 'x'.repeat(100_000));
        take.mockRestore();
        await small.stop();

        expect({ status, code: refusal?.code }).toEqual({ status: 503, code: 'internal' });
        expect(lines).toEqual([]);
    });

    it('holds few large bodies of one stranger, and answers the next at once', async () => {
        const size = 2 << 20;
        const type = 'application/octet-stream';
        const held = await Promise.all(
            Array.from({ length: 16 }, () => opened(head('/v1/query', size, type), Buffer.alloc(1000))),
        );
        await sleep(200);

        const next = await opened(head('/v1/query', size, type));
        expect(await statusOn(next)).toBe(503);
        await once(next, 'close');
        held.forEach((socket) => socket.destroy());
        await sleep(200);

        const after = await opened(head('/v1/query', size, type), Buffer.alloc(size));
        expect(await statusOn(after)).toBe(400);
        after.destroy();
    });

    it('keeps half of its connections for others than one address', async () => {
        const sockets = await Promise.all(Array.from({ length: 512 }, () => opened('')));
        const more = await opened('');
        await once(more, 'close');
        sockets.forEach((socket) => socket.destroy());
        await sleep(200);
        expect((await request(`${fixture.worker.url}/v1/node`)).statusCode).toBe(200);
    });
});

describe('Depth of JSON', () => {
    it('counts no brackets inside texts, and not past an escaped quote', () => {
        expect(() => assertPlainJson(Buffer.from(JSON.stringify({ a: '['.repeat(1000) + '"[' })))).not.toThrow();
        expect(() => assertPlainJson(Buffer.from('"\\\\"' + '['.repeat(MAX_JSON_DEPTH + 1)))).toThrow('levels');
        expect(() => assertPlainJson(Buffer.from('[]'.repeat(1000)))).not.toThrow();
    });
});

describe('Turns', () => {
    it('are taken by so many at once, waited for by as many more, and refused to the rest', async () => {
        const turns = new Turns(1);
        const first = await turns.take();
        const second = turns.take();
        expect(await turns.take()).toBeUndefined();
        first!();
        first!(); // twice is once
        const end = await second;
        expect(end).toBeDefined();
        const third = turns.take();
        end!();
        expect(await third).toBeDefined();
    });

    it('leave half of them, and half of the places to wait, to others than one address', async () => {
        const turns = new Turns(4);
        const own = await Promise.all(['a', 'a'].map((from) => turns.take(from)));
        const waiting = [turns.take('a'), turns.take('a')];
        expect(await turns.take('a')).toBeUndefined();

        const others = await Promise.all(['b', 'c'].map((from) => turns.take(from)));
        expect(others).not.toContain(undefined);
        others[0]!();
        expect(await turns.take('d')).toBeDefined(); // those of the first address wait on
        own[0]!();
        expect(await waiting[0]).toBeDefined();
    });
});

describe('Bytes in use', () => {
    it('are at most so many of all, and half of them of one client, which may have one request in any case', () => {
        const bytes = new BytesInUse(10);
        const giveBack = bytes.take('a', 6);
        expect(() => bytes.take('a', 1)).toThrow(NoRoom);
        bytes.take('b', 4);
        expect(() => bytes.take('c', 1)).toThrow(NoRoom);

        giveBack();
        giveBack(); // twice is once
        bytes.take('a', 4);
        expect(() => bytes.take('c', 3)).toThrow(NoRoom);
    });
});
