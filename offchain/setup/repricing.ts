/** Prices of a fleet on their way: from a new manifest over the chain to the manifest's file. */
import { Provider } from '@cocoon-market/wrappers';
import type { Address } from '@ton/core';
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
import { messagesOf } from './ownerOrder';

/**
 * The file of a manifest whose prices are not on chain yet. It takes the manifest's place once they are, so that a
 * worker that restarts meanwhile has the prices that clients still find on chain.
 */
const pendingFile = (manifest: string) => `${manifest}.next`;

/** The manifest whose prices are on their way; undefined if none are. */
export function pendingManifest(file: string): { text: string; manifest: Manifest } | undefined {
    const pending = pendingFile(file);
    if (!existsSync(pending)) {
        return undefined;
    }
    const text = readFileSync(pending, 'utf8');
    return { text, manifest: parseManifest(pending, text, catalogueIds) };
}

/** Stores a manifest until its prices are on chain. */
export function storePending(file: string, text: string): void {
    writeWhole(pendingFile(file), text, { replace: true });
}

/** Puts the stored manifest in the place of the manifest. */
export function takePending(file: string, text: string): void {
    writeWhole(file, text, { replace: true });
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
    sender?: Address,
): Promise<Repricing> {
    const opened = chain.open(Provider.fromAddress(provider));
    const [{ owner }, { operator }] = [await opened.getProviderState(), await opened.getMembershipNow()];
    const present = await readFleet(chain, provider);
    if (!present.some((node) => node.open && node.receiptKey === receiptKey)) {
        throw new Remedied(
            'No open node on chain has the receipt key of this worker: it was closed, or its key was replaced. ' +
                `Nothing was changed. "cocoon worker init" registers what ${file} describes`,
        );
    }
    const plan = planFleet(nodes, present, { rates: [], baseStake: 0n });
    const changes = plan.changes.filter(({ what }) => what === 'offers');
    const messages = await messagesOf(chain, sender ?? owner, (actor) =>
        applyFleet(actor, { provider, oldKeysEndAt: 0 }, { register: [], changes, close: [] }),
    );
    return { owner, operator, changes, messages };
}
