/**
 * Finds nodes from the chain alone: the events of the registry say who sells a model and where its worker is. Every
 * endpoint of the chain is read for itself, and their answers are joined, so that one that is late, empty or lies hides
 * nothing that another says. Nothing here is believed: a node is compared with its account before it is used.
 */
import { readMarketEvent } from '@cocoon-market/wrappers';
import type { Address } from '@ton/core';
import type { Logger } from 'pino';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Chain, EventReader } from '../chain';
import { modelHash } from '../link';
import { type AnnouncedNode, Directory } from '../market/directory';
import { fairOrder } from '../market/order';
import { reasonOf } from '../process/errors';
import { mayBePublic } from '../process/publicAddress';
import { resolvesWithin } from '../process/tasks';
import type { NodeSource } from './nodeSource';

const MAX_EVENTS = 20_000; // of one reading
const READ_MS = 30_000; // of one endpoint, before the next one is read too
const LIMIT = { seconds: 1800 }; // of one reading
const FIRST_MS = 15_000; // how long a question waits for the first reading
const UNREADABLE_LOGGED = 3; // events of one reading

interface Source {
    chain: EventReader;
    directory: Directory;
    cursor: bigint; // lt up to which every event was read
    reading?: Promise<void> | undefined; // under way
}

export interface MarketNodesOptions {
    maxNodes: number; // that are asked for one model
    allowPrivate: boolean; // also workers at private addresses
    log: Logger;
}

export class MarketNodes implements NodeSource {
    private readonly sources: Source[];
    // Sellers by model, as each endpoint names them, until the next event.
    private readonly ordered = new Map<string, AnnouncedNode[][]>();
    private next = 0; // source to read
    private markFirst!: () => void;
    private readonly first = new Promise<void>((resolve) => (this.markFirst = resolve));

    constructor(
        chain: Chain,
        private readonly registry: Address,
        private readonly options: MarketNodesOptions,
        private readonly readMs = READ_MS,
    ) {
        const others = (chain.others ?? []).filter((other): other is typeof other & EventReader => 'emitted' in other);
        const readers: EventReader[] = others.length > 0 ? others : [chain];
        this.sources = readers.map((each) => ({ chain: each, directory: new Directory(), cursor: 0n }));
    }

    /**
     * Reads what is new at one endpoint, the next one if that fails, takes long or has no node: it may list events
     * without an end, or none. Throws if none comes to the end.
     */
    async refresh(): Promise<void> {
        let failure: unknown;
        let hasRead = false;
        for (let tries = 0; tries < this.sources.length; tries++) {
            const source = this.sources[this.next];
            this.next = (this.next + 1) % this.sources.length;
            source.reading ??= this.read(source).finally(() => (source.reading = undefined));
            try {
                const ms = this.sources.length > 1 ? this.readMs : LIMIT.seconds * 1000;
                const isInTime = await resolvesWithin(source.reading, ms);
                if (isInTime && source.directory.size > 0) {
                    return;
                }
                hasRead ||= isInTime;
                failure = new Error('An endpoint has not come to the end of the events of the registry');
            } catch (error) {
                failure = error;
            }
        }
        if (!hasRead) {
            throw failure;
        }
        this.markFirst();
    }

    /**
     * URLs of workers whose nodes sell the model. The cheapest of each provider come first, so that a provider with
     * many nodes hides no other, and those that `isLast` names come last. Endpoints name one each in turn, so that one
     * that makes up any number of nodes hides none either.
     */
    async workers(model: string, isLast: (node: AnnouncedNode) => boolean = () => false): Promise<string[]> {
        if (this.sellers(model).every(({ length }) => length === 0)) {
            await Promise.race([this.first, sleep(FIRST_MS, undefined, { ref: false })]);
        }
        const lists = this.sellers(model).map((sellers) => {
            const judged = sellers.map((node) => ({ node, last: isLast(node) }));
            return [...judged.filter(({ last }) => !last), ...judged.filter(({ last }) => last)];
        });
        const urls = new Set(inTurns(lists).map(({ node }) => node.url));
        return [...urls].slice(0, Math.max(this.options.maxNodes, lists.length)); // one of each endpoint at least
    }

    /** What is announced of the nodes at a URL, by every endpoint. */
    announced(url: string): AnnouncedNode[] {
        return this.sources.flatMap(({ directory }) => directory.at(url));
    }

    /** Jobs at nodes that were found are judged by the chain, not by this list. */
    keeps(): boolean {
        return true;
    }

    // One request may ask for them many times, and there may be thousands.
    private sellers(model: string): AnnouncedNode[][] {
        const ordered = this.ordered.get(model) ?? this.sellersNow(modelHash(model));
        this.ordered.set(model, ordered);
        return ordered;
    }

    private sellersNow(model: Buffer): AnnouncedNode[][] {
        const mayAsk = ({ url }: AnnouncedNode) => this.options.allowPrivate || mayBePublic(url);
        return this.sources.map(({ directory }) => fairOrder(directory.sellers(model).filter(mayAsk), model));
    }

    // Events are taken as they come, so that a reading that breaks off has added what it had.
    private async read(source: Source): Promise<void> {
        let newest = source.cursor;
        let count = 0;
        let unreadable = 0;
        for await (const { lt, body, ...event } of source.chain.emitted(this.registry, source.cursor, LIMIT)) {
            newest = lt > newest ? lt : newest;
            try {
                if (event.unreadable !== undefined) {
                    throw event.unreadable;
                }
                const read = readMarketEvent(body);
                if (read !== undefined) {
                    await source.directory.take(read, lt);
                    this.ordered.clear();
                }
            } catch (error) {
                if (++unreadable <= UNREADABLE_LOGGED) {
                    this.options.log.warn({ reason: reasonOf(error) }, 'an event of the registry cannot be read');
                }
            }
            if (++count >= MAX_EVENTS) {
                this.options.log.warn(
                    { events: count },
                    'older events of the registry are not read: there are too many',
                );
                break;
            }
        }
        source.cursor = newest;
        if (source.directory.size > 0) {
            this.markFirst();
        }
        if (count > 0) {
            this.options.log.info({ events: count, nodes: source.directory.size }, 'events of the registry were read');
        }
    }
}

/** The elements of several lists: the first of each, then the second of each, and so on. */
function inTurns<T>(lists: readonly (readonly T[])[]): T[] {
    const longest = Math.max(...lists.map(({ length }) => length));
    return Array.from({ length: longest }, (_, i) => lists.flatMap((list) => list.slice(i, i + 1))).flat();
}
