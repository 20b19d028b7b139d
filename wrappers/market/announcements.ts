/** Providers and nodes as the events of a registry announce them. */
import { type Address, type Transaction } from '@ton/core';
import { type ListingChange, readMarketEvent } from '../events';
import { readHistoryMessage } from '../history';
import { Node } from '../Node';
import { hasSucceeded } from '../parsing';
import { Provider } from '../Provider';
import type { MarketClient, TransactionName } from './chain';
import { readHistory } from './history';

/** A provider that has joined, by the event of its registration. */
export interface AnnouncedProvider {
    address: Address;
    owner: Address;
    stake: bigint; // nanoTON when it joined
    joinedAt: number; // unix seconds
    isKnown: boolean; // it runs the code of this release
}

/** A node by its newest announcements; a part that was never announced is absent. */
export interface Announcement {
    address: Address;
    provider: Address;
    number: number;
    isKnown: boolean; // it runs the code of this release
    listedAt: number; // unix seconds
    changedAt: number; // unix seconds
    parts: ListingChange;
}

/** An event of the registry, and who caused it. */
interface Announced {
    event: NonNullable<ReturnType<typeof readMarketEvent>>;
    at: number; // unix seconds
    announcer: Address | undefined; // a node that announced itself
}

export class Announcements {
    private providersByAddress = new Map<string, AnnouncedProvider>();
    private nodesByName = new Map<string, Announcement>();
    private newest: TransactionName | undefined;
    private running: Promise<void> | undefined;

    constructor(
        private readonly client: MarketClient,
        private readonly registry: Address,
    ) {}

    get providers(): AnnouncedProvider[] {
        return [...this.providersByAddress.values()];
    }

    /** Nodes that have not closed. */
    get nodes(): Announcement[] {
        return [...this.nodesByName.values()].filter(({ parts }) => parts.stopped === undefined);
    }

    /** Reads what is new. Calls at the same time read once. @throws {MarketError} `contradiction` */
    refresh(): Promise<void> {
        this.running ??= this.read().finally(() => (this.running = undefined));
        return this.running;
    }

    private async read(): Promise<void> {
        const { found, newest, isOther } = await readHistory(this.client, this.registry, this.newest, announcedIn);
        if (isOther) {
            this.providersByAddress = new Map();
            this.nodesByName = new Map();
        }
        for (const announced of found) {
            await this.take(announced);
        }
        this.newest = newest;
    }

    private async take({ event, at, announcer }: Announced): Promise<void> {
        if (event.type === 'provider') {
            const { provider: address, owner, stake } = event;
            const isKnown = (await Provider.ofOwner(this.registry, owner)).address.equals(address);
            this.providersByAddress.set(address.toRawString(), { address, owner, stake, joinedAt: at, isKnown });
        } else if (event.type === 'node') {
            const { provider, number, change } = event;
            const name = `${provider.toRawString()}/${number}`;
            const { address } = await Node.ofProvider(provider, number);
            const node = this.nodesByName.get(name) ?? {
                ...{ address, provider, number, isKnown: true },
                ...{ listedAt: at, changedAt: at, parts: {} },
            };
            node.changedAt = at;
            node.isKnown &&= announcer === undefined || announcer.equals(address);
            Object.assign(node.parts, change);
            this.nodesByName.set(name, node);
        }
    }
}

/** The events of a transaction; those that cannot be read say nothing. */
function announcedIn(transaction: Transaction): Announced[] {
    const { inMessage, outMessages, now: at } = transaction;
    if (!hasSucceeded(transaction) || inMessage?.info.type !== 'internal') {
        return [];
    }
    // A node announces itself, and its address proves its code. A provider announces what it knows of a node.
    const isOwn = readHistoryMessage(inMessage.body)?.name === 'AnnounceSelf';
    const announcer = isOwn ? inMessage.info.src : undefined;
    return outMessages.values().flatMap(({ info, body }) => {
        try {
            const event = info.type === 'external-out' ? readMarketEvent(body) : undefined;
            return event === undefined ? [] : [{ event, at, announcer }];
        } catch {
            return [];
        }
    });
}
