/** Checks what a node says of itself against what the market's contracts say. */
import { workerUrl } from '@cocoon-market/wrappers/market';
import { Address } from '@ton/core';
import { type Chain, type ChainReader, majoritySays, type NodeKey, readLiability, readNode } from '../chain';
import { differenceOf, NodeInfo } from '../link';
import { reasonOf } from '../process/errors';

/** What the chain says for a node, when it was last read. */
export interface NodeStanding {
    region: string;
    share: bigint; // nanoTON of stake that the node requires
    covered: number | undefined; // part of the share that receipts may still cost, 0 to 1
}

/** What the chain says against a node. */
export interface NodeChecks {
    /**
     * Why the chain does not bear out what a node says of itself; undefined if it does, by the first of several
     * endpoints or by most of them. `url`: of a worker that was found by the chain, which must be the endpoint that the
     * node lists.
     */
    objection(info: NodeInfo, url?: string): Promise<string | undefined>;
    /** What was last read of a node, by its raw address; undefined if nothing was. */
    standing?(node: string): NodeStanding | undefined;
    /** Why receipts of this key count no more, or nothing stands behind them. Throws if the chain cannot be read. */
    keyObjection?(key: NodeKey): Promise<string | undefined>;
    /** With several endpoints: what each says of it alone. */
    readonly others?: readonly Pick<NodeChecks, 'keyObjection'>[];
}

/** Milliseconds that each of several endpoints has to say of a node what the first one does not. */
export const DENIAL_MS = 10_000;

const JAILED = 'its provider is in jail, or has less stake than its nodes require (allowJailed accepts it)';

/** Asks the chain for nodes of the market that `registry` names; `allowJailed`: see the configuration. */
export function checksOnChain(chain: Chain, registry: Address, { allowJailed = false } = {}): NodeChecks {
    const standings = new Map<string, NodeStanding>();
    const keyObjectionBy = (source: ChainReader) => async (key: NodeKey) => {
        const { rejection, jailed, slashable } = await readLiability(source, key);
        const standing = standings.get(key.node.toRawString());
        if (standing !== undefined && standing.share > 0n) {
            standing.covered = Math.min(1, Number((slashable * 1000n) / standing.share) / 1000);
        }
        return rejection ?? (jailed && !allowJailed ? JAILED : undefined);
    };
    const objectionBy = async (source: ChainReader & Pick<Chain, 'network'>, info: NodeInfo, url?: string) => {
        try {
            const record = await readNode(source, registry, Address.parse(info.node));
            const { region, endpoint } = record.service;
            const covered = standings.get(info.node)?.covered;
            standings.set(info.node, { region, share: record.share, covered });
            if (url !== undefined && workerUrl(endpoint) !== url) {
                return 'its endpoint on chain is another one';
            }
            if (record.jailed && !allowJailed) {
                return JAILED;
            }
            const isSame = record.provider.equals(Address.parse(info.provider));
            return isSame ? differenceOf(info, record) : 'its provider is not the one on chain';
        } catch (error) {
            return reasonOf(error);
        }
    };
    return {
        objection: async (info, url) => {
            const objection = await objectionBy(chain, info, url);
            const others = (chain.others ?? []).filter((one): one is Chain => one.network !== undefined);
            const isFine = async (one: Chain) => (await objectionBy(one, info, url)) === undefined;
            return objection !== undefined && (await majoritySays(others, isFine, DENIAL_MS)) ? undefined : objection;
        },
        standing: (node) => standings.get(node),
        keyObjection: keyObjectionBy(chain),
        others: (chain.others ?? []).map((other) => ({ keyObjection: keyObjectionBy(other) })),
    };
}
