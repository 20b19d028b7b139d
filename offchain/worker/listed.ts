/** Compares the node on chain, which clients trust, with the worker. */
import { type Chain, ChainError, NodeClosed, readNode } from '../chain';
import { type ComparedNode, differenceOf } from '../link';
import type { WorkerConfig } from './config';
import type { WorkerContext } from './context';

/** Reads the node in the place of the registry that the configuration names. */
type ReadNode = ((chain: Chain) => Promise<ComparedNode | undefined>) | undefined;

/**
 * Throws unless the node on chain, which clients trust, has the worker's keys and offers. While the chain does not
 * answer, nothing is compared.
 */
export async function assertListed(context: WorkerContext, read: ReadNode): Promise<void> {
    const { config, log } = context;
    const node = await readOnChain(context, read)?.catch((error: unknown) => {
        if (error instanceof NodeClosed) {
            log.warn(`${error.message}: clients leave it; until then vouchers are claimed and demands answered`);
        } else if (error instanceof ChainError && !error.final) {
            // Vouchers and accepted queries do not wait for an API.
            log.warn({ err: error }, 'the chain does not answer, so the node on chain is not compared yet');
        } else {
            throw error;
        }
        return undefined;
    });
    assertSame(context, config.offers, node);
}

/** The node on chain; undefined if the configuration names no registry. */
export function readOnChain(
    { chain, config }: WorkerContext,
    read: ReadNode,
): Promise<ComparedNode | undefined> | undefined {
    const { registry } = config;
    return read === undefined ? registry && readNode(chain, registry, config.node) : read(chain);
}

/** Throws unless the node on chain has the worker's keys and these offers. */
export function assertSame(
    context: WorkerContext,
    offers: WorkerConfig['offers'],
    node: ComparedNode | undefined,
): void {
    const [receiptKey, encryptionKey] = [context.receiptKey.publicKey, context.encryptionKey.publicKey];
    const difference = node && differenceOf({ receiptKey, encryptionKey, offers }, node);
    if (difference !== undefined) {
        const remedy = 'Change it on chain, or use the key file and the offers that the node is registered with';
        throw new Error(`The node on chain is not that of this worker: ${difference}. ${remedy}`);
    }
}
