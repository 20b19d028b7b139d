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

/** A node that sells a model, by the newest events. What of it matters is read from its account before it is used. */
export interface AnnouncedNode {
    node: string; // raw address
    provider: string; // raw address
    url: string; // of its worker
    region: string;
    tier: Tier;
    offers: { model: Buffer; rates: Rates }[]; // model: SHA-256 of the catalogue id
}

const MAX_NODES = 5000; // that have not closed
const MAX_PER_PROVIDER = 500; // that have not closed
const MAX_CLOSED = 20_000; // as many as one reading of old events may name

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
    private readonly closed = new Set<string>(); // addresses of nodes, which never open again

    /** Takes an event of the transaction `lt`. An older event changes nothing that a newer one said. */
    async take(event: MarketEvent, lt: bigint): Promise<void> {
        if (event.type !== 'node') {
            return;
        }
        const node = (await Node.ofProvider(event.provider, event.number)).address.toRawString();
        if (event.change.stopped !== undefined) {
            this.close(node);
        }
        const entry = this.closed.has(node) ? undefined : this.entryOf(node, event.provider.toRawString());
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

    private entryOf(node: string, provider: string): Entry | undefined {
        const entry = this.entries.get(node);
        if (entry !== undefined) {
            return entry;
        }
        const count = this.counts.get(provider) ?? 0;
        if (this.entries.size >= MAX_NODES || count >= MAX_PER_PROVIDER) {
            return undefined;
        }
        this.counts.set(provider, count + 1);
        const announced: AnnouncedNode = { node, provider, url: '', region: '', tier: 'open', offers: [] };
        const added: Entry = { provider, parts: {}, announced };
        this.entries.set(node, added);
        return added;
    }

    /** Makes room for another node. */
    private close(node: string): void {
        const entry = this.entries.get(node);
        if (entry !== undefined) {
            this.entries.delete(node);
            this.counts.set(entry.provider, this.counts.get(entry.provider)! - 1);
            this.leaveUrl(entry);
        }
        this.closed.add(node);
        if (this.closed.size > MAX_CLOSED) {
            this.closed.delete(this.closed.values().next().value!); // the oldest
        }
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
        this.leaveUrl(entry);
        entry.announced.url = url;
        this.byUrl.set(url, (this.byUrl.get(url) ?? new Set()).add(entry));
    }

    private leaveUrl(entry: Entry): void {
        const { url } = entry.announced;
        const present = this.byUrl.get(url);
        present?.delete(entry);
        if (present?.size === 0) {
            this.byUrl.delete(url);
        }
    }
}

const isOpen = ({ announced }: Entry): boolean => announced.url !== '';
