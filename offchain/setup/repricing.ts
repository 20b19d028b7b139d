/** Prices of a fleet on their way: from a new manifest over the chain to the manifest's file. */
import { modelKey, Provider, type Rates, tokenKinds } from '@cocoon-market/wrappers';
import type { Address } from '@ton/core';
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, rmSync } from 'node:fs';
import type { Chain, Transfer } from '../chain';
import {
    applyFleet,
    catalogueIds,
    type Manifest,
    type NodeChange,
    parseManifest,
    planFleet,
    readFleet,
} from '../fleet';
import { Remedied } from '../process/errors';
import { writeWhole } from './files';
import { cheapMessagesOf } from './ownerOrder';

/**
 * The file of a manifest whose prices are not on chain yet. It takes the manifest's place once they are, so that a
 * worker that restarts meanwhile has the prices that clients still find on chain.
 */
const pendingFile = (manifest: string) => `${manifest}.next`;

// The first line of that file, so that edits of the manifest after it was made do not get lost.
const BASE = /^# Takes the place of the manifest with the SHA-256 ([0-9a-f]{64})\n/;
const baseLine = (manifest: string) => `# Takes the place of the manifest with the SHA-256 ${sha256(manifest)}\n`;
const sha256 = (text: string) => createHash('sha256').update(text).digest('hex');

/** A manifest whose prices are on their way. */
export interface PendingManifest {
    file: string;
    text: string; // that takes the manifest's place
    manifest: Manifest;
    /** True if the manifest was changed otherwise since. */
    isOutdated: (present: string) => boolean;
}

/** The manifest whose prices are on their way; undefined if none are. */
export function pendingManifest(manifest: string): PendingManifest | undefined {
    const file = pendingFile(manifest);
    if (!existsSync(file)) {
        return undefined;
    }
    const stored = readFileSync(file, 'utf8');
    const base = BASE.exec(stored)?.[1];
    const text = stored.replace(BASE, '');
    const isOutdated = (present: string) => present !== text && sha256(present) !== base;
    return { file, text, manifest: parseManifest(file, stored, catalogueIds), isOutdated };
}

/** Stores a manifest that takes the place of `present` once its prices are on chain. */
export function storePending(file: string, { text, present }: { text: string; present: string }): void {
    writeWhole(pendingFile(file), baseLine(present) + text, { replace: true });
}

/** Puts the stored manifest in the place of the manifest. */
export function takePending(file: string, text: string): void {
    writeWhole(file, text, { replace: true });
    dropPending(file);
}

/** Gives up what was on its way. */
export function dropPending(file: string): void {
    rmSync(pendingFile(file), { force: true });
}

/** Who may change a listing, and the messages that give the nodes on chain the prices of a manifest. */
export interface Repricing {
    owner: Address;
    operator: Address | null;
    changes: NodeChange[];
    messages: Transfer[];
}

/**
 * What is left to send.
 * @throws {Remedied} if no open node on chain has the receipt key of this worker
 */
export async function repricingOf(
    chain: Chain,
    { provider, receiptKey }: { provider: Address; receiptKey: bigint },
    { nodes, file }: Pick<Manifest, 'nodes' | 'file'>,
): Promise<Repricing> {
    const opened = chain.open(Provider.fromAddress(provider));
    const [{ owner }, { operator }] = [await opened.getProviderState(), await opened.getMembership()];
    const present = await readFleet(chain, provider);
    if (!present.some((node) => node.open && node.receiptKey === receiptKey)) {
        throw new Remedied(
            'No open node on chain has the receipt key of this worker: it was closed, or its key was replaced. ' +
                `Nothing was changed. "cocoon worker init" registers what ${file} describes`,
        );
    }
    const plan = planFleet(nodes, present, { rates: [], baseStake: 0n });
    const changes = plan.changes.filter(({ what }) => what === 'offers');
    const messages = await cheapMessagesOf(chain, owner, (actor) =>
        applyFleet(actor, { provider, oldKeysEndAt: 0 }, { register: [], changes, close: [] }),
    );
    return { owner, operator, changes, messages };
}

/** A price that is not the same on chain and in a manifest. nanoTON per million tokens. */
export interface PriceChange {
    node: string;
    model: string; // its id; the hash of one that only the chain offers, and that this release does not know
    kind: keyof Rates;
    from: bigint | undefined; // undefined: the node on chain does not offer the model
    to: bigint | undefined; // undefined: the manifest does not
}

/** What changes of offers mean for each node, model and kind of token. */
export function priceChanges(changes: readonly NodeChange[], { nodes }: Pick<Manifest, 'nodes'>): PriceChange[] {
    const ids = [...catalogueIds, ...nodes.flatMap(({ models }) => models)];
    const names = new Map(ids.map((id) => [modelKey(id), id]));
    return changes.flatMap(({ node, target }) => {
        const [present, next] = [node.offers, target.listing.offers];
        const models = [...new Set([...next, ...present].map(({ model }) => model))];
        return models.flatMap((key) => {
            const [former, offer] = [present, next].map((all) => all.find(({ model }) => model === key));
            const model = names.get(key) ?? key.toString(16).padStart(64, '0');
            return tokenKinds
                .map((kind) => ({ node: target.name, model, kind, from: former?.[kind], to: offer?.[kind] }))
                .filter(({ from, to }) => from !== to);
        });
    });
}

const TIMES = 10n; // a price that changes by more is taken for a typing error

/** True of a price that is more than ten times the present one, or less than a tenth of it. */
export function isFar({ from = 0n, to }: Pick<PriceChange, 'from' | 'to'>): boolean {
    return from > 0n && to !== undefined && (to > from * TIMES || to * TIMES < from);
}
