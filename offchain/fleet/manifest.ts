/** Fleets as files: `fleet.yaml` names sites, hardware, prices and nodes. A mistake is refused with its line. */
import type { Hardware, Offer, Service } from '@cocoon-market/wrappers';
import {
    assertUsableKey,
    bytesToNumber,
    formatTon,
    listingBounds,
    modelKey,
    parseTon,
    tokenKinds,
} from '@cocoon-market/wrappers';
import { readFileSync } from 'node:fs';
import { isMap, isScalar, isSeq, LineCounter, type Node, parseDocument, type YAMLMap } from 'yaml';
import { Remedied } from '../process/errors';
import type { TargetNode } from './plan';

/** A node as a manifest describes it. */
export interface ManifestNode extends TargetNode {
    models: string[]; // ids, in the order of the listing's offers
}

/** A fleet as its file describes it. */
export interface Manifest {
    file: string;
    nodes: ManifestNode[];
    sites: { name: string; nodes: number; gpus: number }[];
}

/** A mistake in a manifest: its place, and what to do about it. */
export class ManifestError extends Remedied {
    constructor(what: string, remedy?: string) {
        super(what, { remedy });
        this.name = 'ManifestError';
    }
}

interface ModelOffer {
    id: string;
    offer: Offer;
}

const { maxOffers, maxText } = listingBounds;
const BASIS_POINTS = 10_000;
const MAX_PRICE = 1n << 64n; // nanoTON, above every price

/**
 * Reads a manifest. `catalogue`: the ids that may be offered; a model outside it says `unlisted: true`.
 * @throws {ManifestError} the first mistake, with its line and a remedy
 */
export function readManifest(file: string, catalogue: readonly string[]): Manifest {
    return parseManifest(file, textOf(file), catalogue);
}

/** As {@link readManifest}, of a text that is not in its file yet. */
export function parseManifest(file: string, text: string, catalogue: readonly string[]): Manifest {
    return new Reader(file, text, catalogue).manifest();
}

function textOf(file: string): string {
    try {
        return readFileSync(file, 'utf8');
    } catch (error) {
        const { code, message } = error as NodeJS.ErrnoException;
        throw new ManifestError(`${file} cannot be read: ${message}`, code === 'ENOENT' ? 'check its name' : undefined);
    }
}

/** nanoTON of a price in TON. Throws an Error if it is no amount, or has more than the 64 bits of an offer. */
export function parsePrice(text: string): bigint {
    const price = parseTon(text);
    if (price >= MAX_PRICE) {
        throw new Error(`${text} TON is more than an offer can say, which is ${formatTon(MAX_PRICE - 1n)} TON`);
    }
    return price;
}

/** 32 bytes of 64 hexadecimal digits. Throws an Error that says so. */
export function hex32(value: string): Buffer {
    if (!/^(0x)?[0-9a-fA-F]{64}$/.test(value)) {
        throw new Error(`"${value}" is not a key: write 64 hexadecimal digits`);
    }
    return Buffer.from(value.slice(-64), 'hex');
}

class Reader {
    private readonly lines = new LineCounter();
    private readonly root: Node | null;
    private readonly namesByValue = new Map<string, string>();

    constructor(
        private readonly file: string,
        text: string,
        private readonly catalogue: readonly string[],
    ) {
        // All scalars as texts: a key of digits and an amount must not become floating point numbers.
        const document = parseDocument(text, { schema: 'failsafe', lineCounter: this.lines, prettyErrors: false });
        const [error] = document.errors;
        if (error !== undefined) {
            const { line } = this.lines.linePos(error.pos[0]);
            const remedy = error.code === 'DUPLICATE_KEY' ? 'remove one of them' : 'the file has to be YAML';
            throw new ManifestError(`${file}:${line}: ${error.message}`, remedy);
        }
        this.root = document.contents;
    }

