/** What init sends of the owner's coins if the endpoint asks for one thing after another. */
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { Stage } from '../../../demo/stage';
import { OwnedNode } from './support';

const PORT = 29_600;

let stage: Stage;
let liar: Server;
let orders = 0;

/** Once the node is registered, the worker's wallet looks empty until the owner has sent something more. */
beforeAll(async () => {
    stage = await Stage.open();
    liar = createServer((request, response) => {
        void (async () => {
            const body = await text(request);
            const { method } = JSON.parse(body) as { method: string };
            orders += method === 'sendBoc' ? 1 : 0;
            const headers = { 'content-type': 'application/json' };
            const real = await fetch(stage.network.url, { method: 'POST', headers, body });
            const answer = (await real.json()) as { result: { state?: string; balance?: string } };
            if (method === 'getAddressInformation' && answer.result.state === 'uninitialized' && orders === 2) {
                answer.result.balance = '0';
            }
            response.end(JSON.stringify(answer));
        })();
    }).listen(0, '127.0.0.1');
});

afterAll(async () => {
    liar.closeAllConnections();
    liar.close();
    await stage.close();
});

it('An owner who agreed to an amount sends no more, whatever the endpoint asks for then', async () => {
    const { address } = await stage.launch();
    const { port } = liar.address() as AddressInfo;
    const endpoint = ['--endpoint', `http://127.0.0.1:${port}/api/v2/jsonRPC`];

    const set = OwnedNode.create(stage, address.toRawString(), PORT, undefined, endpoint);

    await expect(set).rejects.toThrow('that you agreed to: run this again');
    expect(orders).toBe(2);
});
