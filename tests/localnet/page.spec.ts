/** What a page in a browser needs of the local network. */
import { Address } from '@ton/core';
import { type Localnet, startLocalnet } from '@cocoon-market/localnet';
import { stranger } from './support';

const ORIGIN = { origin: 'https://app.example' };

describe('Local network: pages', () => {
    let localnet: Localnet;
    let root: string;

    beforeAll(async () => {
        localnet = await startLocalnet({ prices: '2025', clock: 'manual' });
        root = localnet.url.replace(/\/jsonRPC$/, '');
    });

    afterAll(() => localnet.close());

    const get = async (path: string) => {
        const response = await fetch(`${root}${path}`, { headers: ORIGIN });
        const answer = (await response.json()) as { ok: boolean; result: unknown; error: string };
        return { status: response.status, headers: response.headers, ...answer };
    };

    it('lets any origin call it, with the headers that it asks for', async () => {
        const asked = {
            'access-control-request-method': 'POST',
            'access-control-request-headers': 'content-type, x-api-key',
        };
        const { status, headers } = await fetch(localnet.url, { method: 'OPTIONS', headers: { ...ORIGIN, ...asked } });

        expect(status).toBe(204);
        expect(headers.get('access-control-allow-origin')).toBe('*');
        expect(headers.get('access-control-allow-methods')).toBe('GET, POST');
        expect(headers.get('access-control-allow-headers')).toBe('content-type, x-api-key');
    });

    it('marks answers and errors alike as readable for pages', async () => {
        for (const path of ['/getMasterchainInfo', '/getNothing', '/../nowhere']) {
            expect((await get(path)).headers.get('access-control-allow-origin')).toBe('*');
        }
    });

    it('answers by GET what it answers to a call', async () => {
        const account = new Address(0, Buffer.alloc(32, 9));
        await localnet.faucet(account, 5n);

        expect((await get(`/getAddressBalance?address=${account.toRawString()}`)).result).toBe('5');
        expect((await get(`/getTransactions?address=${account.toRawString()}&limit=1`)).result).toHaveLength(1);
        expect((await get('/getConfigParam?config_id=21')).ok).toBe(true);
    });

    it('takes what changes the network by POST only', async () => {
        const target = `address=${stranger.toRawString()}&amount=1`;
        expect(await get(`/localnet_faucet?${target}`)).toMatchObject({ status: 405, ok: false });
        expect(await get('/sendBoc?boc=x')).toMatchObject({
            status: 405,
            error: 'sendBoc changes the network: POST it',
        });

        const body = JSON.stringify({ address: stranger.toRawString(), amount: '7' });
        const headers = { 'content-type': 'application/json' };
        const paid = await fetch(`${root}/localnet_faucet`, { method: 'POST', headers, body });
        expect(paid.status).toBe(200);
        expect((await get(`/getAddressBalance?address=${stranger.toRawString()}`)).result).toBe('7');
    });

    it('says what is wrong with a parameter, and which methods there are', async () => {
        expect(await get('/getAddressBalance')).toMatchObject({
            status: 422,
            error: expect.stringContaining('address'),
        });
        expect((await get('/getNothing')).error).toContain(
            'Unknown method getNothing; known are getAddressInformation',
        );
        expect(await get('/jsonRPC')).toMatchObject({
            status: 405,
            error: expect.stringContaining('POST a JSON-RPC call'),
        });
    });

    it.each([
        ['/api/v3/masterchainInfo', "toncenter's API v3"],
        ['/block/latest', 'the API of TonClient4'],
        ['/v2/accounts/x', 'tonapi'],
    ])('says of %s that it has no such API, and what to use', async (path, name) => {
        const response = await fetch(new URL(path, root));
        const { error } = (await response.json()) as { error: string };

        expect(response.status).toBe(404);
        expect(error).toContain(`There is no ${name} here`);
        expect(error).toContain('Use TonClient');
    });
});
