/** Endpoints that send as many bytes as they can. */
import { type Localnet, startLocalnet } from '@cocoon-market/localnet';
import { Address } from '@ton/core';
import type { ServerResponse } from 'node:http';
import { json } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';
import { type EndpointSettings, TonHttpChain } from '../../../offchain/chain';
import { AnswerBytes } from '../../../offchain/chain/answerBytes';
import { answerOf, serverOf } from '../support/server';
import { until } from '../support/until';

const COIN = 1_000_000_000n;
const MIB = 1 << 20;
const ACCOUNT = new Address(0, Buffer.alloc(32, 1));
const SPEED = { callsPerSecond: 1000 };

describe('An endpoint that sends as many bytes as it can', () => {
    let network: Localnet;
    let calls: number; // of the method that it answers so
    const closes: (() => unknown)[] = [];

    beforeAll(async () => {
        network = await startLocalnet({});
        await network.faucet(ACCOUNT, COIN);
    });

    beforeEach(() => {
        calls = 0;
    });

    afterEach(() => {
        jest.restoreAllMocks();
        for (const close of closes.splice(0)) close();
    });

    afterAll(() => network.close());

    /** An endpoint that answers one method itself, and the others as a network does. */
    async function endpointThat(method: string, answer: (response: ServerResponse) => unknown): Promise<string> {
        const server = await serverOf(async (request, response) => {
            const call = (await json(request)) as { method: string };
            if (call.method === method) {
                calls++;
                answer(response);
            } else {
                response.end(JSON.stringify(await answerOf(network.url, call)));
            }
        });
        closes.push(server.close);
        return server.url;
    }

    const chainAt = (...endpoint: EndpointSettings[]) => new TonHttpChain({ network: -239, endpoint });

    /** What an endpoint says of the account, with data of so many bytes that are no more cells than an account has. */
    async function accountOf(bytes: number, cells = 60_000): Promise<Buffer> {
        const params = { address: ACCOUNT.toString() };
        const call = { id: '1', jsonrpc: '2.0', method: 'getAddressInformation', params };
        const { result } = await answerOf<object>(network.url, call);
        const data = Buffer.alloc(bytes);
        data.write('b5ee9c720404', 'hex');
        data.writeUInt32BE(cells, 6);
        data.writeUInt32BE(1, 10);
        return Buffer.from(JSON.stringify({ ok: true, result: { ...result, data: data.toString('base64') } }));
    }

    /** What an endpoint says of the account, with so many values beside it. */
    async function accountBeside(values: number): Promise<Buffer> {
        const { result } = JSON.parse(String(await accountOf(20))) as { result: object };
        const rest = Array(values / 62_500).fill(Array(250).fill(Array(250).fill(0)));
        return Buffer.from(JSON.stringify({ ok: true, result: { ...result, rest } }));
    }

    it.each([
        ['', () => accountOf(9_000_000)],
        [', of which there are many values in few bytes', () => accountBeside(375_000)],
        [', of which there are many cells in few bytes', () => accountOf(20, 512)],
    ])('is asked no more than is read in passing, though accounts are compared%s', async (_, made) => {
        const account = await made();
        const url = await endpointThat('getAddressInformation', (response) => response.end(account));
        const honest = { url: network.url, ...SPEED };
        const chain = chainAt(honest, honest, { url, ...SPEED });
        const now = performance.now();
        jest.spyOn(performance, 'now').mockReturnValue(now); // on a slow machine the bytes would come slowly enough

        await until(async () => {
            const before = calls;
            expect(await chain.account(ACCOUNT)).toMatchObject({ balance: COIN });
            await sleep(50); // a call that nobody waits for may still be on its way
            return before > 0 && calls === before;
        });
    });

    it('fills the memory with no two answers at once that have no room beside each other', async () => {
        const answers = new AnswerBytes({ noteBytes: () => undefined });
        const { signal } = new AbortController();
        const sent = [0, 0]; // MiB of each answer
        let end!: () => void;
        const isOver = new Promise<void>((resolve) => (end = resolve));
        async function* bodyOf(number: number): AsyncGenerator<Uint8Array> {
            for (; sent[number] < 40; sent[number]++) yield Buffer.alloc(MIB, ' ');
            await isOver;
        }
        const texts = [0, 1].map((number) => answers.textOf(bodyOf(number), signal));

        await until(() => sent[0] === 40 && sent[1] > 0);
        await sleep(50); // in which the second one would come to its end
        expect(sent[1]).toBeLessThan(40);
        end();
        expect((await Promise.all(texts)).map((text) => text.length / MIB)).toEqual([40, 40]);
    });

    it('has no small answer wait for large ones', async () => {
        const answers = new AnswerBytes({ noteBytes: () => undefined });
        const { signal } = new AbortController();
        let sent = 0; // MiB
        async function* bodyWithoutEnd(): AsyncGenerator<Uint8Array> {
            for (let i = 0; i < 40; i++, sent++) yield Buffer.alloc(MIB, ' ');
            await new Promise(() => undefined);
        }
        async function* smallBody(): AsyncGenerator<Uint8Array> {
            yield Buffer.from('small');
        }
        void answers.textOf(bodyWithoutEnd(), signal);
        await until(() => sent === 40);
        void answers.textOf(bodyWithoutEnd(), signal);
        await until(() => sent === 64); // no more has room

        expect(await answers.textOf(smallBody(), signal)).toBe('small');
    });

    it('has no answer wait for another one beyond its own time', async () => {
        const answers = new AnswerBytes({ noteBytes: () => undefined });
        const late = new AbortController();
        async function* endless(): AsyncGenerator<Uint8Array> {
            for (let sent = 0; sent < 60; sent++) yield Buffer.alloc(MIB, ' ');
            await new Promise(() => undefined);
        }
        void answers.textOf(endless(), new AbortController().signal);
        const second = answers.textOf(endless(), late.signal);

        setTimeout(() => late.abort(new Error('over')), 100);
        await expect(second).rejects.toThrow('over');
    });
});
