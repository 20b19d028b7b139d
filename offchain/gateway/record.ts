/** Holds what a node says of itself against what the market's contracts say. */
import { Address } from '@ton/core';
import { Chain, ChainReader, NodeKey, ListedNode as ChainRecord, readLiability, readNode } from '../chain';
import { modelHash, NodeInfo } from '../link';
import { reasonOf } from '../process/errors';
import { NodeRecord } from './nodes';

const JAILED = 'its provider is in jail, or has less stake than its nodes require (allowJailed accepts it)';

/** Asks the chain for nodes of the market that `registry` names; `allowJailed`: see the configuration. */
export function recordOnChain(chain: Chain, registry: Address, { allowJailed = false } = {}): NodeRecord {
    const keyFaultBy = (source: ChainReader) => async (key: NodeKey) => {
        const { rejection, jailed } = await readLiability(source, key);
        return rejection ?? (jailed && !allowJailed ? JAILED : undefined);
    };
    return {
        fault: async (info) => {
            try {
                const record = await readNode(chain, registry, Address.parse(info.node));
                return record.jailed && !allowJailed ? JAILED : difference(info, record);
            } catch (error) {
                return reasonOf(error);
            }
        },
        keyFault: keyFaultBy(chain),
        others: (chain.others ?? []).map((other) => ({ keyFault: keyFaultBy(other) })),
    };
}

function difference(info: NodeInfo, record: ChainRecord): string | undefined {
    if (!record.provider.equals(Address.parse(info.provider))) {
        return 'its provider is not the one on chain';
    }
    if (!record.receiptKey.equals(info.receiptKey) || !record.encryptionKey.equals(info.encryptionKey)) {
        return 'its keys are not those on chain';
    }
    const unlike = info.offers.find(({ model, rates }) => {
        const offer = record.offers.find((one) => one.model.equals(modelHash(model)));
        return (
            offer === undefined ||
            Object.entries(offer.rates).some(([kind, rate]) => rates[kind as keyof typeof rates] !== rate)
        );
    });
    return unlike === undefined ? undefined : `its offer of ${unlike.model} is not the one on chain`;
}
