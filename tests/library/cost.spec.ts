/** What the library costs and saves: the arithmetic of the wrapper against what the chain takes. */
import { beginCell, Cell, Dictionary, toNano } from '@ton/core';
import { channelCode, libraryBreakEven, pricesOf, sizeOf, YEAR } from '@cocoon-market/wrappers';
import { createBlockchain, feesOf, gasOf, PriceLevel, transactionsOn } from '../support/chain';
import { Market, rentOf } from '../support/market';

const LEVELS: PriceLevel[] = ['2025', '2026', 'tenfold'];

/** nanoTON that validators take for the opening of a job, its gas, and the rent of its channel for a year. */
async function costOf(library: boolean, prices: PriceLevel) {
    const market = await Market.deploy({ library, prices });
    await market.setUp({ deposit: toNano('1000'), value: toNano('1003'), dayLimit: toNano('1000') });
    await market.openJob();
    const { channel, result } = await market.openJob();
    market.blockchain.now! += YEAR;
    const visit = await channel.sendTopUp(market.stranger.getSender(), { value: toNano('0.1') });
    const rent = rentOf(transactionsOn(visit, channel.address)[0]);
    return {
        config: market.blockchain.config,
        opening: feesOf(result.transactions),
        gas: gasOf(result.transactions),
        rent,
    };
}

const breakEven = async (prices: PriceLevel) =>
    libraryBreakEven(pricesOf((await createBlockchain({ prices })).config), await channelCode());

describe.each(LEVELS)('Library code at the prices of %s', (prices) => {
    it('saves at each opening, and each year a job is open, what the wrapper says to a nanoTON', async () => {
        const plain = await costOf(false, prices);
        const library = await costOf(true, prices);

        const { savedPerOpening, savedPerYearOpen } = libraryBreakEven(pricesOf(plain.config), await channelCode());
        expect(plain.opening - library.opening).toBe(savedPerOpening);
        expect(Math.abs(Number(plain.rent - library.rent - savedPerYearOpen))).toBeLessThanOrEqual(1); // rounded up
        expect(library.gas).toBe(plain.gas);
    });
});

describe('A library', () => {
    it('is worth its rent from some 3,400 openings a year at the prices of 2025, six times that since 2026', async () => {
        const [before, now, tenfold] = [await breakEven('2025'), await breakEven('2026'), await breakEven('tenfold')];

        expect(Number(before.openingsPerYear)).toBeLessThan(4_000);
        expect(Number(now.openingsPerYear) / Number(before.openingsPerYear)).toBeCloseTo(6, 1);
        expect(now.rentPerYear).toBe(before.rentPerYear); // the masterchain's prices are the same
        expect(tenfold.openingsPerYear).toBe(before.openingsPerYear);
    });

    it('pays at the opening that the wrapper names, and not one before', async () => {
        const { rentPerYear, savedPerOpening, openingsPerYear } = await breakEven('2026');

        expect(openingsPerYear * savedPerOpening).toBeGreaterThanOrEqual(rentPerYear);
        expect((openingsPerYear - 1n) * savedPerOpening).toBeLessThan(rentPerYear);
    });
});

describe('pricesOf', () => {
    it('reads what the network charges', async () => {
        const { config } = await createBlockchain({ prices: '2026' });

        expect(pricesOf(config)).toEqual({
            basechain: {
                storage: { bit: 0n, cell: 135n },
                gas: { flatUnits: 100n, flat: 6_667n, unit: 4_369_067n },
                forward: { lump: 66_667n, bit: 4_369_067n, cell: 436_906_667n },
            },
            masterchain: {
                storage: { bit: 1000n, cell: 500_000n },
                gas: { flatUnits: 100n, flat: 1_000_000n, unit: 655_360_000n },
                forward: { lump: 10_000_000n, bit: 655_360_000n, cell: 65_536_000_000n },
            },
        });
    });

    it('says which parameter is missing', () => {
        const dictionary = Dictionary.empty(Dictionary.Keys.Int(32), Dictionary.Values.Cell()).set(1, Cell.EMPTY);

        expect(() => pricesOf(beginCell().storeDictDirect(dictionary).endCell())).toThrow('no parameter 18');
    });
});

describe('sizeOf', () => {
    it('counts a cell once, wherever it stands', () => {
        const leaf = beginCell().storeUint(1, 8).endCell();

        expect(sizeOf(beginCell().storeUint(1, 3).storeRef(leaf).storeRef(leaf).endCell())).toEqual({
            cells: 2n,
            bits: 11n,
        });
    });
});
