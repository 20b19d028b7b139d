/** The accounts of a market by the kinds of senders: wallets, and contracts by their computed addresses. */
import { Address, Cell, contractAddress } from '@ton/core';
import { Blockchain } from '@ton/sandbox';
import {
    Channel,
    channelCode,
    Dispute,
    Escrow,
    JobParameters,
    Library,
    Node,
    Provider,
    Registry,
} from '@cocoon-market/wrappers';
import { Foreign } from '@cocoon-market/wrappers/Foreign';
import { START } from '../support/chain';
import { voucherKey } from '../support/market';
import { CHANGE_DELAY, DAY } from '../support/stake';
import { Wallet, walletOf } from '../support/wallet';
import { Receiver } from './table';

type Contract = { address: Address; init?: { code: Cell; data: Cell } };

/** Accounts by name. Of the twin, of external messages and of the sender there is none. */
export type Accounts = Partial<Record<Receiver, Address>>;

export interface Cast {
    accounts: Accounts;
    wallets: Record<string, Wallet>;
    node: Contract;
    provider: Contract;
    nodeOf(number: number): Promise<Contract>;
}

const WALLETS = ['governor', 'successor', 'owner', 'operator', 'worker', 'client', 'reporter', 'stranger', 'insurance'];

/** The names of the wallets in the fixtures of tests/support, where they are other ones. */
type Names = Partial<Record<string, string>>;

/** A job of the client with this number. */
function jobParameters(now: number, worker: Address, number: number): JobParameters {
    return { end: now + 30 * DAY, notice: DAY, voucherKey: voucherKey.publicKey, payout: worker.hash, job: number };
}

/** The account with these first data and other code. */
async function forged({ init }: Contract, owner: Address): Promise<Address> {
    const { code } = (await Foreign.fromInit(owner, 0n)).init!;
    return contractAddress(0, { code, data: init!.data });
}

type Contracts = Omit<Cast, 'wallets'>;

// By the names of the wallets: the same on every blockchain, and computing them takes longer than many a scene.
const contracts = new Map<string, Promise<Contracts>>();

/** All accounts of a market whose wallets are the blockchain's treasuries of these names. */
export async function castOf(blockchain: Blockchain, names: Names = {}): Promise<Cast> {
    const wallets: Record<string, Wallet> = {};
    for (const name of WALLETS) {
        wallets[name] = await walletOf(blockchain, names[name] ?? name);
    }
    const key = JSON.stringify(names);
    const made = contracts.get(key) ?? contractsOf(wallets);
    contracts.set(key, made);
    return { ...(await made), wallets };
}

async function contractsOf(wallets: Record<string, Wallet>): Promise<Contracts> {
    const { governor, owner, worker, client, stranger } = wallets;
    const registry = await Registry.ofGovernor(governor.address, CHANGE_DELAY);
    const provider = await Provider.ofOwner(registry.address, owner.address);
    const node = await Node.ofProvider(provider.address, 0);
    const escrow = await Escrow.ofOwner(client.address);
    const [first, second] = [0, 1].map((number) => jobParameters(START, worker.address, number));
    const channel = await Channel.ofJob(escrow.address, first);
    const accounts: Accounts = {
        ...Object.fromEntries(Object.entries(wallets).map(([name, { address }]) => [name, address])),
        Registry: registry.address,
        Provider: provider.address,
        Node: node.address,
        Escrow: escrow.address,
        Channel: channel.address,
        Library: (await Library.ofHash((await channelCode()).hash())).address,
        'other Registry': (await Registry.ofGovernor(stranger.address, CHANGE_DELAY)).address,
        'other Provider': (await Provider.ofOwner(registry.address, stranger.address)).address,
        'other Node': (await Node.ofProvider(provider.address, 7)).address,
        'other Escrow': (await Escrow.ofOwner(stranger.address)).address,
        'other Channel': (await Channel.ofJob(escrow.address, second)).address,
        'forged Provider': await forged(provider, owner.address),
        'forged Node': await forged(node, owner.address),
        'forged Channel': await forged(channel, owner.address),
    };
    const nodeOf = (number: number) => Node.ofProvider(provider.address, number);
    return { accounts, node, provider, nodeOf };
}

/** Adds the Disputes about the first query of a job, another one, and a forged one. */
export async function withDisputes(cast: Cast, faultClass: 'A3' | 'B1', job: Buffer): Promise<Accounts> {
    const disputeOf = (query: number) => Dispute.ofFault(cast.provider.address, { class: faultClass, job, query });
    const dispute = await disputeOf(1);
    return {
        ...cast.accounts,
        Dispute: dispute.address,
        'other Dispute': (await disputeOf(2)).address,
        'forged Dispute': await forged(dispute, cast.accounts.owner!),
    };
}
