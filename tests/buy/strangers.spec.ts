/** What strangers list changes nothing of what the page that buys says about money. */
import type { Rates } from '@cocoon-market/wrappers';
import type { SellingNode } from '@cocoon-market/wrappers/market';
import { Address } from '@ton/core';
import { choicesOf } from '../../examples/buy-page/src/shop';
import { shortName } from '../../examples/buy-page/src/words';

const rates: Rates = { prompt: 100n, cached: 50n, completion: 400n, reasoning: 400n };

function nodeOf(fill: number, changes: Partial<Rates>, endpoint: string | undefined = 'https://worker.example') {
    const [address, provider] = [fill, 99].map((each) => new Address(0, Buffer.alloc(32, each)));
    const offers = [{ model: 'm', rates: { ...rates, ...changes }, objection: undefined }];
    const node: SellingNode = {
        ...{ address, provider, number: 0, endpoint, region: 'eu', uptime: 1, tier: 'open', hardware: undefined },
        ...{ offers, listedAt: 1, changedAt: 1, price: undefined, reasons: [] },
    };
    return node;
}

describe('A choice on the page that buys', () => {
    const firstOf = (nodes: SellingNode[]) => choicesOf(nodes, new Map())[0].node.hash[0];

    it.each<[string, Partial<Rates>]>([
        ['answers', { completion: 1n, prompt: 1_000n }],
        ['answers without reasoning', { completion: 1n, reasoning: 500n }],
        ['questions', { prompt: 1n, completion: 1_000n }],
        ['questions without cached ones', { prompt: 1n, cached: 200n }],
    ])('is not the first by a low rate of %s alone', (_, bait) => {
        expect(firstOf([nodeOf(1, bait), nodeOf(2, {})])).toBe(2);
    });

    it('is the first if a question and its answer cost least', () => {
        expect(firstOf([nodeOf(1, {}), nodeOf(2, { completion: 300n, reasoning: 300n })])).toBe(2);
    });

    it('has a worker that can be asked', () => {
        const withoutWorker = { ...nodeOf(1, {}), endpoint: undefined };

        expect(choicesOf([withoutWorker], new Map())).toEqual([]);
    });
});

describe('The name of a model on the page that buys', () => {
    it.each([
        ['Qwen/Qwen3-32B', 'Qwen/Qwen3-32B'],
        ['ab'.repeat(32), `model ${'ab'.repeat(6)}…`],
        ['a\u202e\u2066b\u0000\n', 'a??b??'],
        ['x'.repeat(10_000), 'x'.repeat(80)],
    ])('%j is shown as %j', (name, shown) => {
        expect(shortName(name)).toBe(shown);
    });
});
