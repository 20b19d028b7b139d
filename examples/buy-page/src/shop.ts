/** The market behind the page: what is sold, at which price. */
import { memoryStore, type Store } from '@cocoon-market/client';
import { maxRates, modelKey, numberToHex, type Rates } from '@cocoon-market/wrappers';
import { comparePrices, Market, type SellingNode } from '@cocoon-market/wrappers/market';
import type { Address } from '@ton/core';
import type { PageChain } from './chain';
import type { Settings } from './settings';

/** A model at a node. Texts are strangers' words. */
export interface Choice {
    id: string; // of node and model
    node: Address;
    model: string; // catalogue id, or the 64 hex digits of its hash
    name: string; // of the model, as the page shows it
    rates: Rates; // nanoTON per million tokens
    region: string;
    tier: string;
    worker: string; // host of its URL
}

const MAX_CHOICES = 50;

export class Shop {
    private constructor(
        readonly market: Market,
        readonly chain: PageChain,
        readonly store: Store,
        private readonly names: ReadonlyMap<string, string>,
    ) {}

    /** Opens the market of the settings. @throws {MarketError} of another network or code; what the chain throws */
    static async open(
        { market: place, models }: Settings,
        chain: PageChain,
        store: Store = memoryStore(),
    ): Promise<Shop> {
        const market = await Market.open(place, chain);
        return new Shop(market, chain, store, new Map(models.map((name) => [numberToHex(modelKey(name)), name])));
    }

    get network(): number {
        return this.market.network;
    }

    /** What can be bought now, see {@link choicesOf}. */
    async choices(): Promise<Choice[]> {
        return choicesOf(await this.market.nodes(), this.names);
    }
}

/**
 * What nodes sell, the cheapest first: by a million tokens of question and of answer, each at the highest rate that a
 * node can bill it at. A low rate of one kind brings nobody to the top. `names`: of models, by their hashes.
 */
export function choicesOf(nodes: readonly SellingNode[], names: ReadonlyMap<string, string>): Choice[] {
    const all = nodes.flatMap(({ address, offers, endpoint, region, tier }) =>
        offers
            .filter(({ objection }) => objection === undefined && endpoint !== undefined)
            .map(({ model, rates }) => {
                const id = `${address.toRawString()}/${model}`;
                const name = names.get(model) ?? model;
                return { id, node: address, model, name, rates, region, tier, worker: new URL(endpoint!).host };
            }),
    );
    return all.sort((one, other) => comparePrices(highest(one), highest(other))).slice(0, MAX_CHOICES);
}

function highest({ rates }: Choice): bigint {
    const { prompt, answer } = maxRates(rates);
    return prompt + answer;
}
