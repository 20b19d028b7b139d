/** Models, nodes and supply as the listings have them at a time. */
import type { DayPrice, IndexedNode, Listings } from './listings';
import { median } from './listings';

/** GPUs of one kind. */
export interface MarketSupply {
    gpu: string;
    gpus: number;
    vram: number; // GB of one GPU
    nodes: number;
}

export interface MarketModel {
    model: string; // SHA-256 of the catalogue id, hex
    nodes: number;
    gpus: number;
    tiers: Record<string, number>; // nodes
    regions: Record<string, number>; // nodes
    price: Record<
        'prompt' | 'cached' | 'completion' | 'reasoning',
        { min: bigint; median: bigint; max: bigint }
    > | null;
    demand: number; // queries a day
    clients: number; // that announced it
    prices: DayPrice[];
}

export interface MarketNode extends IndexedNode {
    tier: string;
    providerJailed: boolean | null;
}

/** The tier of a node at a time. */
export function tierAt({ attestation }: IndexedNode, at: number): string {
    return attestation !== undefined && attestation.expiresAt > at ? attestation.tier : 'open';
}

export function supplyOf(nodes: readonly MarketNode[]): MarketSupply[] {
    const groups = new Map<string, MarketSupply>();
    for (const { hardware } of nodes) {
        if (hardware !== undefined) {
            const key = `${hardware.model}\0${String(hardware.vram).padStart(5, '0')}`;
            const group = groups.get(key) ?? { gpu: hardware.model, gpus: 0, vram: hardware.vram, nodes: 0 };
            groups.set(key, { ...group, gpus: group.gpus + hardware.gpus, nodes: group.nodes + 1 });
        }
    }
    return [...groups].sort(([one], [other]) => (one < other ? -1 : 1)).map(([, group]) => group);
}

export function modelsOf(listings: Listings, nodes: readonly MarketNode[], asOf: number): MarketModel[] {
    const demands = [...listings.demands.values()].filter(({ endsAt }) => endsAt > asOf);
    const models = new Set([...listings.prices.keys(), ...demands.map(({ model }) => model)]);
    const selling = nodes.filter(({ open, knownCode }) => open && knownCode);
    const sellersOf = grouped(selling, ({ offers }) => new Set(offers.map(({ model }) => model)));
    const wishesFor = grouped(demands, ({ model }) => [model]);
    return [...models].sort().map((model) => {
        const sellers = sellersOf.get(model) ?? [];
        const offers = sellers.map((node) => node.offers.find((offer) => offer.model === model)!);
        const wishes = wishesFor.get(model) ?? [];
        const spread = (name: 'prompt' | 'cached' | 'completion' | 'reasoning') => {
            const sorted = offers.map((offer) => offer[name]).sort((a, b) => (a < b ? -1 : 1));
            return { min: sorted[0], median: median(sorted)!, max: sorted.at(-1)! };
        };
        return {
            ...{ model, nodes: sellers.length },
            gpus: sellers.reduce((sum, { hardware }) => sum + (hardware?.gpus ?? 0), 0),
            tiers: countBy(sellers, ({ tier }) => tier),
            regions: countBy(sellers, ({ service }) => service?.region ?? ''),
            price:
                offers.length === 0
                    ? null
                    : {
                          ...{ prompt: spread('prompt'), cached: spread('cached') },
                          ...{ completion: spread('completion'), reasoning: spread('reasoning') },
                      },
            demand: wishes.reduce((sum, { queriesPerDay }) => sum + queriesPerDay, 0),
            clients: wishes.length,
            prices: listings.prices.get(model) ?? [],
        };
    });
}

/** The elements by each of their keys: strangers announce any number of models, so none is sought in all of them. */
export function grouped<T>(elements: readonly T[], keysOf: (element: T) => Iterable<string>): Map<string, T[]> {
    const groups = new Map<string, T[]>();
    for (const element of elements) {
        for (const key of keysOf(element)) {
            const group = groups.get(key) ?? [];
            group.push(element);
            groups.set(key, group);
        }
    }
    return groups;
}

export function countBy<T>(
    elements: readonly T[],
    keyOf: (element: T) => string,
    count = (_: T) => 1,
): Record<string, number> {
    const counts = new Map<string, number>();
    elements.forEach((element) => counts.set(keyOf(element), (counts.get(keyOf(element)) ?? 0) + count(element)));
    return Object.fromEntries([...counts].sort(([one], [other]) => (one < other ? -1 : 1)));
}