    manifest(): Manifest {
        const root = this.map(this.root, 'the file', ['offers', 'hardware', 'sites']);
        const offers = new Map(this.entries(root, 'offers').map(([id, node]) => [id, this.offer(id, node)]));
        const hardware = new Map(this.entries(root, 'hardware').map(([name, node]) => [name, this.hardware(node)]));
        const sites = this.entries(root, 'sites').map(([name, node]) => ({
            name,
            nodes: this.site(node, hardware, offers),
        }));
        const nodes = sites.flatMap((site) => site.nodes);
        if (nodes.length === 0) {
            throw this.refusal(this.root, 'there is no node in it');
        }
        const gpus = (all: TargetNode[]) => all.reduce((sum, { listing }) => sum + listing.hardware.gpus, 0);
        return {
            file: this.file,
            nodes,
            sites: sites.map((site) => ({ name: site.name, nodes: site.nodes.length, gpus: gpus(site.nodes) })),
        };
    }

    private site(node: Node | null, hardware: Map<string, Hardware>, offers: Map<string, ModelOffer>): ManifestNode[] {
        const fields = ['region', 'uptime', 'hardware', 'offers', 'nodes'];
        const site = this.map(node, 'a site', fields);
        const hardwareName = this.text(site, 'hardware');
        const machine = this.lookUp(site, 'hardware', hardware, hardwareName);
        const list = this.required(site, 'offers');
        if (!isSeq(list) || list.items.length === 0 || list.items.length > maxOffers) {
            throw this.refusal(
                list,
                `offers is not a list of 1 to ${maxOffers} models`,
                'write offers: [model, model]',
            );
        }
        const sold = list.items.map((item) =>
            this.lookUp(site, 'offers', offers, this.scalar(item as Node, 'a model')),
        );
        if (new Set(sold).size < sold.length) {
            throw this.refusal(list, 'a model is offered twice', 'remove one of them');
        }
        const region = this.bounded(site, 'region');
        const uptime = this.percent(site, 'uptime');
        return this.entries(site, 'nodes').map(([name, each]) =>
            this.node(name, each, { hardware: machine, offers: sold, region, uptime }),
        );
    }

    private node(
        name: string,
        node: Node | null,
        site: { hardware: Hardware; offers: ModelOffer[] } & Pick<Service, 'region' | 'uptime'>,
    ): ManifestNode {
        const fields = this.map(node, `node ${name}`, ['endpoint', 'receiptKey', 'encryptionKey']);
        const endpoint = this.bounded(fields, 'endpoint');
        if (!/^https?:\/\/[^\s/]+/.test(endpoint)) {
            throw this.refusal(
                this.required(fields, 'endpoint'),
                `"${endpoint}" is not a URL`,
                'write https://host:port',
            );
        }
        const receiptKey = this.key(fields, 'receiptKey', assertUsableKey);
        const encryptionKey = this.key(fields, 'encryptionKey');
        this.once(node, `name ${name}`, name);
        this.once(this.required(fields, 'endpoint'), `endpoint ${endpoint}`, name);
        this.once(this.required(fields, 'receiptKey'), `receipt key ${receiptKey.toString(16)}`, name);
        this.once(this.required(fields, 'encryptionKey'), `encryption key ${encryptionKey.toString(16)}`, name);
        const { hardware, offers, region, uptime } = site;
        return {
            name,
            models: offers.map(({ id }) => id),
            listing: {
                hardware,
                receiptKey,
                encryptionKey,
                service: { region, uptime, endpoint },
                offers: offers.map(({ offer }) => offer),
            },
        };
    }

    private offer(id: string, node: Node | null): ModelOffer {
        const fields = this.map(node, `the offer of ${id}`, [...tokenKinds, 'unlisted']);
        const unlisted = fields.has('unlisted');
        if (unlisted && this.text(fields, 'unlisted') !== 'true') {
            throw this.refusal(
                this.required(fields, 'unlisted'),
                'unlisted is not true',
                'write true, or leave it out',
            );
        }
        if (!unlisted && !this.catalogue.includes(id)) {
            const others = `there are ${this.catalogue.join(', ')}`;
            throw this.refusal(
                node,
                `"${id}" is not in the catalogue`,
                `${others}; a model outside it says unlisted: true`,
            );
        }
        const price = (name: string) => this.parsed(fields, name, parsePrice);
        const rates = {
            prompt: price('prompt'),
            cached: price('cached'),
            completion: price('completion'),
            reasoning: price('reasoning'),
        };
        return { id, offer: { model: modelKey(id), ...rates } };
    }

