/** The chain as worker and gateway use it: reads and external messages through a public HTTP API. */
import { type ChainPrices, numberToBytes, readPrices } from '@cocoon-market/wrappers';
import {
    Address,
    beginCell,
    Cell,
    type Contract,
    external,
    loadTransaction,
    type OpenedContract,
    storeMessage,
    type Transaction,
} from '@ton/core';
import { TonClient } from '@ton/ton';
import { ChainApi } from './api';
import type { Urgency } from './budget';
import { type EndpointSettings, paramOf } from './endpoint';
import { ChainError } from './errors';

/** One account at time `at`, as the API answers. */
export interface ChainAccount {
    state: 'active' | 'uninitialized' | 'frozen';
    balance: bigint; // nanoTON
    code: Cell | undefined;
    data: Cell | undefined;
    at: number; // unix seconds of the chain
}

/** An external message that an account took. */
export interface Accepted {
    lt: bigint; // of the transaction
    at: number; // unix seconds
    body: Cell;
}

/** An external message out of an account: an event. */
export interface Emitted extends Accepted {
    unreadable?: Error; // why the transaction could not be read; then `body` is empty
}

/** A transaction of an account, with all that changed its balance. */
export interface AccountTransaction {
    lt: bigint;
    hash: Buffer;
    previous: { lt: bigint; hash: Buffer }; // of the same account; lt 0 for the first
    at: number; // unix seconds
    order: string | undefined; // hash (hex) of the body of the external message that it took
    received: AccountTransfer | undefined;
    sent: AccountTransfer[];
    fees: bigint; // nanoTON: gas, storage, and the fees of its messages
}

/** Money from or to another account. */
export interface AccountTransfer {
    account: Address;
    amount: bigint; // nanoTON
}

/** Reads accounts. */
export interface AccountReader {
    account(address: Address): Promise<ChainAccount>;
}

/** Reads accounts and runs getters. */
export interface ChainReader extends AccountReader {
    /** The contract with its getters bound to this chain. */
    open<T extends Contract>(contract: T): OpenedContract<T>;
}

/** Reads the events of accounts. */
export interface EventReader {
    /** The external messages that an account sent in transactions later than `cursor` (lt), newest first. */
    emitted(address: Address, cursor: bigint): AsyncIterable<Emitted>;
}

export interface Chain extends ChainReader, EventReader {
    readonly network: number; // -239 mainnet, -3 testnet
    /** Each endpoint alone, where there are several. The answers of this chain are compared with theirs. */
    readonly others?: readonly (ChainReader & Partial<EventReader>)[];
    /** This chain with calls of another urgency; the default is 'routine'. */
    as(urgency: Urgency): Chain;
    /** Several accounts in as few calls as the API allows, in the order of the addresses. */
    accountsAt(addresses: readonly Address[]): Promise<ChainAccount[]>;
    /** The transactions of an account later than `cursor` (lt), newest first. */
    history(address: Address, cursor: bigint): AsyncIterable<AccountTransaction>;
    /** The external messages that an account took, newest first. */
    accepted(address: Address): AsyncIterable<Accepted>;
    /**
     * Sends an external message. The same message may be sent again at any time.
     * @throws ChainError with an exit code when the contract refuses it; with `unknown` when it may have arrived
     */
    sendExternal(to: Address, body: Cell, init?: { code: Cell; data: Cell }): Promise<void>;
    /** The prices of the basechain now. */
    prices(): Promise<ChainPrices>;
}

/** The endpoints of a chain: one or several, of which the first is asked while it serves. */
export interface ChainSettings {
    network: number; // of every endpoint
    endpoint: string | readonly (string | EndpointSettings)[];
    apiKey?: string | undefined; // of the first endpoint
}

const PAGE = 50; // transactions in one call

/** A client that returns raw transactions, so that one which cannot be read does not hide the others. */
class Client extends TonClient {
    transactions(address: Address, from: Parameters<TonClient['getTransactions']>[1]) {
        return this.api.getTransactions(address, from);
    }
}

type RawTransaction = Awaited<ReturnType<Client['transactions']>>[number];

/** The chain behind TON HTTP API v2 endpoints, such as `https://toncenter.com/api/v2/jsonRPC` or a local network's. */
export class TonHttpChain implements Chain {
    readonly network: number;
    /** The client that makes its calls. */
    readonly api: ChainApi;
    private readonly client: Client;

    constructor(
        private readonly settings: ChainSettings,
        private readonly view: { api?: ChainApi; urgency?: Urgency; only?: number } = {},
    ) {
        this.network = settings.network;
        const endpoints = endpointsOf(settings);
        this.api = view.api ?? new ChainApi(endpoints, settings.network);
        this.client = new Client({
            endpoint: endpoints[0].url,
            httpAdapter: this.api.adapter(view.urgency, view.only),
        });
    }

    /** One chain for each endpoint, which asks that endpoint only. */
    get sources(): TonHttpChain[] {
        return this.api.names.map((_, only) => this.withView({ only }));
    }

    get others(): TonHttpChain[] {
        return this.api.names.length > 1 ? this.sources : [];
    }

    as(urgency: Urgency): TonHttpChain {
        return this.withView({ urgency });
    }

