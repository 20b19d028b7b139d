/** Reads a node from the chain: a worker reads its own node, a gateway every node whose worker it pays. */
import {
    bytesToNumber,
    Node,
    nodeStates,
    numberToBytes,
    parseOffers,
    parseService,
    Provider,
    Rates,
    Service,
    Standing,
} from '@cocoon-market/wrappers';
import { Address } from '@ton/core';
import { addressText } from '../process/addresses';
import type { Chain, ChainReader } from './chain';
import { isProviderOf } from './provider';

/** An open node as the chain has it. */
export interface ListedNode {
    provider: Address;
    receiptKey: Buffer; // Ed25519, 32 bytes
    encryptionKey: Buffer; // X25519, 32 bytes
    offers: { model: Buffer; rates: Rates }[]; // model: SHA-256 of the catalogue id
    jailed: boolean; // its provider is jailed, or has less stake than its nodes require
    share: bigint; // nanoTON of the stake that it requires
    service: Service;
}

/** The provider has closed the node: it takes no new jobs. Its debts and vouchers remain. */
export class NodeClosed extends Error {
    constructor(address: Address, network: { network: number }) {
        super(`The node ${addressText(address, network)} is closed`);
        this.name = 'NodeClosed';
    }
}

/**
 * Reads an open node of the market that `registry` names.
 * @throws NodeClosed; an Error for a missing node, code that is not this release's, or a node of another registry
 */
export async function readNode(
    chain: ChainReader & Pick<Chain, 'network'>,
    registry: Address,
    address: Address,
): Promise<ListedNode> {
    const text = (account: Address) => addressText(account, chain);
    const account = await chain.account(address);
    const blank = await Node.ofProvider(registry, 0);
    if (account.state !== 'active' || account.code === undefined) {
        throw new Error(
            `No node exists at ${text(address)} on network ${chain.network}: check node, network and endpoint`,
        );
    }
    if (!account.code.hash().equals(blank.init!.code.hash())) {
        throw new Error(`The account ${text(address)} does not run a node's code`);
    }
    const node = chain.open(Node.fromAddress(address));
    const state = await node.getNodeState();
    if (state.state !== nodeStates.open) {
        throw new NodeClosed(address, chain);
    }
    const { jailed } = await standingOf(chain, registry, state.provider);
    const genuine = await Node.ofProvider(state.provider, Number(state.number));
    if (!genuine.address.equals(address)) {
        throw new Error(`The account ${text(address)} is not node ${state.number} of the provider it names`);
    }
    const listing = await node.getNodeListing();
    return {
        provider: state.provider,
        receiptKey: numberToBytes(state.receiptKey),
        encryptionKey: numberToBytes(state.encryptionKey),
        jailed,
        share: state.share,
        service: parseService(listing.service),
        offers: parseOffers(listing.offers).map(({ model, ...rates }) => ({ model: numberToBytes(model), rates })),
    };
}

const KEY_SECONDS = 60; // a key that ends within this time counts as ended, because the next reading comes later

/** A key of a node, and its provider's account. */
export interface NodeKey {
    node: Address;
    provider: Address;
    receiptKey: Buffer; // Ed25519, 32 bytes
}

/**
 * Whether stake still covers the receipts of a key, of a node that {@link readNode} has verified: undefined, or why it
 * does not. `slashable`: nanoTON that its receipts may still cost.
 * @throws Error if the API does not answer
 */
export async function readLiability(
    chain: ChainReader,
    { node, provider, receiptKey }: NodeKey,
): Promise<{ rejection: string | undefined; jailed: boolean; slashable: bigint }> {
    const { state: account, at } = await chain.account(node);
    if (account !== 'active') {
        return { rejection: 'its node no longer exists', jailed: false, slashable: 0n };
    }
    const key = bytesToNumber(receiptKey);
    const { state, endsAt, slashable } = await chain.open(Node.fromAddress(node)).getKeyLiability(key);
    const rejections: [boolean, string][] = [
        [state !== nodeStates.open, 'its node is closed'],
        [Number(endsAt) <= at + KEY_SECONDS, 'the key that signs its receipts has ended'],
        [slashable <= 0n, "its key's share of the stake is used up"],
    ];
    const rejection = rejections.find(([applies]) => applies)?.[1];
    const readJailed = async () => (await chain.open(Provider.fromAddress(provider)).getStanding()).jailed;
    return { rejection, jailed: rejection === undefined && (await readJailed()), slashable };
}

async function standingOf(
    chain: ChainReader & Pick<Chain, 'network'>,
    registry: Address,
    address: Address,
): Promise<Standing> {
    const account = await chain.account(address);
    if (account.state !== 'active') {
        throw new Error(`No provider exists at ${addressText(address, chain)}`);
    }
    const provider = chain.open(Provider.fromAddress(address));
    const { owner } = await provider.getProviderState();
    if (!(await isProviderOf(chain, { registry, owner }, address))) {
        const market = addressText(registry, chain);
        throw new Error(`The provider ${addressText(address, chain)} does not belong to the registry ${market}`);
    }
    return provider.getStanding();
}
