/** Checks what a node says of itself against what the market's contracts say. */
import { Address } from '@ton/core';
import { Chain, ChainReader, NodeKey, readLiability, readNode } from '../chain';
import { differenceOf, NodeInfo } from '../link';
import { reasonOf } from '../process/errors';

/** What the chain says against a node. */
export interface NodeChecks {
    /** Why the chain does not bear out what a node says of itself; undefined if it does. */
    objection(info: NodeInfo): Promise<string | undefined>;
    /** Why receipts of this key count no more, or nothing stands behind them. Throws if the chain cannot be read. */
    keyObjection?(key: NodeKey): Promise<string | undefined>;
    /** With several endpoints: what each says of it alone. */
    readonly others?: readonly Pick<NodeChecks, 'keyObjection'>[];
}

const JAILED = 'its provider is in jail, or has less stake than its nodes require (allowJailed accepts it)';

/** Asks the chain for nodes of the market that `registry` names; `allowJailed`: see the configuration. */
export function checksOnChain(chain: Chain, registry: Address, { allowJailed = false } = {}): NodeChecks {
    const keyObjectionBy = (source: ChainReader) => async (key: NodeKey) => {
        const { rejection, jailed } = await readLiability(source, key);
        return rejection ?? (jailed && !allowJailed ? JAILED : undefined);
    };
    return {
        objection: async (info) => {
            try {
                const record = await readNode(chain, registry, Address.parse(info.node));
                if (record.jailed && !allowJailed) {
                    return JAILED;
                }
                const isSame = record.provider.equals(Address.parse(info.provider));
                return isSame ? differenceOf(info, record) : 'its provider is not the one on chain';
            } catch (error) {
                return reasonOf(error);
            }
        },
        keyObjection: keyObjectionBy(chain),
        others: (chain.others ?? []).map((other) => ({ keyObjection: keyObjectionBy(other) })),
    };
}
