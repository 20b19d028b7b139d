/** What the chain says of a node: read by a worker of itself, and by a gateway before it trusts a worker's word. */
import { isTestOnly, Node, nodeStates, parseOffers, Provider, Rates, Standing } from '@cocoon-market/wrappers';
import { Address } from '@ton/core';
import { Chain, ChainReader } from './chain';

export interface NodeRecord {
    provider: Address;
    receiptKey: Buffer; // Ed25519, 32 bytes
    encryptionKey: Buffer; // X25519, 32 bytes
    offers: { model: Buffer; rates: Rates }[]; // model: SHA-256 of the catalogue id
    jailed: boolean; // its provider is in jail, or has less stake than its nodes require
}

/** The node was closed by its provider: it takes no new jobs, and what it owes and is owed is still there. */
export class NodeClosed extends Error {
    constructor(address: Address) {
        super(`The node ${address.toString()} is closed`);
        this.name = 'NodeClosed';
    }
}

function bytes32(value: bigint): Buffer {
    return Buffer.from(value.toString(16).padStart(64, '0'), 'hex');
}

/**
 * Reads an open node of the market that `registry` names.
 * @throws NodeClosed; else an Error that says what is wrong: no such node, other code than this release's, or another registry's.
 */
export async function readNode(chain: Chain, registry: Address, address: Address): Promise<NodeRecord> {
    const account = await chain.account(address);
    const blank = await Node.ofProvider(registry, 0);
    if (account.state !== 'active' || account.code === undefined) {
        const shown = address.toString({ testOnly: isTestOnly(chain.network) });
        throw new Error(`There is no node at ${shown} on network ${chain.network}: look at node, network and endpoint`);
    }
    if (!account.code.hash().equals(blank.init!.code.hash())) {
        throw new Error(`The account ${address.toString()} does not run a node's code`);
    }
    const node = chain.open(Node.fromAddress(address));
    const state = await node.getNodeState();
    if (state.state !== nodeStates.open) {
        throw new NodeClosed(address);
    }
    const { jailed } = await standingOf(chain, registry, state.provider);
    const genuine = await Node.ofProvider(state.provider, Number(state.number));
    if (!genuine.address.equals(address)) {
        throw new Error(`The account ${address.toString()} is not node ${state.number} of the provider it names`);
    }
    const listing = await node.getNodeListing();
    return {
        provider: state.provider,
        receiptKey: bytes32(state.receiptKey),
        encryptionKey: bytes32(state.encryptionKey),
        jailed,
        offers: parseOffers(listing.offers).map(({ model, ...rates }) => ({ model: bytes32(model), rates })),
    };
}

const KEY_SECONDS = 60; // a key that ends within this time has ended, for the next look at it comes later

/** A key of a node, and its provider's account. */
export interface NodeKey {
    node: Address;
    provider: Address;
    receiptKey: Buffer; // Ed25519, 32 bytes
}

/**
 * What stands behind receipts of a key of a node that {@link readNode} has found genuine.
 * @throws Error if the API does not answer
 */
export async function readLiability(
    chain: ChainReader,
    { node, provider, receiptKey }: NodeKey,
): Promise<{ fault: string | undefined; jailed: boolean }> {
    const { state: account, at } = await chain.account(node);
    if (account !== 'active') {
        return { fault: 'its node is no more', jailed: false };
    }
    const key = BigInt(`0x${receiptKey.toString('hex')}`);
    const { state, endsAt, left } = await chain.open(Node.fromAddress(node)).getKeyLiability(key);
    if (state !== nodeStates.open) {
        return { fault: 'its node is closed', jailed: false };
    }
    if (Number(endsAt) <= at + KEY_SECONDS) {
        return { fault: 'the key that signs its receipts has ended', jailed: false };
    }
    if (left <= 0n) {
        return { fault: "nothing of its share of the stake is left for its key's receipts", jailed: false };
    }
    return { fault: undefined, jailed: (await chain.open(Provider.fromAddress(provider)).getStanding()).jailed };
}

async function standingOf(chain: Chain, registry: Address, address: Address): Promise<Standing> {
    const account = await chain.account(address);
    if (account.state !== 'active') {
        throw new Error(`There is no provider at ${address.toString()}`);
    }
    const provider = chain.open(Provider.fromAddress(address));
    const state = await provider.getProviderState();
    const genuine = await Provider.ofOwner(registry, state.owner);
    if (!genuine.address.equals(address)) {
        throw new Error(`The provider ${address.toString()} does not belong to the registry ${registry.toString()}`);
    }
    return provider.getStanding();
}
