/** Pages of a market that readers leave lying. */
import { once } from 'node:events';
import type { ServerResponse } from 'node:http';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { MarketData, type Reading } from '../../../offchain/marketPage/data';
import { makeMarketServer } from '../../../offchain/marketPage/server';

const PAGE = '/page.css';

describe('A market page', () => {
    it('is sent to nobody of a place that has not read as much as it may, and then again', async () => {
        const server = makeMarketServer({ store: join(tmpdir(), 'no-such-index.db'), unreadBytes: 1 });
        let held: Socket | undefined;
        server.server.once('connection', (socket: Socket) => {
            // Its writes never end, as those to a reader who reads nothing.
            held = Object.assign(socket, { _write: () => undefined, _writev: () => undefined });
        });
        const url = await server.listen({ port: 0, host: '127.0.0.1' });
        const slow = connect(Number(new URL(url).port), '127.0.0.1');
        const sent = once(server.server, 'request') as Promise<[unknown, NodeJS.EventEmitter]>;
        slow.write(`GET ${PAGE} HTTP/1.1\r\nhost: page\r\n\r\n`);
        const [, response] = await sent;
        await once(response, 'prefinish');

        const refused = await fetch(url + PAGE);
        expect(refused.status).toBe(503);
        expect(refused.headers.get('cache-control')).toBe('no-store');
        expect(await refused.text()).toContain('ask again in a moment');

        const closed = once(response, 'close');
        held!.destroy();
        await closed;
        expect((await fetch(url + PAGE)).status).toBe(200);
        slow.destroy();
        await server.close();
    });

    it('is not counted for a reader who left before it was made', async () => {
        const server = makeMarketServer({ store: join(tmpdir(), 'no-such-index.db'), unreadBytes: 1 });
        const url = await server.listen({ port: 0, host: '127.0.0.1' });
        const asked = new Promise<(reading: Reading) => void>((begin) => {
            const current = () => new Promise<Reading>(begin);
            jest.spyOn(MarketData.prototype, 'current').mockImplementationOnce(current);
        });
        const reader = connect(Number(new URL(url).port), '127.0.0.1');
        const sent = once(server.server, 'request') as Promise<[unknown, ServerResponse]>;
        reader.write('GET /definitions HTTP/1.1\r\nhost: page\r\n\r\n');
        const [, response] = await sent;
        const goOn = await asked;
        const left = once(response, 'close');
        reader.destroy();
        await left;
        const made = new Promise<void>((resolve) => {
            response.end = () => (resolve(), response);
        });
        goOn({ now: 0, snapshot: undefined, state: 'absent', problem: undefined });
        await made;

        expect((await fetch(url + PAGE)).status).toBe(200);
        await server.close();
    });
});
