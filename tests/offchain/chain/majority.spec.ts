/** How three endpoints or more show an account, of which one lies, is behind, or keeps its answer back. */
import { type Localnet, startLocalnet } from '@cocoon-market/localnet';
import { Address } from '@ton/core';
import { json } from 'node:stream/consumers';
import { TonHttpChain } from '../../../offchain/chain';
import { answerOf, serverOf } from '../support/server';
import { until } from '../support/until';

const COIN = 1_000_000_000n;
const ACCOUNT = new Address(0, Buffer.alloc(32, 1));

type Result = Record<string, unknown> & { sync_utime: number };
type Lie = (result: Result) => unknown; // how an endpoint shows an account

describe('An account', () => {
    let network: Localnet;
    const closes: (() => unknown)[] = [];
    const calls: number[] = []; // by which endpoint was asked for the account

    beforeAll(async () => {
        network = await startLocalnet({});
        await network.faucet(ACCOUNT, COIN);
    });

    afterEach(() => {
        for (const close of closes.splice(0)) close();
        calls.length = 0;
    });

    afterAll(() => network.close());

    /** A chain with one endpoint for each of these. */
    const chainOf = (...lies: (Lie | 'silent' | 'down')[]) => limitedChainOf({}, lies);

    async function limitedChainOf(
        settings: { callsPerSecond?: number },
        lies: (Lie | 'silent' | 'down')[],
    ): Promise<TonHttpChain> {
        const servers = await Promise.all(lies.map((lie, i) => endpointThat(lie, i)));
        closes.push(...servers.map(({ close }) => close));
        const endpoint = servers.map(({ url }) => ({ url, answerSeconds: 2, ...settings }));
        return new TonHttpChain({ network: -239, endpoint });
    }

    const endpointThat = (lie: Lie | 'silent' | 'down', number: number) =>
        serverOf(async (request, response) => {
            const call = (await json(request)) as { method: string };
            const isAboutAccount = call.method === 'getAddressInformation';
            if (isAboutAccount) calls.push(number);
            if (isAboutAccount && lie === 'silent') {
                return;
            }
            if (isAboutAccount && lie === 'down') {
                response.writeHead(502).end('down');
                return;
            }
            const { result, ...more } = await answerOf<Result>(network.url, call);
            const isLie = isAboutAccount && typeof lie === 'function';
            response.end(JSON.stringify({ ...more, result: isLie ? lie(result) : result }));
        });

    const honest: Lie = (result) => result;
    const hides: Lie = (result) => ({ ...result, state: 'uninitialized', balance: '0', code: '', data: '' });
    const shows =
        (balance: bigint): Lie =>
        (result) => ({ ...result, balance: `${balance}` });
    const isAhead: Lie = (result) => ({ ...result, sync_utime: result.sync_utime + 100_000 });
    const isBehind: Lie = (result) => ({ ...result, sync_utime: result.sync_utime - 100_000 });

    it.each([
        ['hides it', hides],
        ['shows more of it', shows(9n * COIN)],
        ['shows less of it', shows(1n)],
        ['tells a time far ahead', isAhead],
        ['tells a time long ago', isBehind],
    ])('is as two of three endpoints show it, whichever of the three %s', async (_, lie) => {
        const { at } = await (await chainOf(honest)).account(ACCOUNT);

        for (const lies of [
            [lie, honest, honest],
            [honest, lie, honest],
            [honest, honest, lie],
        ]) {
            const shown = await (await chainOf(...lies)).account(ACCOUNT);

            expect(shown.balance).toBe(COIN);
            expect(Math.abs(shown.at - at)).toBeLessThan(120);
        }
    });

    it.each([
        ['keeps its answer back', 'silent'],
        ['is down', 'down'],
    ] as const)('is as the other two endpoints show it, though the first one %s', async (_, first) => {
        const chain = await chainOf(first, honest, honest);

        expect(await chain.account(ACCOUNT)).toMatchObject({ balance: COIN });
    });

    it('is as most of three endpoints show it again, soon after one of them failed once', async () => {
        let failures = 1;
        const failsOnce: Lie = (result) => (failures-- > 0 ? { ...result, balance: 'much' } : result);
        const chain = await chainOf(shows(5n), honest, failsOnce);
        expect(await chain.account(ACCOUNT)).toMatchObject({ balance: 5n });

        await until(async () => (await chain.account(ACCOUNT)).balance === COIN);
    });

    it('is as the first of three endpoints shows it, if each shows another', async () => {
        const chain = await chainOf(shows(5n), shows(6n), shows(7n));

        expect(await chain.account(ACCOUNT)).toMatchObject({ balance: 5n });
    });

    it('is as the first of those shows it that answer, if no two show the same', async () => {
        const chain = await chainOf('silent', shows(6n), 'down');

        expect(await chain.account(ACCOUNT)).toMatchObject({ balance: 6n });
    });

    it('is as the only endpoint shows it that answers, of three', async () => {
        const chain = await chainOf('down', 'down', honest);

        expect(await chain.account(ACCOUNT)).toMatchObject({ balance: COIN });
    });

    it('is read of the first of three endpoints that have one call at a time, which others need', async () => {
        const chain = await limitedChainOf({ callsPerSecond: 1 }, [shows(5n), honest, honest]);

        expect(await chain.account(ACCOUNT)).toMatchObject({ balance: 5n });
        expect(calls).toEqual([0]);
    });

    it('is as two of three endpoints show it that take ten calls a second, while they have calls to spare', async () => {
        const chain = await limitedChainOf({ callsPerSecond: 10 }, [shows(5n), honest, honest]);

        const shown = await Promise.all(Array.from({ length: 8 }, () => chain.account(ACCOUNT)));

        expect(shown[0].balance).toBe(COIN);
        expect(shown[7].balance).toBe(5n); // what is left is for calls that somebody waits for
    });

    it('is as the first of two endpoints shows it, since two decide nothing', async () => {
        const chain = await chainOf(shows(5n), honest);

        expect(await chain.account(ACCOUNT)).toMatchObject({ balance: 5n });
    });

    it('cannot be read if none of three endpoints answers', async () => {
        const chain = (await chainOf('down', 'down', 'down')).as('stranger');

        await expect(chain.account(ACCOUNT)).rejects.toThrow('502');
    });
});
