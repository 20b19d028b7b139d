/** The order of sellers by price, in which no provider hides another. */
import type { Rates } from '@cocoon-market/wrappers';
import type { AnnouncedNode } from './directory';

/** Nodes in turns of their providers, each provider's cheapest first. */
export function fairOrder(nodes: readonly AnnouncedNode[], model: Buffer): AnnouncedNode[] {
    const priceOf = ({ offers }: AnnouncedNode) => {
        const prices = offers.filter((offer) => offer.model.equals(model)).map(({ rates }) => blend(rates));
        return prices.reduce((min, price) => (price < min ? price : min));
    };
    const byPrice = [...nodes].sort((a, b) => compare(priceOf(a), priceOf(b)));
    const turns = new Map<string, number>();
    const placed = byPrice.map((node) => {
        const turn = turns.get(node.provider) ?? 0;
        turns.set(node.provider, turn + 1);
        return { node, turn };
    });
    return placed.sort((a, b) => a.turn - b.turn).map(({ node }) => node);
}

/** One price for four rates: answers cost most of a chat's money. */
export const blend = ({ prompt, completion }: Pick<Rates, 'prompt' | 'completion'>): bigint => prompt + 3n * completion;

const compare = (a: bigint, b: bigint): number => (a < b ? -1 : a > b ? 1 : 0);
