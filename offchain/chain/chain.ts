/** All that worker and gateway know of the chain: what a public HTTP API says, and messages they send through it. */
import { Address, beginCell, Cell, external, loadTransaction, storeMessage } from '@ton/core';
import type { Contract, OpenedContract } from '@ton/core';
import { TonClient } from '@ton/ton';

/** One account as the API saw it at `at`. */
export interface Account {
    state: 'active' | 'uninitialized' | 'frozen';
    balance: bigint; // nanoTON
    code: Cell | undefined;
    data: Cell | undefined;
    at: number; // unix seconds of the chain
}

/** An internal message and what became of it at the account that got it. */
export interface Received {
    lt: bigint; // of the transaction
    at: number; // unix seconds
    from: Address;
    body: Cell;
    failed: boolean; // the transaction was undone
    unreadable?: Error; // why the transaction could not be read; `from` and `body` are empty then
}

/** The API refused a message or did not answer. */
export class ChainError extends Error {
    constructor(
        message: string,
        readonly exitCode?: number, // of an external message that its contract refused
    ) {
        super(message);
        this.name = 'ChainError';
    }
}

/** Reads accounts. */
export interface AccountReader {
    account(address: Address): Promise<Account>;
}

export interface Chain extends AccountReader {
    readonly network: number; // -239 mainnet, -3 testnet
    /** Further endpoints of this network, each asked alone: what one says is held against them. */
    readonly others?: readonly AccountReader[];
    /** The internal messages that an account took in transactions later than `after` (lt), newest first. */
    received(address: Address, after: bigint): AsyncIterable<Received>;
    /** Sends an external message. Throws ChainError when the contract refuses it. */
    sendExternal(to: Address, body: Cell, init?: { code: Cell; data: Cell }): Promise<void>;
    /** The contract with its getters bound to this chain. */
    open<T extends Contract>(contract: T): OpenedContract<T>;
}

const PAGE = 50; // transactions asked for at once
const EXIT_CODE = /exit ?code[=: ]*(-?\d+)/i;

/** A client that gives transactions as they came, so that one which cannot be read costs no other. */
class Client extends TonClient {
    transactions(address: Address, from: Parameters<TonClient['getTransactions']>[1]) {
        return this.api.getTransactions(address, from);
    }
}

type RawTransaction = Awaited<ReturnType<Client['transactions']>>[number];

/** The chain behind a TON HTTP API v2 endpoint, such as `https://toncenter.com/api/v2/jsonRPC` or a local network's. */
export class TonHttpChain implements Chain {
    private readonly client: Client;

    constructor({ endpoint, apiKey, network }: { endpoint: string; apiKey?: string; network: number }) {
        this.client = new Client({ endpoint, ...(apiKey === undefined ? {} : { apiKey }) });
        this.network = network;
    }

    readonly network: number;

    async account(address: Address): Promise<Account> {
        const state = await this.client.getContractState(address);
        return {
            state: state.state,
            balance: state.balance,
            code: state.code === null ? undefined : Cell.fromBoc(state.code)[0],
            data: state.data === null ? undefined : Cell.fromBoc(state.data)[0],
            at: state.timestampt,
        };
    }

    async *received(address: Address, after: bigint): AsyncGenerator<Received> {
        const fetch = (from?: RawTransaction) =>
            this.client.transactions(address, {
                limit: PAGE,
                archival: true, // servers without it know the last two days
                to_lt: after.toString(),
                ...(from && { lt: from.transaction_id.lt, hash: from.transaction_id.hash }),
            });
        for (let page = await fetch(); page.length > 0; page = await fetch(page.at(-1))) {
            for (const raw of page) {
                const received = BigInt(raw.transaction_id.lt) > after ? receivedIn(raw, address) : undefined;
                if (received !== undefined) {
                    yield received;
                }
            }
        }
    }

    async sendExternal(to: Address, body: Cell, init?: { code: Cell; data: Cell }): Promise<void> {
        const message = beginCell().store(
            storeMessage(external({ to, body, ...(init === undefined ? {} : { init }) })),
        );
        try {
            await this.client.sendFile(message.endCell().toBoc());
        } catch (error) {
            throw chainError(error);
        }
    }

    open<T extends Contract>(contract: T): OpenedContract<T> {
        return this.client.open(contract);
    }
}

/** The internal message of a transaction; undefined when it has none. */
function receivedIn({ data, transaction_id, utime }: RawTransaction, account: Address): Received | undefined {
    try {
        const { lt, now: at, inMessage, description } = loadTransaction(Cell.fromBase64(data).beginParse());
        if (inMessage?.info.type !== 'internal') {
            return undefined;
        }
        const failed = description.type === 'generic' && description.aborted;
        return { lt, at, from: inMessage.info.src, body: inMessage.body, failed };
    } catch (error) {
        const named = { lt: BigInt(transaction_id.lt), at: utime, from: account, body: Cell.EMPTY };
        return { ...named, failed: false, unreadable: error instanceof Error ? error : new Error(String(error)) };
    }
}

function chainError(error: unknown): ChainError {
    const answer = (error as { response?: { data?: { error?: unknown } } }).response?.data?.error;
    const text = typeof answer === 'string' ? answer : error instanceof Error ? error.message : String(error);
    const exitCode = EXIT_CODE.exec(text)?.[1];
    return new ChainError(text, exitCode === undefined ? undefined : Number(exitCode));
}