    private hardware(node: Node | null): Hardware {
        const fields = this.map(node, 'hardware', ['class', 'gpus', 'vram', 'model']);
        const whole = (name: string, min: number, max: number) =>
            this.parsed(fields, name, (text) => {
                const value = /^\d{1,5}$/.test(text) ? Number(text) : NaN;
                if (!(value >= min && value <= max)) {
                    throw new Error(`"${text}" is not a whole number from ${min} to ${max}`);
                }
                return value;
            });
        return {
            gpuClass: whole('class', 0, 7),
            gpus: whole('gpus', 1, 65_535),
            vram: whole('vram', 1, 65_535),
            model: this.bounded(fields, 'model'),
        };
    }

    private once(node: Node | null, what: string, name: string): void {
        const other = this.namesByValue.get(what);
        if (other !== undefined) {
            throw this.refusal(
                node,
                `${what} is that of ${other === name ? 'another node' : other} too`,
                'every node has its own',
            );
        }
        this.namesByValue.set(what, name);
    }

    private lookUp<T>(site: YAMLMap, field: string, all: Map<string, T>, name: string): T {
        const found = all.get(name);
        if (found === undefined) {
            const names = [...all.keys()].join(', ');
            throw this.refusal(this.required(site, field), `${field} has no "${name}"`, `there are ${names}`);
        }
        return found;
    }

    private key(fields: YAMLMap, name: string, check: (key: Buffer) => void = () => undefined): bigint {
        return this.parsed(fields, name, (text) => {
            const key = hex32(text);
            check(key);
            return bytesToNumber(key);
        });
    }

    private percent(fields: YAMLMap, name: string): number {
        return this.parsed(fields, name, (text) => {
            if (!/^\d{1,3}(\.\d{1,2})?$/.test(text) || Number(text) > 100) {
                throw new Error(`"${text}" is not a percentage with at most two decimals, such as 99.5`);
            }
            return Math.round((Number(text) * BASIS_POINTS) / 100);
        });
    }

    private bounded(fields: YAMLMap, name: keyof typeof maxText): string {
        return this.parsed(fields, name, (text) => {
            if (!/^[\x21-\x7e][\x20-\x7e]*$/.test(text) || text.length > maxText[name]) {
                throw new Error(`"${text}" is not 1 to ${maxText[name]} ASCII characters`);
            }
            return text;
        });
    }

    private parsed<T>(fields: YAMLMap, name: string, parse: (text: string) => T): T {
        const text = this.text(fields, name);
        try {
            return parse(text);
        } catch (error) {
            throw this.refusal(this.required(fields, name), `${name}: ${(error as Error).message}`);
        }
    }

    private text(fields: YAMLMap, name: string): string {
        return this.scalar(this.required(fields, name), name);
    }

    private scalar(node: Node | null, name: string): string {
        if (!isScalar(node) || typeof node.value !== 'string' || node.value === '') {
            throw this.refusal(node, `${name} is not a text`);
        }
        return node.value;
    }

    private required(fields: YAMLMap, name: string): Node {
        const node = fields.get(name, true) as Node | undefined;
        if (node === undefined) {
            throw this.refusal(fields, `"${name}" is missing`);
        }
        return node;
    }

    private entries(fields: YAMLMap, name: string): [string, Node | null][] {
        const node = this.required(fields, name);
        const map = this.map(node, name);
        return map.items.map(({ key, value }) => [this.scalar(key as Node, 'a name'), value as Node | null]);
    }

    private map(node: Node | null, what: string, allowed?: readonly string[]): YAMLMap {
        if (!isMap(node)) {
            throw this.refusal(
                node,
                `${what} has no fields`,
                allowed === undefined ? undefined : `it takes ${allowed.join(', ')}`,
            );
        }
        for (const { key } of node.items) {
            const name = this.scalar(key as Node, 'a name');
            if (allowed !== undefined && !allowed.includes(name)) {
                throw this.refusal(key as Node, `${what} has no field "${name}"`, `it takes ${allowed.join(', ')}`);
            }
        }
        return node;
    }

    private refusal(node: Node | null, what: string, remedy?: string): ManifestError {
        const offset = node?.range?.[0];
        const line = offset === undefined ? '' : `:${this.lines.linePos(offset).line}`;
        return new ManifestError(`${this.file}${line}: ${what}`, remedy);
    }
}
