/** What a client reads of accounts, through whatever opens contracts: TonClient, TonClient4 or the like. */
import {
    type Actor,
    bytesToNumber,
    channelCodes,
    channelData,
    codeId,
    codeKinds,
    codesOfThisCheckout,
    Escrow,
    type JobParameters,
    loadChannelData,
    Node,
    nodeStates,
    numberToBytes,
    parseOffers,
    parseService,
    Provider,
    type Rates,
    Registry,
} from '@cocoon-market/wrappers';
import { Address, Cell, type Contract, type ContractProvider } from '@ton/core';
import { ClientError } from './errors';

/** What opens contracts, such as a TonClient. */
export type ChainAccess = Pick<Actor, 'open'>;

/** An account as the chain has it. */
export interface AccountReading {
    isActive: boolean;
    balance: bigint; // nanoTON
    code: Cell | undefined;
    data: Cell | undefined;
}

class Account implements Contract {
    constructor(readonly address: Address) {}

    async getReading(provider: ContractProvider): Promise<AccountReading> {
        const { balance, state } = await provider.getState();
        const cellOf = (boc: Buffer | null | undefined) => (boc ? Cell.fromBoc(boc)[0] : undefined);
        return state.type === 'active'
            ? { isActive: true, balance, code: cellOf(state.code), data: cellOf(state.data) }
            : { isActive: false, balance, code: undefined, data: undefined };
    }
}

/** Reads one account. */
export const readAccount = (chain: ChainAccess, address: Address): Promise<AccountReading> =>
    chain.open(new Account(address)).getReading();

/** An open node as the chain has it. */
export interface ListedNode {
    address: Address;
    provider: Address;
    receiptKey: Buffer; // Ed25519
    encryptionKey: Buffer; // X25519
    offers: { model: Buffer; rates: Rates }[]; // model: SHA-256 of the catalogue id
    endpoint: string; // URL of its worker
}

/**
 * Reads an open node of the market that `registry` names, whose stake still covers its receipts.
 * @throws {ClientError} `wrong_node`
 */
export async function readNode(chain: ChainAccess, registry: Address, address: Address): Promise<ListedNode> {
    const refuse = (reason: string) =>
        new ClientError('wrong_node', `The account ${address.toString()} ${reason}`, 'Choose another node.');
    const account = await readAccount(chain, address);
    const { node: code } = await codesOfThisCheckout();
    if (!account.isActive || account.code?.hash().equals(code.hash()) !== true) {
        throw refuse('is no node of this release');
    }
    const node = chain.open(Node.fromAddress(address));
    const state = await node.getNodeState();
    if (state.state !== nodeStates.open) {
        throw refuse('is a node that was closed');
    }
    const genuine = await Node.ofProvider(state.provider, Number(state.number));
    if (!genuine.address.equals(address)) {
        throw refuse('is not the node of the provider that it names');
    }
    await requireProvider(chain, registry, state.provider, refuse);
    const { endsAt, slashable } = await node.getKeyLiability(state.receiptKey);
    if (slashable <= 0n || endsAt <= BigInt(Math.floor(Date.now() / 1000))) {
        throw refuse('is a node whose stake covers no more receipts of its key');
    }
    const listing = await node.getNodeListing();
    return {
        address,
        provider: state.provider,
        receiptKey: numberToBytes(state.receiptKey),
        encryptionKey: numberToBytes(state.encryptionKey),
        offers: parseOffers(listing.offers).map(({ model, ...rates }) => ({ model: numberToBytes(model), rates })),
        endpoint: parseService(listing.service).endpoint,
    };
}

// The address of a Provider proves code, registry and owner. The code is this release's, or one of the registry.
async function requireProvider(
    chain: ChainAccess,
    registry: Address,
    address: Address,
    refuse: (reason: string) => ClientError,
): Promise<void> {
    const { code, isActive } = await readAccount(chain, address);
    if (!isActive || code === undefined) {
        throw refuse('names a provider that does not exist');
    }
    const provider = chain.open(Provider.fromAddress(address));
    const { owner } = await provider.getProviderState();
    if (!(await Provider.ofOwner(registry, owner, code)).address.equals(address)) {
        throw refuse('belongs to another market');
    }
    const { provider: own } = await codesOfThisCheckout();
    if (!code.equals(own) && !(await hasProviderCode(chain, registry, codeId(code).hash))) {
        throw refuse('has a provider with a code that the market does not know');
    }
    if ((await provider.getStanding()).jailed) {
        throw refuse('has a provider in jail, or with less stake than its nodes require');
    }
}

async function hasProviderCode(chain: ChainAccess, registry: Address, wanted: bigint): Promise<boolean> {
    const opened = chain.open(Registry.fromAddress(registry));
    for (let version = 0n; ; version++) {
        const hash = await opened.getCodeHash(BigInt(codeKinds.provider), version);
        if (hash === 0n || hash === wanted) {
            return hash !== 0n;
        }
    }
}

/** What opens the next job of an escrow: its order number, and the code of its channels. */
export interface EscrowReading {
    seqno: number;
    code: Cell;
}

/** Reads an escrow. @throws {ClientError} `not_set_up`; `spendKey`: the one that it must have, if any. */
export async function readEscrow(chain: ChainAccess, address: Address, spendKey?: Buffer): Promise<EscrowReading> {
    const refuse = (reason: string) =>
        new ClientError('not_set_up', `The escrow ${address.toString()} ${reason}`, 'Its owner calls setUpEscrow.');
    if (!(await readAccount(chain, address)).isActive) {
        throw refuse('does not exist');
    }
    const state = await chain.open(Escrow.fromAddress(address)).getEscrowState();
    if (spendKey !== undefined && state.spendKey !== bytesToNumber(spendKey)) {
        throw refuse('has another spend key than this client');
    }
    const code = (await channelCodes()).find((one) => state.codeHash === bytesToNumber(one.hash()));
    if (code === undefined) {
        throw refuse('opens channels of another version');
    }
    return { seqno: Number(state.seqno), code };
}

/** What the chain says of a job's channel. `fresh`: it is as it was deployed. */
export type ChannelReading =
    | { type: 'absent' }
    | { type: 'foreign' } // another code, or data of another job
    | { type: 'active'; fresh: boolean; balance: bigint; paid: bigint; refundAt: number };

/** Reads the channel of a job. */
export async function readChannel(
    chain: ChainAccess,
    { channel, escrow, parameters }: { channel: Address; escrow: Address; parameters: JobParameters },
): Promise<ChannelReading> {
    const { isActive, code, data, balance } = await readAccount(chain, channel);
    if (!isActive || code === undefined || data === undefined) {
        return { type: 'absent' };
    }
    const isChannel = (await channelCodes()).some((one) => one.hash().equals(code.hash()));
    if (!isChannel) {
        return { type: 'foreign' };
    }
    const { paid, refundAt, voucherKey, payout, job, escrow: owner } = loadChannelData(data);
    const isOurs =
        voucherKey.equals(parameters.voucherKey) &&
        payout.equals(parameters.payout) &&
        job === parameters.job &&
        owner.equals(escrow);
    if (!isOurs) {
        return { type: 'foreign' };
    }
    const fresh = data.hash().equals(channelData(escrow, parameters).hash());
    return { type: 'active', fresh, balance, paid, refundAt };
}
