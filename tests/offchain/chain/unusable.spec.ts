/** Endpoints that answer each call, and never with what was asked for. */
import { type Localnet, startLocalnet } from '@cocoon-market/localnet';
import { Address } from '@ton/core';
import type { ServerResponse } from 'node:http';
import { json } from 'node:stream/consumers';
import { Budget, type EndpointSettings, TonHttpChain } from '../../../offchain/chain';
import { answerOf, serverOf } from '../support/server';
import { until } from '../support/until';

const COIN = 1_000_000_000n;
const ACCOUNT = new Address(0, Buffer.alloc(32, 1));
const ERROR = { ok: false, error: 'failed' };

/** True if it answers a call itself. */
type Answers = (method: string, response: ServerResponse) => boolean;

const isAboutNetwork = (method: string) => method === 'getConfigParam';

const says = (response: ServerResponse, status: number, answer: object, headers = {}) =>
    Boolean(response.writeHead(status, headers).end(JSON.stringify(answer)));

describe('An endpoint', () => {
    let network: Localnet;
    let calls: number; // of the first endpoint
    const closes: (() => unknown)[] = [];

    beforeAll(async () => {
        network = await startLocalnet({});
        await network.faucet(ACCOUNT, COIN);
    });

    afterEach(() => {
        jest.restoreAllMocks();
        for (const close of closes.splice(0)) close();
    });

    afterAll(() => network.close());

    /** An endpoint that answers some calls itself, and the others as a network does. */
    async function endpointThat(answers: Answers): Promise<string> {
        calls = 0;
        const server = await serverOf(async (request, response) => {
            calls++;
            const call = (await json(request)) as { method: string };
            if (!answers(call.method, response)) {
                response.end(JSON.stringify(await answerOf(network.url, call)));
            }
        });
        closes.push(server.close);
        return server.url;
    }

    /** An endpoint that asks to wait for so many seconds, for the first call after `next`. */
    async function endpointBusyOnce(seconds: string): Promise<{ url: string; next(): void }> {
        let isBusy = false;
        const url = await endpointThat((_, response) => {
            const isRefused = isBusy;
            isBusy = false;
            return isRefused && says(response, 429, { ...ERROR, code: 429 }, { 'retry-after': seconds });
        });
        return { url, next: () => void (isBusy = true) };
    }

    const chainAt = (...endpoint: (string | EndpointSettings)[]) => new TonHttpChain({ network: -239, endpoint });

    it.each([
        ['0 seconds', '0'],
        ['a time that is over', 'Wed, 21 Oct 2015 07:28:00 GMT'],
    ])('that has always had one call too many, and asks to wait for %s, is passed over', async (_, after) => {
        const refusal = { ...ERROR, code: 429 };
        const busy = await endpointThat(
            (method, response) => !isAboutNetwork(method) && says(response, 429, refusal, { 'retry-after': after }),
        );

        expect(await chainAt(busy, network.url).account(ACCOUNT)).toMatchObject({ balance: COIN });
        expect(calls).toBeLessThan(10);
    });

    it.each([
        ['does not say', 200, { ok: true, result: {} }],
        ['fails to say', 500, { ...ERROR, code: 500 }],
    ])('that %s of which network it is, is passed over', async (_, status, answer) => {
        const nameless = await endpointThat(
            (method, response) => isAboutNetwork(method) && says(response, status, answer),
        );

        expect(await chainAt(nameless, network.url).account(ACCOUNT)).toMatchObject({ balance: COIN });
        expect(calls).toBeLessThan(10);
    });

    it.each(['exit code 11', 'cannot apply external message to current state'])(
        'that says of each account that it refused the message (%s) is passed over',
        async (error) => {
            const refusal = { ok: false, error, code: 500 };
            const refusing = await endpointThat(
                (method, response) => !isAboutNetwork(method) && says(response, 500, refusal),
            );

            expect(await chainAt(refusing, network.url).account(ACCOUNT)).toMatchObject({ balance: COIN });
        },
    );

    it.each([401, 403, 404])('that answered its first call with %s serves once it answers others', async (status) => {
        const late = await endpointThat((_, response) => calls === 1 && says(response, status, ERROR));
        const chain = chainAt(late);
        await expect(chain.account(ACCOUNT)).rejects.toThrow(`refuses (${status})`);

        const serves = () => chain.account(ACCOUNT).then(({ balance }) => balance === COIN);
        await until(() => serves().catch(() => false));
    });

    it('that takes one call a second keeps no call waiting for seconds that another has to spare', async () => {
        const slow = await endpointThat(() => false);
        const chain = chainAt({ url: slow, callsPerSecond: 1 }, { url: network.url, callsPerSecond: 100 });
        const urgencies = ['urgent', 'routine', 'client', 'stranger'] as const;
        const accounts = Array.from({ length: 5 }, (_, i) => new Address(0, Buffer.alloc(32, i)));

        const readings = urgencies.flatMap((one) => accounts.map((account) => chain.as(one).account(account)));
        await Promise.all(readings);

        expect(calls).toBeGreaterThan(1);
        expect(calls).toBeLessThan(readings.length / 2);
    });

    it('that always has one call too many, and says so late, as the other one does, keeps no call for ever', async () => {
        const real = performance.now.bind(performance);
        let passed = 0; // milliseconds
        jest.spyOn(performance, 'now').mockImplementation(() => real() + passed);
        const busy = (method: string, response: ServerResponse) => {
            passed += isAboutNetwork(method) ? 0 : 1500; // longer than the other one is not asked
            return !isAboutNetwork(method) && says(response, 429, { ...ERROR, code: 429 });
        };
        const chain = chainAt(await endpointThat(busy), await endpointThat(busy));

        await expect(chain.as('stranger').account(ACCOUNT)).rejects.toThrow('takes no more calls');
    });

    it('that answers as late as it may keeps one call waiting, and none of the next ones', async () => {
        const real = performance.now.bind(performance);
        let passed = 0; // milliseconds
        jest.spyOn(performance, 'now').mockImplementation(() => real() + passed);
        const late = await endpointThat((method) => {
            passed += isAboutNetwork(method) ? 0 : 4900;
            return false;
        });
        const chain = chainAt(late, network.url);

        for (let i = 0; i < 5; i++) {
            expect(await chain.account(ACCOUNT)).toMatchObject({ balance: COIN });
        }

        expect(calls).toBe(2); // one of them for its network
        passed += 60_000;
        await chain.account(ACCOUNT); // it may be faster now
        expect(calls).toBe(3);
    });

    it('that keeps all answers back keeps no call of a stranger from another, which has its turn at once', async () => {
        const silent = await endpointThat(() => true);
        const chain = chainAt(silent, network.url);
        await chain.sources[1].account(ACCOUNT); // of which the network is known now

        expect(await chain.as('stranger').account(ACCOUNT)).toMatchObject({ balance: COIN });
        expect(calls).toBe(1);
    });

    it('that refuses whatever it is asked takes no time from calls that wait for their turn at another', async () => {
        const refusing = await endpointThat(
            (method, response) => !isAboutNetwork(method) && says(response, 401, ERROR),
        );
        const chain = chainAt({ url: network.url, callsPerSecond: 1 }, { url: refusing, callsPerSecond: 100 });
        const accounts = Array.from({ length: 4 }, (_, i) => new Address(0, Buffer.alloc(32, i)));

        const readings = accounts.map((account) => chain.as('stranger').account(account));

        expect(await Promise.all(readings)).toHaveLength(4);
        expect(calls).toBeGreaterThan(1);
    });

    it('that asks for no calls for a minute keeps none that waits for its turn from another', async () => {
        let isBusy = false;
        const busy = await endpointThat(
            (_, response) => isBusy && says(response, 429, { ...ERROR, code: 429 }, { 'retry-after': '60' }),
        );
        const chain = chainAt({ url: busy, callsPerSecond: 4 }, { url: network.url, callsPerSecond: 100 });
        await Promise.all(chain.sources.map((one) => one.account(ACCOUNT))); // of which the network is known now
        [isBusy, calls] = [true, 0];
        const accounts = Array.from({ length: 8 }, (_, i) => new Address(0, Buffer.alloc(32, i)));
        const start = performance.now();

        expect(await Promise.all(accounts.map((account) => chain.account(account)))).toHaveLength(8);
        expect(calls).toBeGreaterThan(0);
        expect(performance.now() - start).toBeLessThan(30_000);
    });

    it('that asks for no calls for three seconds is asked after them for what a slower one would answer later', async () => {
        const busy = await endpointBusyOnce('3');
        const chain = chainAt({ url: busy.url, callsPerSecond: 8 }, { url: network.url, callsPerSecond: 1 });
        await Promise.all(chain.sources.map((one) => one.account(ACCOUNT))); // of which the network is known now
        busy.next();
        calls = 0;
        const accounts = Array.from({ length: 16 }, (_, i) => new Address(0, Buffer.alloc(32, i)));

        expect(await Promise.all(accounts.map((account) => chain.account(account)))).toHaveLength(16);
        expect(calls).toBeGreaterThan(8); // the slower one takes one a second
    });

    it('that always has one call too many, also for what names its network, keeps no call from the turns of others', async () => {
        const refusal = { ...ERROR, code: 429 };
        const busy = await endpointThat((_, response) => says(response, 429, refusal, { 'retry-after': '1' }));
        const one = { url: network.url, callsPerSecond: 1 };
        const chain = chainAt(busy, one, one);
        await Promise.all(chain.sources.slice(1).map((source) => source.account(ACCOUNT)));
        const accounts = Array.from({ length: 26 }, (_, i) => new Address(0, Buffer.alloc(32, i)));

        const readings = await Promise.allSettled(accounts.map((account) => chain.account(account)));

        expect(readings.filter(({ status }) => status === 'rejected')).toEqual([]);
    });

    it('that asks for no calls for a while is waited for where all others are down', async () => {
        const busy = await endpointBusyOnce('3');
        const dead = await serverOf((_, response) => response.destroy());
        closes.push(dead.close);
        const chain = chainAt(busy.url, dead.url);
        await chain.account(ACCOUNT);
        for (let failures = 0; failures < 2; failures++) {
            await expect(chain.sources[1].as('stranger').account(ACCOUNT)).rejects.toThrow();
        }
        busy.next();

        expect(await chain.account(ACCOUNT)).toMatchObject({ balance: COIN });
    });

    it('that asks for no calls for a minute keeps none from another that was down for a moment', async () => {
        let isBusy = false;
        const busy = await endpointThat(
            (_, response) => isBusy && says(response, 429, { ...ERROR, code: 429 }, { 'retry-after': '60' }),
        );
        let isLost = false;
        const first = await endpointThat((_, response) => {
            const wasLost = isLost;
            isLost = false;
            return wasLost && Boolean(response.destroy());
        });
        const chain = chainAt(first, busy);
        await Promise.all(chain.sources.map((one) => one.account(ACCOUNT))); // of which the network is known now
        [isBusy, isLost] = [true, true];

        expect(await chain.as('stranger').account(ACCOUNT)).toMatchObject({ balance: COIN });
    });

    it('that answers as late as another is compared with it a few times for each call, however many wait', async () => {
        const chain = chainAt({ url: network.url, callsPerSecond: 40 }, { url: network.url, callsPerSecond: 40 });
        await Promise.all(chain.sources.map((one) => one.account(ACCOUNT))); // of which the network is known now
        const delays = jest.spyOn(Budget.prototype, 'delay');
        const accounts = Array.from({ length: 240 }, (_, i) => new Address(0, Buffer.alloc(32, i)));

        expect(await Promise.all(accounts.map((account) => chain.account(account)))).toHaveLength(240);
        expect(delays.mock.calls.length).toBeLessThan(8 * 240);
    });

    it('that has one call too many for its first one is asked for no turn without an end once it is late', async () => {
        const real = performance.now.bind(performance);
        let passed = 0; // milliseconds
        jest.spyOn(performance, 'now').mockImplementation(() => real() + passed);
        const turns = jest.spyOn(Budget.prototype, 'turn');
        const busy = await endpointThat((_, response) => {
            passed += 5000; // as long as a call of a stranger waits
            return says(response, 429, { ...ERROR, code: 429 }, { 'retry-after': '60' });
        });

        await expect(chainAt(busy).as('stranger').account(ACCOUNT)).rejects.toThrow('takes no more calls');
        expect(turns.mock.calls.length).toBeLessThan(20);
    });

    it('that rests after many bytes has a call count as one that was not made', async () => {
        const chain = chainAt(network.url);
        await chain.account(ACCOUNT); // of which the network is known now
        const real = Budget.prototype.turn;
        jest.spyOn(Budget.prototype, 'turn').mockImplementation(function (this: Budget, ...[urgency]) {
            this.noteBytes(1e9);
            return real.call(this, urgency, 1);
        });

        await expect(chain.account(ACCOUNT)).rejects.toMatchObject({ busy: true });
    });

    it('that does not say of which network it is, is asked a few times a second where there is no other', async () => {
        const nameless = await endpointThat((_, response) => says(response, 200, { ok: true, result: {} }));

        const reading = chainAt(nameless).account(ACCOUNT);
        await expect(reading).rejects.toThrow('does not name its network');
        expect(calls).toBeLessThan(20);
    });
});
