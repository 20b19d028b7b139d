/** A short run of `npm run test:signatures`. */
import { keysOfBrowsers } from '../support/browserKeys';
import { compareSignatures } from './compare';

describe('Crafted signatures and payloads', () => {
    const browser = keysOfBrowsers();

    it('get the same verdict of every verifier off chain and of the contracts, which follows from how they were made', async () => {
        const { disagreements, good, families } = await compareSignatures({ cases: 130, seed: 1, browser });

        expect(disagreements).toEqual([]);
        expect(good).toBeGreaterThan(10);
        expect(families).toBeGreaterThan(60);
    });

    it('are found when one verifier takes a signature that the chain refuses', async () => {
        class Careless extends browser.Verifier {
            override verify(hash: Buffer, signature: Buffer): boolean {
                const canonical = Buffer.concat([signature.subarray(0, 63), Buffer.of(signature[63] & 0x1f)]);
                return super.verify(hash, signature) || super.verify(hash, canonical);
            }
        }

        const { disagreements } = await compareSignatures({
            ...{ cases: 9, seed: 1 },
            browser: { ...browser, isWeakKey: browser.isWeakKey, Verifier: Careless },
        });

        expect(disagreements.map(({ family, verdicts }) => [family, verdicts.chain, verdicts.browser])).toEqual([
            ['high bits of S', false, true],
        ]);
    });
});
