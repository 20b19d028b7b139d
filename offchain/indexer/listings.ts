/** Providers, nodes, demand and prices as the events of the registry leave them. */
import type { Tier } from '@cocoon-market/wrappers';
import type { StoredFact } from './reading';

/** Prices in nanoTON per million tokens; `model`: SHA-256 of the catalogue id, hex. */
export interface IndexedOffer {
    model: string;
    prompt: bigint;
    cached: bigint;
    completion: bigint;
    reasoning: bigint;
}

/** A node by its newest announcements. What was never announced is absent. */
export interface IndexedNode {
    key: string; // provider/number
    provider: string;
    number: number;
    node: string | null; // its account; null if its code is unknown
    knownCode: boolean; // false: nothing more of it is read
    open: boolean;
    listedAt: number; // unix seconds
    changedAt: number; // unix seconds
    hardware?: { gpuClass: number; gpus: number; vram: number; model: string };
    service?: { region: string; uptime: number; endpoint: string; regionHex?: string; endpointHex?: string };
    attestation?: { tier: Tier; expiresAt: number };
    offers: IndexedOffer[];
}

/** The newest announcement of a client about a model. */
export interface IndexedDemand {
    client: string; // account that announced it
    escrow: string; // the escrow of this account, whether it exists or not
    model: string;
    queriesPerDay: number;
    announcedAt: number; // unix seconds
    endsAt: number; // unix seconds
}

/** The prices of a model at the end of a day (UTC) on which an offer of it changed. */
export interface DayPrice {
    day: string;
    nodes: number; // open ones that offer it
    prompt: bigint | null; // median, null without offers
    completion: bigint | null;
}

export interface IndexedProvider {
    provider: string;
    owner: string;
    knownCode: boolean; // false: nothing more of it is read
    joinedAt: number; // unix seconds
}

/** The day (UTC) of a time, such as 2026-11-29. */
export const dayOf = (at: number): string => new Date(at * 1000).toISOString().slice(0, 10);

/** The lower middle one: an amount that somebody names, never a mean. Null of nothing. */
export function median(amounts: readonly bigint[]): bigint | null {
    const sorted = [...amounts].sort((a, b) => (a < b ? -1 : a > b ? 1 : 0));
    return sorted.length === 0 ? null : sorted[(sorted.length - 1) >> 1];
}

/** What the events of a registry say, read in their order. */
export class Listings {
    readonly providers = new Map<string, IndexedProvider>();
    readonly nodes = new Map<string, IndexedNode>();
    readonly demands = new Map<string, IndexedDemand>();
    readonly prices = new Map<string, DayPrice[]>(); // by model, from the oldest day on
    readonly unreadable: string[] = []; // events that this release cannot read, base64
    paused = false;
    catalogue: string | null = null; // hash of the newest one that an event names
    lastAt = 0; // unix seconds
    private readonly changedModels = new Set<string>();
    private readonly nodesOf = new Map<string, Set<IndexedNode>>(); // by the models of their offers

    take({ kind, subject, object, at, body }: StoredFact): void {
        if (this.lastAt > 0 && dayOf(at) !== dayOf(this.lastAt)) {
            this.endDay();
        }
        this.lastAt = at;
        if (kind === 'provider') {
            const { knownCode } = body as { knownCode: boolean };
            this.providers.set(subject, { provider: subject, owner: object, knownCode, joinedAt: at });
        } else if (kind === 'node') {
            this.takeNode(subject, object, at, body);
        } else if (kind === 'demand') {
            const { model, queriesPerDay, endsAt } = body as { model: string; queriesPerDay: number; endsAt: number };
            const demand = { client: subject, escrow: object, model, queriesPerDay, announcedAt: at, endsAt };
            this.demands.set(`${subject}/${model}`, demand);
        } else if (kind === 'rules' && body.name === 'WorkPaused') {
            this.paused = body.paused as boolean;
        } else if (kind === 'rules' && body.name === 'CatalogueChanged') {
            this.catalogue = body.catalogue as string;
        } else if (kind === 'unreadable') {
            this.unreadable.push((body.event as string | undefined) ?? '');
        }
    }

    /** Call it after the last event. */
    end(): void {
        if (this.lastAt > 0) {
            this.endDay();
        }
    }

    /** Open nodes of known code that offer a model. */
    sellers(model: string): IndexedNode[] {
        return [...(this.nodesOf.get(model) ?? [])].filter(({ open, knownCode }) => open && knownCode);
    }

    private takeNode(key: string, provider: string, at: number, body: StoredFact['body']): void {
        const { number, node, knownCode, offers, stopped, hardware, service, attestation } = body as {
            number: number;
            node: string;
            knownCode?: boolean;
            offers?: Record<string, string>[];
            stopped?: true;
        } & Pick<IndexedNode, 'hardware' | 'service' | 'attestation'>;
        const created = { key, provider, number, node: null, knownCode: true, open: true, listedAt: at, changedAt: at };
        const entry: IndexedNode = this.nodes.get(key) ?? { ...created, offers: [] };
        entry.changedAt = at;
        entry.knownCode &&= knownCode !== false;
        entry.node = entry.knownCode ? node : null;
        const oldOffers = entry.offers;
        if (entry.knownCode) {
            Object.assign(entry, { ...(hardware && { hardware }), ...(service && { service }) });
            Object.assign(entry, attestation && { attestation });
            entry.offers = offers?.map(offerOf) ?? entry.offers;
        }
        entry.open &&= stopped !== true;
        [...oldOffers, ...entry.offers].forEach(({ model }) => this.changedModels.add(model));
        oldOffers.forEach(({ model }) => this.nodesOf.get(model)?.delete(entry));
        for (const { model } of entry.offers) {
            this.nodesOf.set(model, (this.nodesOf.get(model) ?? new Set()).add(entry));
        }
        this.nodes.set(key, entry);
    }

    private endDay(): void {
        for (const model of this.changedModels) {
            const offers = this.sellers(model).map((node) => node.offers.find((offer) => offer.model === model)!);
            const prices = {
                prompt: median(offers.map(({ prompt }) => prompt)),
                completion: median(offers.map(({ completion }) => completion)),
            };
            const days = this.prices.get(model) ?? [];
            days.push({ day: dayOf(this.lastAt), nodes: offers.length, ...prices });
            this.prices.set(model, days);
        }
        this.changedModels.clear();
    }
}

function offerOf({ model, prompt, cached, completion, reasoning }: Record<string, string>): IndexedOffer {
    const rates = { prompt: BigInt(prompt), cached: BigInt(cached) };
    return { model, ...rates, completion: BigInt(completion), reasoning: BigInt(reasoning) };
}
