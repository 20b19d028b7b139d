import type { Rates, SigningKey } from '@cocoon-market/wrappers';
import { modelHash } from '../link';
import type { EncryptionKey } from '../link';
import type { WorkerConfig } from './config';

/** What the chain says of a node: clients trust this and not the worker. */
export interface NodeRecord {
    receiptKey: Buffer; // Ed25519
    encryptionKey: Buffer; // X25519
    offers: { model: Buffer; rates: Rates }[]; // model: SHA-256 of the catalogue id
}

/** Throws an error that says in what the worker and its node on chain disagree. */
export function assertNode(
    record: NodeRecord,
    keys: { receiptKey: SigningKey; encryptionKey: EncryptionKey },
    offers: WorkerConfig['offers'],
): void {
    if (!record.receiptKey.equals(keys.receiptKey.publicKey)) {
        throw new Error(
            "The node's receipt key on chain is another: change it there, or use the key file it was made from",
        );
    }
    if (!record.encryptionKey.equals(keys.encryptionKey.publicKey)) {
        throw new Error(
            "The node's encryption key on chain is another: change it there, or use the key file it was made from",
        );
    }
    for (const { model, rates } of offers) {
        const offer = record.offers.find((candidate) => candidate.model.equals(modelHash(model)));
        if (offer === undefined) {
            throw new Error(
                `The node does not offer ${model} on chain: add the offer there, or remove it from the config`,
            );
        }
        const kinds = ['prompt', 'cached', 'completion', 'reasoning'] as const;
        const other = kinds.find((kind) => offer.rates[kind] !== rates[kind]);
        if (other !== undefined) {
            throw new Error(
                `The rates of ${model} differ on chain: ${other} is ${offer.rates[other]} there, ${rates[other]} here`,
            );
        }
    }
}
