/** Compares the worker's keys and offers with those of its node on chain, which clients trust. */
import { type SigningKey, tokenKinds } from '@cocoon-market/wrappers';
import type { ListedNode } from '../chain';
import { type EncryptionKey, modelHash } from '../link';
import type { WorkerConfig } from './config';

/** What a worker compares of its node. */
export type ComparedNode = Pick<ListedNode, 'receiptKey' | 'encryptionKey' | 'offers'>;

/** Throws an error that names the difference between the worker and its node on chain. */
export function assertNode(
    record: ComparedNode,
    keys: { receiptKey: SigningKey; encryptionKey: EncryptionKey },
    offers: WorkerConfig['offers'],
): void {
    if (!record.receiptKey.equals(keys.receiptKey.publicKey)) {
        throw new Error(
            "The node's receipt key on chain is another: change it on chain, or use the key file it was made from",
        );
    }
    if (!record.encryptionKey.equals(keys.encryptionKey.publicKey)) {
        throw new Error(
            "The node's encryption key on chain is another: change it on chain, or use the key file it was made from",
        );
    }
    for (const { model, rates } of offers) {
        const offer = record.offers.find((candidate) => candidate.model.equals(modelHash(model)));
        if (offer === undefined) {
            throw new Error(
                `The node does not offer ${model} on chain: add the offer on chain, or remove it from the config`,
            );
        }
        const other = tokenKinds.find((kind) => offer.rates[kind] !== rates[kind]);
        if (other !== undefined) {
            throw new Error(
                `The rates of ${model} differ: ${other} is ${offer.rates[other]} on chain, ${rates[other]} in the config`,
            );
        }
    }
}
