/** Compares what a node says of itself with what the chain says, which clients trust. */
import { type Rates, tokenKinds } from '@cocoon-market/wrappers';
import { modelHash, type NodeInfo } from './api';

/** What is compared of a node on chain. */
export interface ComparedNode {
    receiptKey: Buffer;
    encryptionKey: Buffer;
    offers: { model: Buffer; rates: Rates }[]; // model: hash
}

/** The first difference between a node and the chain, as a sentence about the node; undefined if there is none. */
export function differenceOf(
    node: Pick<NodeInfo, 'receiptKey' | 'encryptionKey'> & { offers: { model: string; rates: Rates }[] },
    listed: ComparedNode,
): string | undefined {
    if (!listed.receiptKey.equals(node.receiptKey)) {
        return 'its receipt key on chain is another';
    }
    if (!listed.encryptionKey.equals(node.encryptionKey)) {
        return 'its encryption key on chain is another';
    }
    for (const { model, rates } of node.offers) {
        const offer = listed.offers.find((one) => one.model.equals(modelHash(model)));
        if (offer === undefined) {
            return `it does not offer ${model} on chain`;
        }
        const kind = tokenKinds.find((each) => offer.rates[each] !== rates[each]);
        if (kind !== undefined) {
            return `its rates of ${model} differ: ${kind} is ${offer.rates[kind]} on chain, not ${rates[kind]}`;
        }
    }
    return undefined;
}
