import type { Rates } from '@cocoon-market/wrappers';
import { Questions } from '../../../offchain/cli/question';
import { askRates } from '../../../offchain/cli/worker/initMachine';

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
