import { freePort } from '../../../demo/ports';
import { type Localnet, startLocalnet } from '@cocoon-market/localnet';
import { Address, beginCell } from '@ton/core';
import { ChainError, endpointName, type EndpointSettings, TonHttpChain } from '../../../offchain/chain';
import { serverOf } from '../support/server';

const NETWORK = -239;
const address = (byte: number) => new Address(0, Buffer.alloc(32, byte));

/** What a call throws. */
async function failureOf(call: Promise<unknown>): Promise<ChainError> {
    return call.then(
        () => Promise.reject(new Error('it did not fail')),
        (error: unknown) => error as ChainError,
    );
}

describe('The client of the chain', () => {
    let network: Localnet;

    beforeAll(async () => {
        network = await startLocalnet({});
        await network.faucet(address(1), 1_000_000_000n);
    });

    beforeEach(() => {
        network.disturbances.limit = undefined;
        network.disturbances.refused = 0;
        network.disturbances.clear();
        network.disturbances.calls.clear();
    });

    afterAll(() => network.close());

    const chainAt = (...endpoint: (string | EndpointSettings)[]) => new TonHttpChain({ network: NETWORK, endpoint });

    it('gets every answer from an API that takes one call a second', async () => {
        network.disturbances.limit = 1;
        const chain = chainAt(network.url);

        const read = await Promise.all([1, 2, 3, 4, 5].map((byte) => chain.account(address(byte))));

        expect(read.map(({ balance }) => balance)).toEqual([1_000_000_000n, 0n, 0n, 0n, 0n]);
        expect(network.disturbances.refused).toBeLessThan(8);
    });

    describe('with an endpoint that stands still', () => {
        let still: Localnet;
        let passed: number; // milliseconds
        const pass = (seconds: number) => void (passed += seconds * 1000);

        beforeEach(async () => {
            still = await startLocalnet({ clock: 'manual' });
            await still.faucet(address(1), 2_000_000_000n);
            passed = 0;
            const real = performance.now.bind(performance);
            jest.spyOn(performance, 'now').mockImplementation(() => real() + passed);
        });

        afterEach(async () => {
            jest.restoreAllMocks();
            await still.close();
        });

        const balance = async (chain: TonHttpChain) => (await chain.account(address(1))).balance;
        const asked = async (chain: TonHttpChain) =>
            chain.api.call('getAddressBalance', { address: address(1).toString() });

        it('believes it for less than two minutes, and then asks the other whatever it asks', async () => {
            const chain = chainAt(still.url, network.url);
            expect(await balance(chain)).toBe(2_000_000_000n);
            pass(119);
            expect(await balance(chain)).toBe(2_000_000_000n);
            pass(1);

            expect(await balance(chain)).toBe(1_000_000_000n);
            expect(await asked(chain)).toBe('1000000000');
        });

        it('believes it again once its time goes on', async () => {
            const chain = chainAt(still.url, network.url);
            await balance(chain);
            pass(120);
            await balance(chain);
            still.advance(1);
            pass(15);

            expect(await balance(chain)).toBe(2_000_000_000n);
            expect(await asked(chain)).toBe('2000000000');
        });

        it('and no other, says so rather than what may be long over', async () => {
            const chain = chainAt(still.url);
            await balance(chain);
            pass(120);

            expect((await failureOf(balance(chain))).message).toContain('the same time of the chain for 120 s');
        });
    });

    it('is never refused by an API whose limit it knows', async () => {
        const slow = await startLocalnet({ callsPerSecond: 1 });
        const chain = chainAt({ url: slow.url, callsPerSecond: 0.9 });

        await Promise.all([1, 2, 3].map((byte) => chain.account(address(byte))));

        expect(slow.disturbances.refused).toBe(0);
        await slow.close();
    });

    it('asks what can wait one call at a time, so that a stranger waits for one of them and not for all', async () => {
        const chain = chainAt({ url: network.url, callsPerSecond: 20 });
        const order: string[] = [];
        const ask = (urgency: 'idle' | 'stranger', byte: number) =>
            chain
                .as(urgency)
                .account(address(byte))
                .then(() => order.push(urgency));

        await Promise.all([
            ...[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12].map((byte) => ask('idle', byte)),
            ask('stranger', 1),
        ]);

        expect(order.indexOf('stranger')).toBeLessThan(3);
    });

    it('waits as long as a 429 asks for', async () => {
        let refused = 0;
        const server = await serverOf((_, response) => {
            if (refused++ === 0) {
                response
                    .writeHead(429, { 'retry-after': '2' })
                    .end(JSON.stringify({ ok: false, error: 'slow', code: 429 }));
                return;
            }
            const bytes = beginCell().storeInt(NETWORK, 32).endCell().toBoc().toString('base64');
            response.writeHead(200).end(JSON.stringify({ ok: true, result: { config: { bytes } } }));
        });
        const from = performance.now();

        await failureOf(chainAt(server.url).account(address(1))); // the rest of it is no account

        expect(performance.now() - from).toBeGreaterThanOrEqual(1900);
        server.close();
    });

    it('reads no answer without an end into memory, and asks the second endpoint', async () => {
        const MiB = 1 << 20;
        let sent = 0;
        const endless = await serverOf((_, response) => {
            response.writeHead(200);
            const more = () => {
                while (sent < 300 * MiB && !response.destroyed) {
                    sent += MiB;
                    if (!response.write(' '.repeat(MiB))) {
                        response.once('drain', more);
                        return;
                    }
                }
            };
            more();
        });

        const { balance } = await chainAt(endless.url, network.url).account(address(1));

        expect(balance).toBe(1_000_000_000n);
        expect(sent).toBeLessThan(100 * MiB);
        endless.close();
    });

    it('asks again after an answer of 502', async () => {
        network.disturbances.plan('getAddressInformation', { kind: 'down', status: 502 });

        const { balance } = await chainAt(network.url).account(address(1));

        expect(balance).toBe(1_000_000_000n);
    });

    it('asks the second endpoint while the first does not answer', async () => {
        const dead = `http://127.0.0.1:${await freePort()}/api/v2/jsonRPC`;

        const { balance } = await chainAt(dead, network.url).account(address(1));

        expect(balance).toBe(1_000_000_000n);
    });

    it('comes back to the first endpoint once it serves again', async () => {
        const second = await startLocalnet({});
        const chain = chainAt(network.url, second.url);
        await chain.account(address(1));
        network.disturbances.plan('getAddressInformation', { kind: 'down', status: 503 });

        expect((await chain.account(address(1))).balance).toBe(0n);
        await new Promise((resolve) => setTimeout(resolve, 600));
        expect((await chain.account(address(1))).balance).toBe(1_000_000_000n);
        await second.close();
    });

    it('lets a hung API cost seconds once, and those who ask next nothing', async () => {
        network.disturbances.plan('getAddressInformation', { kind: 'hang' }, 50);
        const chain = chainAt({ url: network.url, answerSeconds: 1 });
        const from = performance.now();
        await failureOf(chain.account(address(1)));
        const first = performance.now() - from;

        const failure = await failureOf(chain.account(address(2)));

        expect(first).toBeLessThan(4000);
        expect(performance.now() - from - first).toBeLessThan(500);
        expect(failure.message).toBe(`${network.url} did not answer within 1 s`);
    });

    it('says which endpoint failed and never its key, wherever the key is', async () => {
        const key = 'b1946ac92492d2347c6235b4d2611184';
        const server = await serverOf(({ headers }, response) => {
            const error = `no such key: ${headers['x-api-key'] as string}`;
            response.writeHead(401).end(JSON.stringify({ ok: false, error, code: 401 }));
        });
        const url = `${server.url}/${key}?api_key=${key}`;

        const { message } = await failureOf(chainAt({ url, apiKey: key }).account(address(1)));

        expect(message).toBe(`${server.url}/… refuses (401): no such key: …`);
        server.close();
    });

    it('refuses an endpoint of another network, whichever of several it is', async () => {
        const testnet = await startLocalnet({ networkId: -3 });
        const dead = `http://127.0.0.1:${await freePort()}/api/v2/jsonRPC`;

        const alone = await failureOf(chainAt(testnet.url).account(address(1)));
        const behind = await failureOf(chainAt(dead, testnet.url).account(address(1)));

        expect(alone.message).toBe(
            `Wrong network: ${testnet.url} is an endpoint of network -3, and ${NETWORK} is configured`,
        );
        expect(behind.message).not.toContain('refuses');
        expect(testnet.disturbances.calls.get('getAddressInformation')).toBeUndefined();
        await testnet.close();
    });

    it('asks one endpoint alone where a reading is to be confirmed', async () => {
        const second = await startLocalnet({});
        const [first, other] = chainAt(network.url, second.url).sources;

        expect((await first.account(address(1))).balance).toBe(1_000_000_000n);
        expect((await other.account(address(1))).balance).toBe(0n);
        await second.close();
        expect((await failureOf(other.account(address(1)))).message).toContain('does not answer: ECONNREFUSED');
    });

    it('makes one call of equal questions that wait for their turn', async () => {
        const chain = chainAt({ url: network.url, callsPerSecond: 1 });

        await Promise.all(Array.from({ length: 20 }, () => chain.account(address(1))));

        expect(network.disturbances.calls.get('getAddressInformation')).toBe(1);
    });

    it('does not share an answer that was asked for before', async () => {
        const chain = chainAt(network.url);
        await chain.account(address(2));
        const early = chain.account(address(2));
        await new Promise(setImmediate);
        await network.faucet(address(2), 5n);

        expect((await chain.account(address(2))).balance).toBe(5n);
        await early;
    });

    it('says that the outcome of a message is unknown when an endpoint failed after it was handed over', async () => {
        network.disturbances.plan('sendBoc', { kind: 'late', status: 504, afterMs: 0 }, 50);

        const failure = await failureOf(chainAt(network.url).sendExternal(address(1), beginCell().endCell()));

        expect(failure).toMatchObject({ unknown: true, exitCode: undefined });
    });

    it('says that a message was refused when that is the first answer', async () => {
        const failure = await failureOf(chainAt(network.url).sendExternal(address(9), beginCell().endCell()));

        expect(failure).toMatchObject({ unknown: false });
        expect(failure.message).toContain('cannot apply external message');
    });

    it('does not take a refusal as the end when a copy of the message went out before', async () => {
        network.disturbances.plan('sendBoc', { kind: 'down', status: 504 });

        const failure = await failureOf(chainAt(network.url).sendExternal(address(9), beginCell().endCell()));

        expect(failure).toMatchObject({ unknown: true, exitCode: undefined });
    });
});

describe('The name of an endpoint', () => {
    it.each([
        ['https://toncenter.com/api/v2/jsonRPC?api_key=abc', 'https://toncenter.com/api/v2/jsonRPC'],
        ['https://user:pass@node.example:8443/', 'https://node.example:8443'],
        ['https://go.example.io/0123456789abcdef/jsonRPC', 'https://go.example.io/…/jsonRPC'],
        ['nonsense', 'the endpoint'],
    ])('leaves out of %s what may be a key', (url, name) => {
        expect(endpointName(url)).toBe(name);
    });
});