    async account(address: Address): Promise<ChainAccount> {
        const state = await this.client.getContractState(address);
        return {
            state: state.state,
            balance: state.balance,
            code: state.code === null ? undefined : Cell.fromBoc(state.code)[0],
            data: state.data === null ? undefined : Cell.fromBoc(state.data)[0],
            at: state.timestampt,
        };
    }

    accountsAt(addresses: readonly Address[]): Promise<ChainAccount[]> {
        return Promise.all(addresses.map((address) => this.account(address)));
    }

    async *emitted(address: Address, cursor: bigint): AsyncGenerator<Emitted> {
        for await (const raw of this.transactions(address, cursor)) {
            yield* emittedIn(raw).reverse();
        }
    }

    async *accepted(address: Address): AsyncGenerator<Accepted> {
        for await (const raw of this.transactions(address, 0n)) {
            const accepted = acceptedIn(raw);
            if (accepted !== undefined) {
                yield accepted;
            }
        }
    }

    async *history(address: Address, cursor: bigint): AsyncGenerator<AccountTransaction> {
        for await (const { data } of this.transactions(address, cursor)) {
            yield transactionOf(loadTransaction(Cell.fromBase64(data).beginParse()));
        }
    }

    async sendExternal(to: Address, body: Cell, init?: { code: Cell; data: Cell }): Promise<void> {
        const message = beginCell().store(storeMessage(external({ to, body, ...(init && { init }) })));
        await this.client.sendFile(message.endCell().toBoc());
    }

    open<T extends Contract>(contract: T): OpenedContract<T> {
        return this.client.open(contract);
    }

    prices(): Promise<ChainPrices> {
        return readPrices((id) => this.param(id), 'basechain');
    }

    private async param(id: number): Promise<Cell> {
        const answer = await this.api.call('getConfigParam', { config_id: id }, this.view.urgency, this.view.only);
        try {
            return paramOf(answer);
        } catch {
            throw new ChainError(`${this.api.names[0]} does not give parameter ${id} of the network's configuration`);
        }
    }

    private withView(view: { urgency?: Urgency; only?: number }): TonHttpChain {
        return new TonHttpChain(this.settings, { ...this.view, ...view, api: this.api });
    }

    private async *transactions(address: Address, cursor: bigint): AsyncGenerator<RawTransaction> {
        const fetch = (from?: RawTransaction) =>
            this.client.transactions(address, {
                limit: PAGE,
                archival: true, // servers without it have the last two days only
                to_lt: cursor.toString(),
                ...(from && { lt: from.transaction_id.lt, hash: from.transaction_id.hash }),
            });
        for (let page = await fetch(); page.length > 0; page = await fetch(page.at(-1))) {
            yield* page.filter(({ transaction_id: { lt } }) => BigInt(lt) > cursor);
        }
    }
}

function transactionOf(transaction: Transaction): AccountTransaction {
    const { lt, now: at, inMessage, outMessages, prevTransactionLt, prevTransactionHash, totalFees } = transaction;
    const [sent, feesOut] = [[] as AccountTransfer[], [totalFees.coins]];
    for (const { info } of outMessages.values()) {
        if (info.type === 'internal') {
            sent.push({ account: info.dest, amount: info.value.coins });
            feesOut.push(info.forwardFee, info.ihrFee);
        }
    }
    const received = inMessage?.info.type === 'internal' ? inMessage.info : undefined;
    const order = inMessage?.info.type === 'external-in' ? inMessage.body.hash().toString('hex') : undefined;
    return {
        ...{ lt, at, order, sent, hash: transaction.hash() },
        previous: { lt: prevTransactionLt, hash: numberToBytes(prevTransactionHash) },
        received: received && { account: received.src, amount: received.value.coins },
        fees: feesOut.reduce((sum, fee) => sum + fee, 0n),
    };
}

/** The external message of a transaction; undefined when it has none or cannot be read. */
function acceptedIn({ data }: RawTransaction): Accepted | undefined {
    try {
        const { lt, now: at, inMessage } = loadTransaction(Cell.fromBase64(data).beginParse());
        return inMessage?.info.type === 'external-in' ? { lt, at, body: inMessage.body } : undefined;
    } catch {
        return undefined;
    }
}

/** The external messages out of a transaction, in their order. */
function emittedIn({ data, transaction_id, utime }: RawTransaction): Emitted[] {
    try {
        const { lt, now: at, outMessages } = loadTransaction(Cell.fromBase64(data).beginParse());
        const messages = outMessages.values().filter(({ info }) => info.type === 'external-out');
        return messages.map(({ body }) => ({ lt, at, body }));
    } catch (error) {
        const unreadable = error instanceof Error ? error : new Error(String(error));
        return [{ lt: BigInt(transaction_id.lt), at: utime, body: Cell.EMPTY, unreadable }];
    }
}

/** The endpoints of these settings, each with its key. */
export function endpointsOf({ endpoint, apiKey }: ChainSettings): EndpointSettings[] {
    const each = (typeof endpoint === 'string' ? [endpoint] : endpoint).map((one) =>
        typeof one === 'string' ? { url: one } : one,
    );
    return each.map((one, i) => (i === 0 && apiKey !== undefined ? { apiKey, ...one } : one));
}
