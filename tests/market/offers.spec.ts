/** What strangers write in listings harms nobody, and a quote is never below the bill. */
import { Address } from '@ton/core';
import fc from 'fast-check';
import { channelCode, type ListingChange, modelKey, type Offer, priceOf, pricesOf } from '@cocoon-market/wrappers';
import type { SellingNode } from '@cocoon-market/wrappers/market';
import { type Announcement } from '@cocoon-market/wrappers/market/announcements';
import { byPrice, namesOf, sellingNode } from '@cocoon-market/wrappers/market/offers';
import { quoteOf } from '@cocoon-market/wrappers/market/quote';
import { networkConfig } from '../../localnet/config';

const MODEL = 'm';
const offer: Offer = { model: modelKey(MODEL), prompt: 1n, cached: 1n, completion: 1n, reasoning: 1n };
const service = { region: 'eu', uptime: 1, endpoint: 'https://node.example' };

function listed(parts: ListingChange, now = 100): SellingNode {
    const [address, provider] = [1, 2].map((fill) => new Address(0, Buffer.alloc(32, fill)));
    const announcement: Announcement = {
        address,
        provider,
        number: 0,
        isKnown: true,
        listedAt: 1,
        changedAt: 1,
        parts,
    };
    return sellingNode(announcement, { model: MODEL }, { names: namesOf([{ id: MODEL }]), now });
}

describe('A listing', () => {
    it.each([
        ['a script', '<script>alert(1)</script>'],
        ['marks of direction', '\u202egnp.exe\u2066'],
        ['controls', '\u001b[31m\u0000\n'],
        ['10 kB', 'x'.repeat(10_000)],
    ])('with %s in its texts is printable, short and still for sale', (_, text) => {
        const hardware = { gpuClass: 0, gpus: 1, vram: 1, model: text };
        const node = listed({ offers: [offer], service: { ...service, region: text }, hardware });

        for (const shown of [node.region, node.hardware!.model]) {
            expect(shown).toMatch(/^[\x20-\x7e]{0,64}$/);
        }
        expect(node.reasons).toEqual([]);
    });

    it.each([
        'javascript:alert(1)',
        'http://user:secret@host',
        'file:///etc',
        '\u202e',
        `https://${'x'.repeat(100)}`,
        '',
    ])('whose endpoint is %j has no worker that can be asked', (endpoint) => {
        const node = listed({ offers: [offer], service: { ...service, endpoint } });

        expect([node.endpoint, node.reasons]).toEqual([undefined, ['It lists no worker that can be asked']]);
    });

    it('with one model eight times has no price that counts', () => {
        const node = listed({ offers: Array.from({ length: 8 }, () => offer), service });

        expect(node.reasons).toEqual(['It offers the model 8 times, so its price is not known']);
    });

    it('is of the tier that it attests until the attestation ends, and open from then on', () => {
        const parts: ListingChange = { offers: [offer], service, attestation: { tier: 'tdx', expiresAt: 200 } };

        expect([listed(parts, 199).tier, listed(parts, 200).tier]).toEqual(['tdx', 'open']);
    });

    it('of any kind never throws and is in one place of the order', () => {
        const rate = fc.oneof(fc.constantFrom(0n, 2n ** 64n - 1n), fc.bigInt(0n, 2n ** 64n - 1n));
        const anyOffer = fc.record({
            model: fc.constantFrom(modelKey(MODEL), 0n, 2n ** 256n - 1n),
            ...{ prompt: rate, cached: rate, completion: rate, reasoning: rate },
        });
        const parts = fc.record(
            {
                offers: fc.array(anyOffer, { maxLength: 8 }),
                service: fc.record({ region: fc.string(), uptime: fc.nat(65_535), endpoint: fc.string() }),
                hardware: fc.record({
                    ...{ gpuClass: fc.nat(255), gpus: fc.nat(65_535), vram: fc.nat(65_535), model: fc.string() },
                }),
            },
            { requiredKeys: [] },
        );
        fc.assert(
            fc.property(fc.array(parts, { maxLength: 5 }), (all) => {
                const nodes = all.map((each) => listed(each));
                expect([...nodes].sort(byPrice)).toHaveLength(all.length);
            }),
            { numRuns: 100 },
        );
    });
});

describe('A quote', () => {
    const { basechain } = pricesOf(networkConfig('2026'));

    it('is at least the bill of 1,000 random queries, and at most 5 % more where the tokens are known', async () => {
        const chain = { basechain, channelCode: await channelCode() };
        const node = listed({ offers: [offer], service });
        const rate = fc.bigInt(0n, 10n ** 12n);
        const count = fc.nat(200_000);
        const rates = fc.record({ prompt: rate, cached: rate, completion: rate, reasoning: rate });
        const tokens = fc.record({ prompt: count, cached: count, completion: count, reasoning: count });
        fc.assert(
            fc.property(rates, tokens, (asked, counts) => {
                const bill = priceOf(counts, asked);
                const { query } = quoteOf(node, asked, { model: MODEL, tokens: counts }, chain);
                expect(query >= bill && query * 100n <= bill * 105n).toBe(true);

                // Only how many tokens there are, and not of which kind.
                const { prompt, cached, completion, reasoning } = counts;
                const unknown = { prompt: prompt + cached, completion: completion + reasoning };
                expect(quoteOf(node, asked, { model: MODEL, tokens: unknown }, chain).query >= bill).toBe(true);
            }),
            { numRuns: 1_000 },
        );
    });

    it('advises a deposit that holds a day and the next job, and never less than an escrow takes', async () => {
        const chain = { basechain, channelCode: await channelCode() };
        const node = listed({ offers: [offer], service });
        fc.assert(
            fc.property(fc.bigInt(0n, 10n ** 10n), fc.integer({ min: 1, max: 100_000 }), (rate, queriesADay) => {
                const asked = { prompt: rate, cached: rate, completion: rate, reasoning: rate };
                const request = { model: MODEL, tokens: { prompt: 1_000, completion: 500 }, queriesADay };
                const { answers, fees, deposit } = quoteOf(node, asked, request, chain);
                expect(deposit.job * 3n >= answers * 4n && deposit.job >= deposit.min).toBe(true);
                expect(deposit.escrow >= 2n * (deposit.job + fees.opening) + deposit.reserve).toBe(true);
                expect(deposit.jobLimit >= deposit.job && deposit.dayLimit >= deposit.job + fees.opening).toBe(true);
            }),
            { numRuns: 200 },
        );
    });
});
