/** The market behind the page: what is sold, at which price. */
import { memoryStore, type Store } from '@cocoon-market/client';
import { modelKey, numberToHex, type Rates } from '@cocoon-market/wrappers';
import { Market } from '@cocoon-market/wrappers/market';
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

    /** What can be bought now, the cheapest answer first. */
    async choices(): Promise<Choice[]> {
        const nodes = await this.market.nodes();
        const all = nodes.flatMap(({ address, offers, endpoint, region, tier }) =>
            offers
                .filter(({ objection }) => objection === undefined && endpoint !== undefined)
                .map(({ model, rates }) => {
                    const id = `${address.toRawString()}/${model}`;
                    const name = this.names.get(model) ?? model;
                    return { id, node: address, model, name, rates, region, tier, worker: new URL(endpoint!).host };
                }),
        );
        all.sort((one, other) => (one.rates.completion < other.rates.completion ? -1 : 1));
        return all.slice(0, MAX_CHOICES);
    }
}
