import type { Rates } from '@cocoon-market/wrappers';
import { Address } from '@ton/core';
import { setImmediate } from 'node:timers/promises';
import { type Chain, ChainError, type Emitted, type ListLimit } from '../../../offchain/chain';
import { Questions } from '../../../offchain/cli/question';
import { askRates } from '../../../offchain/cli/worker/initMachine';
import { readFleet } from '../../../offchain/fleet';
import { readMarketPrices } from '../../../offchain/setup/market';

const ratesOf = (price: bigint): Rates => ({ prompt: price, cached: price, completion: price, reasoning: price });
const market = (providers: number, price: bigint) => ({
    ...{ providers, median: ratesOf(price), min: ratesOf(price), max: ratesOf(price) },
});
const ask = (flags: object, prices: ReturnType<typeof market>) =>
    askRates(new Questions(true), flags, { id: 'm', name: 'm', unlisted: false }, prices);

describe('The price that init suggests', () => {
    it('is the median of five providers', async () => {
        expect((await ask({}, market(5, 200_000_000n))).prompt).toBe(200_000_000n);
    });

    it.each([
        ['four providers, who may be one person', market(4, 200_000_000n)],
        ['a market that sells for nothing', market(50, 0n)],
    ])('is never that of %s', async (_, prices) => {
        await expect(ask({}, prices)).rejects.toThrow('Missing: --prompt TON');
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
            getMembershipNow: async () => ({ rules: null }),
        };

        const reading = readFleet({ open: () => provider as never }, account);

        await expect(reading).rejects.toThrow('has registered 9223372036854775808 nodes');
    });
});
