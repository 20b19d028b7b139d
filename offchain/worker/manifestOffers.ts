/** The rates of a worker that names a fleet manifest. The manifest states each price once, for chain and worker. */
import { bytesToNumber, type Rates, signingKey, tokenKinds } from '@cocoon-market/wrappers';
import { basename } from 'node:path';
import { z } from 'zod';
import { catalogueIds, ManifestError, readManifest } from '../fleet';
import { Remedied } from '../process/errors';

// What is read of a configuration before it is checked as a whole.
const parts = z.looseObject({
    manifest: z.string(),
    keyFile: z.string(),
    offers: z.array(z.looseObject({ model: z.string() })).default([]),
});

/** What a manifest says of the node of one receipt key. */
export interface ManifestPrices {
    name: string; // of the node in the manifest
    rates: Map<string, Rates>; // nanoTON per million tokens, by model id
}

/** The models and rates of the node with this receipt key. Throws if the manifest has none. */
export function pricesInManifest(file: string, receiptKey: Buffer): ManifestPrices {
    const key = bytesToNumber(receiptKey);
    const node = readManifest(file, catalogueIds).nodes.find(({ listing }) => listing.receiptKey === key);
    if (node === undefined) {
        throw new ManifestError(
            `${file} has no node with the receipt key ${receiptKey.toString('hex')}, which is that of the key file`,
            'write it as receiptKey of this node, or name the key file of a node in the manifest',
        );
    }
    const rates = node.listing.offers.map(({ model: _, ...each }, i) => [node.models[i], each] as const);
    return { name: node.name, rates: new Map(rates) };
}

/** A configuration whose offers have the manifest's rates; unchanged if it names no manifest. */
export function withManifestOffers(
    config: unknown,
    from: (file: string) => string,
    readReceiptSeed: (keyFile: string) => Buffer,
): unknown {
    const read = parts.safeParse(config);
    if (!read.success) {
        return config; // without a manifest, or with mistakes that its schema names
    }
    const { manifest, keyFile, offers } = read.data;
    const file = from(manifest);
    const priced = offers.find(({ rates }) => rates !== undefined);
    if (priced !== undefined) {
        throw new Remedied(
            `The configuration states rates of ${priced.model}, and ${basename(file)} is its manifest: a price stands ` +
                'in one file',
            { remedy: 'remove "rates" from the configuration' },
        );
    }
    const { name, rates } = pricesInManifest(file, signingKey(readReceiptSeed(from(keyFile))).publicKey);
    const twice = offers.find(({ model }, i) => offers.findIndex((other) => other.model === model) < i);
    if (twice !== undefined) {
        throw new Remedied(`The configuration has settings of ${twice.model} twice`, {
            remedy: 'leave one offer of it',
        });
    }
    const unknown = offers.find(({ model }) => !rates.has(model));
    if (unknown !== undefined) {
        throw new Remedied(
            `The configuration has settings of ${unknown.model}, which node ${name} of ${basename(file)} does not ` +
                'offer',
            { remedy: `remove them, or name a model that it offers: ${[...rates.keys()].join(', ')}` },
        );
    }
    const merged = [...rates].map(([model, each]) => ({
        ...offers.find((one) => one.model === model),
        model,
        rates: Object.fromEntries(tokenKinds.map((kind) => [kind, each[kind].toString()])),
    }));
    return { ...(config as object), offers: merged };
}
