/** Pages in browsers ask a worker from origins of their own. */
import { request } from 'undici';
import { encodeQuery, paths } from '../../../offchain/link';
import { TestClient } from '../support/client';
import { type Fixture, startFixture } from '../support/worker';

const ORIGIN = 'https://app.example';

describe('A page that asks a worker', () => {
    let fixture: Fixture;

    beforeAll(async () => {
        fixture = await startFixture();
    });
    afterAll(() => fixture.stop());

    const ask = (path: string, method: 'GET' | 'OPTIONS', headers: Record<string, string>) =>
        request(fixture.worker.url + path, { method, headers });

    it('may send queries and JSON, by the answer to its preflight', async () => {
        const headers = { 'access-control-request-method': 'POST', 'access-control-request-headers': 'content-type' };
        const answer = await ask(paths.query, 'OPTIONS', { origin: ORIGIN, ...headers });

        expect([answer.statusCode, answer.headers]).toMatchObject([
            204,
            {
                'access-control-allow-origin': '*',
                'access-control-allow-methods': 'GET, POST',
                'access-control-allow-headers': 'content-type',
            },
        ]);
    });

    it('reads the stream of an answer', async () => {
        const client = await TestClient.withJob(fixture.worker.url, fixture.chain);
        const { head, sealed } = client.seal(1, 'one two');
        const answer = await request(fixture.worker.url + paths.query, {
            method: 'POST',
            headers: { 'content-type': 'application/octet-stream', origin: ORIGIN },
            body: encodeQuery(head, sealed),
        });
        await answer.body.arrayBuffer();

        expect([answer.statusCode, answer.headers['access-control-allow-origin']]).toEqual([200, '*']);
    });

    it.each(['/healthz', '/readyz'])('reads nothing of %s, which is for the owner', async (path) => {
        const answer = await ask(path, 'GET', { origin: ORIGIN });

        expect(answer.headers['access-control-allow-origin']).toBeUndefined();
    });

    it('leaves no mark on the answer to a program, which names no origin', async () => {
        const answer = await ask(paths.node, 'GET', {});

        expect(answer.headers['access-control-allow-origin']).toBeUndefined();
    });
});
