/**
 * Runs messages on a copy of the accounts that they touch, before anything is sent. This shows what they cost and
 * what a contract would refuse.
 */
import { channelCode, errorName, sizeOf } from '@cocoon-market/wrappers';
import { type Address, beginCell, Cell, Dictionary, storeAccountStorage, type Transaction } from '@ton/core';
import { Blockchain, internal, RemoteBlockchainStorage, type SmartContract } from '@ton/sandbox';
import { messageLabel } from './output';
import type { ScriptSession } from './session';
import type { Outgoing } from './wallet';

/** The outcome of a try. */
export interface Forecast {
    back: bigint; // nanoTON that come back to the wallet
    refused?: string; // the reason of the first contract that refuses
}

const MAX_EMULATED = 24; // messages; further ones cost as much

/** Tries messages of the acting wallet. Undefined where the network's own configuration cannot be read. */
export async function forecast(session: ScriptSession, messages: readonly Outgoing[]): Promise<Forecast | undefined> {
    const blockchain = await copyOf(session);
    if (blockchain === undefined) {
        return undefined;
    }
    const tried = messages.slice(0, MAX_EMULATED);
    let back = 0n;
    for (const message of tried) {
        const { to } = message;
        for (const transaction of await attempt(session, blockchain, message)) {
            const why = refusalIn(transaction);
            if (why !== undefined) {
                return {
                    back: 0n,
                    refused: `${messageLabel(message)} to ${session.format(to)} would be refused: ${why}`,
                };
            }
            back += arrivedAt(session, transaction);
        }
    }
    return { back: (back * BigInt(messages.length)) / BigInt(tried.length) };
}

/** What an account would hold after messages of the acting wallet. Undefined where that cannot be tried. */
export async function balanceAfter(
    session: ScriptSession,
    messages: readonly Outgoing[],
    account: Address,
): Promise<bigint | undefined> {
    const blockchain = await copyOf(session);
    if (blockchain === undefined) {
        return undefined;
    }
    for (const message of messages) {
        await attempt(session, blockchain, message);
    }
    return (await blockchain.getContract(account)).balance;
}

/** A chain whose accounts are copies of the network's; undefined where its configuration cannot be read. */
async function copyOf(session: ScriptSession): Promise<Blockchain | undefined> {
    const config = await session.config();
    if (config === undefined) {
        return undefined;
    }
    const blockchain = await Blockchain.create({ config, storage: new Copies(storageOf(session), 0) });
    blockchain.now = await session.now();
    blockchain.libs = beginCell()
        .storeDictDirect(await libraries())
        .endCell();
    return blockchain;
}

async function attempt(
    session: ScriptSession,
    blockchain: Blockchain,
    { to, value, body, init, bounce = true }: Outgoing,
): Promise<Transaction[]> {
    const state = init === undefined ? {} : { stateInit: init };
    const message = internal({ from: session.actor, to, value, body, bounce, ...state });
    return (await blockchain.sendMessage(message)).transactions;
}

/**
 * Accounts with their real size. The emulator aborts when an account of size 0 shrinks, for example by a smaller
 * balance.
 */
class Copies extends RemoteBlockchainStorage {
    private readonly sized = new WeakSet<SmartContract>();

    override async getContract(blockchain: Blockchain, address: Address): Promise<SmartContract> {
        const contract = await super.getContract(blockchain, address);
        const shard = contract.account;
        if (!this.sized.has(contract) && shard.account) {
            const { storage, storageStats } = shard.account;
            storageStats.used = sizeOf(beginCell().store(storeAccountStorage(storage)).endCell());
            contract.account = shard;
        }
        this.sized.add(contract);
        return contract;
    }
}

function storageOf(session: ScriptSession): ConstructorParameters<typeof RemoteBlockchainStorage>[0] {
    return {
        getLastBlockSeqno: async () => 0,
        getAccount: async (_, address) => {
            const { balance, last, state } = await session.stateOf(address);
            const cell = (boc: Buffer | null | undefined) => (boc == null ? undefined : Cell.fromBoc(boc)[0]);
            return {
                state:
                    state.type === 'active'
                        ? { type: 'active', state: { code: cell(state.code), data: cell(state.data) } }
                        : { type: 'uninit' },
                balance,
                ...(last === null ? {} : { lastTransaction: { lt: last.lt, hash: last.hash } }),
            };
        },
    };
}

// The one code that accounts of the market may hold as a library.
async function libraries(): Promise<Dictionary<Buffer, Cell>> {
    const code = await channelCode();
    return Dictionary.empty(Dictionary.Keys.Buffer(32), Dictionary.Values.Cell()).set(code.hash(), code);
}

// Only bounceable messages count. Whether a wallet accepts coins that arrive does not say whether the message worked.
function refusalIn({ description, inMessage }: Transaction): string | undefined {
    if (inMessage?.info.type !== 'internal' || !inMessage.info.bounce) {
        return undefined;
    }
    if (description.type !== 'generic' || description.computePhase.type !== 'vm') {
        return undefined;
    }
    const { computePhase, actionPhase } = description;
    if (!computePhase.success) {
        return errorName(computePhase.exitCode);
    }
    return actionPhase === null || actionPhase === undefined || actionPhase.success
        ? undefined
        : `what it has to send cannot be sent (${actionPhase.resultCode})`;
}

function arrivedAt(session: ScriptSession, { inMessage, description }: Transaction): bigint {
    const { info } = inMessage!;
    const arrived = info.type === 'internal' && info.dest.equals(session.actor);
    const stays = description.type !== 'generic' || !description.aborted || description.computePhase.type === 'skipped';
    return arrived && stays ? info.value.coins : 0n;
}
