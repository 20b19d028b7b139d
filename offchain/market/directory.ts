/** The nodes of a market as the events of its registry announce them, in whatever order the events are read. */
import {
    type ListingChange,
    type MarketEvent,
    Node,
    numberToBytes,
    type Rates,
    type Tier,
} from '@cocoon-market/wrappers';
import { workerUrl } from '@cocoon-market/wrappers/market';
import type { Address } from '@ton/core';

/** A node that sells a model, by the newest events. What of it matters is read from its account before it is used. */
export interface AnnouncedNode {
    node: string; // raw address
    provider: string; // raw address
    url: string; // of its worker
    region: string;
    tier: Tier;
    offers: { model: Buffer; rates: Rates }[]; // model: SHA-256 of the catalogue id
}

const MAX_NODES = 5000;
const MAX_PER_PROVIDER = 500;

type Part = keyof ListingChange;

interface Entry {
    provider: string;
    parts: Partial<{ [P in Part]: { lt: bigint; value: NonNullable<ListingChange[P]> } }>;
    announced: AnnouncedNode; // what follows from the parts
}

/** What one endpoint of the chain says of the market. */
export class Directory {
    private readonly entries = new Map<string, Entry>(); // by the node's address
    private readonly counts = new Map<string, number>(); // of nodes, by provider
    private readonly byUrl = new Map<string, Set<Entry>>(); // of workers

    /** Takes an event of the transaction `lt`. An older event changes nothing that a newer one said. */
    async take(event: MarketEvent, lt: bigint): Promise<void> {
        if (event.type !== 'node') {
            return;
        }
        const entry = await this.entryOf(event.provider, event.number);
        if (entry === undefined) {
            return;
        }
        for (const [part, value] of Object.entries(event.change) as [Part, never][]) {
            const newest = entry.parts[part];
            if (newest === undefined || newest.lt <= lt) {
                entry.parts[part] = { lt, value };
            }
        }
        this.update(entry);
    }

    /** Nodes that are open, have a worker that can be asked, and offer the model, which is named by its hash. */
    sellers(model: Buffer): AnnouncedNode[] {
        return this.open.filter(({ offers }) => offers.some((offer) => offer.model.equals(model)));
    }

    /** The nodes that name this URL as theirs. */
    at(url: string): AnnouncedNode[] {
        return [...(this.byUrl.get(url) ?? [])].filter(isOpen).map(({ announced }) => announced);
    }

    get size(): number {
        return this.entries.size;
    }

    private get open(): AnnouncedNode[] {
        return [...this.entries.values()].filter(isOpen).map(({ announced }) => announced);
    }

    private async entryOf(provider: Address, number: number): Promise<Entry | undefined> {
        const node = (await Node.ofProvider(provider, number)).address.toRawString();
        const entry = this.entries.get(node);
        if (entry !== undefined) {
            return entry;
        }
        const owner = provider.toRawString();
        const count = this.counts.get(owner) ?? 0;
        if (this.entries.size >= MAX_NODES || count >= MAX_PER_PROVIDER) {
            return undefined;
        }
        this.counts.set(owner, count + 1);
        const announced: AnnouncedNode = { node, provider: owner, url: '', region: '', tier: 'open', offers: [] };
        const added: Entry = { provider: owner, parts: {}, announced };
        this.entries.set(node, added);
        return added;
    }

    private update(entry: Entry): void {
        const { parts, announced } = entry;
        const service = parts.service?.value;
        this.move(entry, service === undefined ? '' : (workerUrl(service.endpoint) ?? ''));
        announced.region = service?.region ?? '';
        announced.tier = parts.attestation?.value.tier ?? 'open';
        announced.offers = (parts.offers?.value ?? []).map(({ model, ...rates }) => ({
            model: numberToBytes(model),
            rates,
        }));
    }

    private move(entry: Entry, url: string): void {
        const { announced } = entry;
        const old = this.byUrl.get(announced.url);
        old?.delete(entry);
        if (old?.size === 0) {
            this.byUrl.delete(announced.url);
        }
        announced.url = url;
        this.byUrl.set(url, (this.byUrl.get(url) ?? new Set()).add(entry));
    }
}

const isOpen = ({ parts, announced }: Entry): boolean => parts.stopped === undefined && announced.url !== '';
