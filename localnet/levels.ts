/** The price levels by name; config.ts has the prices. */

/** '2025' and '2026' are mainnet's prices before and since 30 April 2026; 'tenfold' is ten times those of 2025. */
export type PriceLevel = '2025' | '2026' | 'tenfold';

/** Every price level, for loops and for checking input. */
export const PRICE_LEVELS: readonly PriceLevel[] = ['2025', '2026', 'tenfold'];
