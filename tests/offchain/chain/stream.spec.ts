import { Address } from '@ton/core';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { ChainStream } from '../../../offchain/chain';
import { until } from '../support/until';
import { startFixture } from '../support/worker';

const ACCOUNT = new Address(0, Buffer.alloc(32, 7));
const EVENT = `data: {"type":"account_state_change","finality":"finalized","account":"${ACCOUNT.toRawString()}"}\n\n`;

let server: Server;
let url: string;
let subscribers: { response: ServerResponse; headers: IncomingMessage['headers']; body: unknown }[];
let status = 200;
let stream: ChainStream;
let wakes: number;
let troubles: string[];

beforeEach(async () => {
    [subscribers, wakes, troubles, status] = [[], 0, [], 200];
    server = createServer(async (request, response) => {
        let text = '';
        for await (const chunk of request) text += String(chunk);
        response.writeHead(status).flushHeaders();
        if (status === 200) {
            subscribers.push({ response, headers: request.headers, body: JSON.parse(text) });
            response.write('data: {"status":"subscribed"}\n\n');
        } else {
            response.end();
        }
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/api/streaming/v2/sse`;
});

afterEach(async () => {
    await stream.stop();
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
});

function start(wakeMs = 0): void {
    const wake = () => void wakes++;
    const note = (error: Error) => void troubles.push(error.message);
    stream = new ChainStream({ url, apiKey: 'secret' }, [ACCOUNT], wake, note, [20], wakeMs);
    stream.start();
}

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

describe('A stream of the chain', () => {
    it('has a worker look for cases at once, which it would else do after its interval', async () => {
        stream = new ChainStream(
            { url },
            [],
            () => undefined,
            () => undefined,
        ); // never started
        const times = { freshSeconds: 0, staleSeconds: 0, pollSeconds: 0.01, confirmSeconds: 0 };
        const cases = { seconds: 1000 };
        const fixture = await startFixture({ cases, chain: { ...times, stream: { url } } });
        const read = jest.spyOn(fixture.chain, 'emitted');
        try {
            await until(() => subscribers.length === 1);
            await until(() => read.mock.calls.length > 0); // at the start of the stream
            read.mockClear();
            subscribers[0].response.write(EVENT);
            await until(() => read.mock.calls.length > 0);
        } finally {
            await fixture.stop();
        }
    });

    it('asks for changes of its accounts that are final, and wakes at its start and for each', async () => {
        start();
        await until(() => wakes === 1);
        const [{ response, headers, body }] = subscribers;
        expect(headers['x-api-key']).toBe('secret');
        const addresses = [ACCOUNT.toRawString()];
        expect(body).toEqual({ types: ['account_state_change'], addresses, min_finality: 'finalized' });

        response.write(EVENT.slice(0, 30));
        response.write(EVENT.slice(30));
        await until(() => wakes === 2);
    });

    it('wakes nobody for signs of life, other data and text that is no JSON', async () => {
        start();
        await until(() => wakes === 1);
        subscribers[0].response.write(': keepalive\n\ndata: {"type":"trace"}\n\ndata: {\n\ndata: null\n\n');
        await pause(100);
        expect(wakes).toBe(1);
    });

    it('wakes once for many changes within its pause', async () => {
        start(200);
        await until(() => wakes === 1);
        subscribers[0].response.write(EVENT.repeat(50));
        await pause(100);
        expect(wakes).toBe(1);
        await until(() => wakes === 2);
    });

    it('takes a change that comes in pieces, and begins again after a line that has no end', async () => {
        start();
        await until(() => wakes === 1);
        for (const piece of EVENT.match(/[^]{1,7}/g)!) subscribers[0].response.write(piece);
        await until(() => wakes === 2);
        subscribers[0].response.write('a'.repeat((1 << 20) + 1));
        await until(() => wakes === 3);

        expect(subscribers).toHaveLength(2);
        expect(troubles[0]).toContain('sends a line that has no end');
    });

    it('is read no faster than leaves time for all else', async () => {
        start();
        await until(() => wakes === 1);
        const from = performance.now();
        subscribers[0].response.write('data: {"type":"other"}\n\n'.repeat(60_000)); // 1.4 million characters
        subscribers[0].response.write(EVENT);
        await until(() => wakes === 2);

        expect(performance.now() - from).toBeGreaterThan(1000);
    });

    it('begins again when it ends or is refused, wakes then, and never tells its key', async () => {
        start();
        await until(() => wakes === 1);
        status = 403;
        subscribers[0].response.end();
        await until(() => troubles.length >= 2);
        status = 200;
        await until(() => wakes === 2);

        expect(troubles[0]).toContain('ended the stream');
        expect(troubles[1]).toContain('streams nothing (403)');
        expect(troubles.join()).not.toContain('secret');
    });
});
