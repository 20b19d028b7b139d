/** What the page is told by `market.json` beside it: which chain it asks, and which market it buys at. */
import type { MarketPlace } from '@cocoon-market/wrappers/market';

export interface Settings {
    endpoint: string; // URL of toncenter's HTTP API v2, or of a local network
    market: MarketPlace;
    models: string[]; // names of models that no catalogue has
}

const FILE = 'market.json';

/** Reads the settings. @throws an Error that names what is wrong with the file */
export function readSettings(value: unknown): Settings {
    const { endpoint, market, models = [] } = (value ?? {}) as Record<string, unknown>;
    if (typeof endpoint !== 'string' || !URL.canParse(endpoint) || !/^https?:$/.test(new URL(endpoint).protocol)) {
        throw new Error(`${FILE} has no "endpoint", the URL of a TON HTTP API`);
    }
    if (typeof market !== 'object' || market === null) {
        throw new Error(`${FILE} has no "market", the deployment record with "globalId" and "registry"`);
    }
    if (!Array.isArray(models) || !models.every((name) => typeof name === 'string')) {
        throw new Error(`"models" of ${FILE} is no list of names`);
    }
    return { endpoint, market: market as MarketPlace, models };
}
