import type { Rates } from '@cocoon-market/wrappers';
import { Address } from '@ton/core';
import { setImmediate } from 'node:timers/promises';
import { type Chain, ChainError, type Emitted, type ListLimit } from '../../../offchain/chain';
import { Questions } from '../../../offchain/cli/question';
import { askRates } from '../../../offchain/cli/worker/initMachine';
import { readFleet } from '../../../offchain/fleet';
import { readMarketPrices } from '../../../offchain/setup/market';
import { answering, leaveTerminal } from './terminal';

const ratesOf = (price: bigint): Rates => ({ prompt: price, cached: price, completion: price, reasoning: price });
const market = (providers: number, price: bigint) => ({
    ...{ providers, median: ratesOf(price), min: ratesOf(price), max: ratesOf(price) },
});
const unasked = new Questions(true);
const ask = async (flags: object, prices: ReturnType<typeof market>, questions = unasked) =>
    (await askRates(questions, flags, ['m'], new Map([['m', prices]]))).get('m')!;

describe('The price that init suggests', () => {
    afterEach(leaveTerminal);

    it('is the median of five providers', async () => {
        const rates = await ask({}, market(5, 200_000_000n), answering('', '0.3')); // Enter takes it
        expect(rates).toMatchObject({ prompt: 200_000_000n, completion: 300_000_000n });
    });

    it.each([
        ['no flag', {}, '--prompt 0.2 --completion 0.2'],
        ['a flag for prompts', { prompt: '0.1' }, '--completion 0.2'],
        ['a flag for answers', { completion: '0.1' }, '--prompt 0.2'],
    ])(
        'is never taken unasked: with --yes and %s it is shown with the flags that accept it',
        async (_, flags, accept) => {
            const asked = ask(flags, market(5, 200_000_000n));

            await expect(asked).rejects.toThrow(/for m .* 0\.2 \(median of 5 providers\)\. Strangers set that/);
            await expect(asked).rejects.toThrow(`look at it and add ${accept}, or prices of your own`);
        },
    );

    it('is never taken without a terminal, though nobody says --yes', async () => {
        process.stdin.isTTY = false;
        await expect(ask({}, market(5, 200_000_000n), new Questions(false))).rejects.toThrow('Strangers set that');
    });

    it('is shown for each of several models', async () => {
        const prices = new Map([1n, 2n].map((price) => [`m${price}`, market(5, price * 100_000_000n)]));
        const asked = askRates(unasked, {}, ['m1', 'm2'], prices);

        const accept = 'add --prompt 0.1 --completion 0.1 as m1, or --prompt 0.2 --completion 0.2 as m2, or';
        await expect(asked).rejects.toThrow(accept);
    });

    it.each([
        ['four providers, who may be one person', market(4, 200_000_000n)],
        ['a market that sells for nothing', market(50, 0n)],
    ])('is never that of %s', async (_, prices) => {
        await expect(ask({}, prices)).rejects.toThrow('Missing: --prompt TON');
    });

    it('of too few providers is told to the owner, and is no suggestion', async () => {
        const told = 'TON per million tokens; of others: 0.2 to 0.2 (4)';
        await expect(ask({}, market(4, 200_000_000n))).rejects.toThrow(told);
    });

    it("leaves an owner's own price alone where few providers sell for less", async () => {
        const own = { prompt: '0.2', completion: '0.8' };

        expect((await ask(own, market(4, 1n))).completion).toBe(800_000_000n);
        await expect(ask(own, market(5, 1n))).rejects.toThrow('--any-price');
    });
});

describe('An endpoint that lists without an end', () => {
    const account = new Address(0, Buffer.alloc(32));

    /** Events of which the first is never there. */
    const eventsThat = (next: () => Promise<never>): AsyncIterable<Emitted> => ({
        [Symbol.asyncIterator]: () => ({ next }),
    });

    it('keeps init no longer than two minutes at the events of the market', async () => {
        let now = 0;
        const clock = jest.spyOn(performance, 'now').mockImplementation(() => now);
        const emitted = (_: Address, __: bigint, { seconds = Infinity }: ListLimit = {}) =>
            eventsThat(async () => {
                for (; now < seconds * 1000; now += 1000) {
                    await setImmediate();
                }
                throw new ChainError('The transactions were not read to their end');
            });

        const prices = await readMarketPrices({ emitted } as unknown as Chain, account, ['m']);
        clock.mockRestore();

        expect(prices.size).toBe(0);
        expect(now).toBe(120_000);
    });

    it('is still told from one that fails', async () => {
        const emitted = () => eventsThat(() => Promise.reject(new ChainError('No endpoint serves')));

        const reading = readMarketPrices({ emitted } as unknown as Chain, account, ['m']);

        await expect(reading).rejects.toThrow('No endpoint serves');
    });

    it('names no number of nodes that keeps a command reading for ever', async () => {
        const provider = {
            getProviderState: async () => ({ nextNumber: 2n ** 63n }),
            getMembership: async () => ({ rules: null }),
        };

        const reading = readFleet({ open: () => provider as never }, account);

        await expect(reading).rejects.toThrow('has registered 9223372036854775808 nodes');
    });
});
