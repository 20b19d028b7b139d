/** What a client reads of accounts, through whatever opens contracts: TonClient, TonClient4 or the like. */
import {
    bytesToNumber,
    channelCodes,
    channelData,
    Escrow,
    type JobParameters,
    loadChannelData,
    numberToBytes,
} from '@cocoon-market/wrappers';
import type { Market } from '@cocoon-market/wrappers/market';
import { Address, Cell, type Contract, type ContractProvider } from '@ton/core';
import type { ComparedNode } from '../offchain/link';
import { ClientError } from './errors';
import type { ChainAccess } from './types';

/** An account as the chain has it. */
export interface AccountView {
    isActive: boolean;
    balance: bigint; // nanoTON
    code: Cell | undefined;
    data: Cell | undefined;
}

class Account implements Contract {
    constructor(readonly address: Address) {}

    async getReading(provider: ContractProvider): Promise<AccountView> {
        const { balance, state } = await provider.getState();
        const cellOf = (boc: Buffer | null | undefined) => (boc ? Cell.fromBoc(boc)[0] : undefined);
        return state.type === 'active'
            ? { isActive: true, balance, code: cellOf(state.code), data: cellOf(state.data) }
            : { isActive: false, balance, code: undefined, data: undefined };
    }
}

/** Reads one account. */
export const readAccount = (chain: ChainAccess, address: Address): Promise<AccountView> =>
    chain.open(new Account(address)).getReading();

/** An open node as the chain has it, compared with what its worker says. */
export interface CheckedNode extends ComparedNode {
    address: Address;
    provider: Address;
    endpoint: string; // URL of its worker
}

/** What reads the nodes of a market: a `Market` of the wrappers. */
export type NodeReader = Pick<Market, 'readNode'>;

/**
 * Reads an open node of a market, whose stake still covers its receipts.
 * @throws {ClientError} `wrong_node`; what the market throws
 */
export async function readNode(market: NodeReader, address: Address): Promise<CheckedNode> {
    const refuse = (reason: string) =>
        new ClientError('wrong_node', `The node ${address.toString()} ${reason}`, 'Choose another node.');
    const { provider, endpoint, receiptKey, encryptionKey, offers, isJailed, slashable } =
        await market.readNode(address);
    if (isJailed) {
        throw refuse('has a provider in jail, or with less stake than its nodes require');
    }
    if (endpoint === undefined) {
        throw refuse('lists no URL of a worker');
    }
    if (slashable <= 0n) {
        throw refuse('has no stake any more that covers receipts of its key');
    }
    const rated = offers.map(({ model, ...rates }) => ({ model: numberToBytes(model), rates }));
    return { ...{ address, provider, endpoint, receiptKey, encryptionKey }, offers: rated };
}

/** What opens the next job of an escrow: its order number, and the code of its channels. */
export interface NextOrder {
    seqno: number;
    code: Cell;
}

/** Reads an escrow. @throws {ClientError} `not_set_up`; `spendKey`: the one that it must have, if any. */
export async function readEscrow(chain: ChainAccess, address: Address, spendKey?: Buffer): Promise<NextOrder> {
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
export type ChannelStanding =
    | { type: 'absent' }
    | { type: 'foreign' } // another code, or data of another job
    | { type: 'active'; fresh: boolean; balance: bigint; paid: bigint; refundAt: number };

/** Reads the channel of a job. */
export async function readChannel(
    chain: ChainAccess,
    { channel, escrow, parameters }: { channel: Address; escrow: Address; parameters: JobParameters },
): Promise<ChannelStanding> {
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
