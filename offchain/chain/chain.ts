/**
 * The chain as worker and gateway use it: reads and external messages through a public HTTP API.
 *
 * Longer than 350 lines because what a chain is and how one API gives it are best read together.
 */
import { type ChainPrices, larger, numberToBytes, readPrices, withFewEntries } from '@cocoon-market/wrappers';
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
import { addressText } from '../process/addresses';
import { type CallView, ChainApi } from './api';
import { excessOfTransaction, logicalTimeOf, MAX_HASH, smallCell } from './bags';
import type { Urgency } from './budget';
import { type EndpointSettings, paramOf } from './endpoint';
import { ChainError } from './errors';
import { majorityAnswers } from './majority';
import { Pace } from './pace';

/** One account at time `at`, as the API answers. */
export interface ChainAccount {
    state: 'active' | 'uninitialized' | 'frozen';
    balance: bigint; // nanoTON
    code: Cell | undefined; // also if it cannot be read, or is larger than any of this project; so is `data`
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

/** Names a transaction of an account. */
export interface TransactionId {
    lt: bigint;
    hash: Buffer; // of the transaction's cell
}

/** A transaction of an account, with all that changed its balance. */
export interface AccountTransaction extends TransactionId {
    previous: TransactionId; // of the same account; lt 0 for the first
    at: number; // unix seconds
    order: string | undefined; // hash (hex) of the body of the external message that it took
    received: (AccountTransfer & { isBounced: boolean }) | undefined; // bounced: what came back of a refused message
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

/** How long a list is read at most: an endpoint can make one up that has hardly an end. */
export interface ListLimit {
    seconds?: number;
    signal?: AbortSignal; // ends it
}

/** Reads the events of accounts. */
export interface EventReader {
    /**
     * The external messages that an account sent in transactions later than `cursor` (lt), newest first.
     * @throws ChainError also at the limit
     */
    emitted(address: Address, cursor: bigint, limit?: ListLimit): AsyncIterable<Emitted>;
}

/** Reads which transactions an account has. */
export interface HistoryReader {
    /** The last transaction of an account by its state; undefined before the first. */
    lastTransaction(address: Address): Promise<TransactionId | undefined>;
    /** The transactions of an account later than `cursor` (lt), newest first. */
    history(address: Address, cursor: bigint): AsyncIterable<AccountTransaction>;
}

export interface Chain extends ChainReader, EventReader, HistoryReader {
    readonly network: number; // -239 mainnet, -3 testnet
    /** The name of the endpoint that it asks, or asks first, without keys. */
    readonly name?: string;
    /** Each endpoint alone, where there are several. The answers of this chain are compared with theirs. */
    readonly others?: readonly (ChainReader & Partial<Omit<Chain, 'others'>>)[];
    /** This chain with calls of another urgency; the default is 'routine'. */
    as(urgency: Urgency): Chain;
    /** Several accounts in as few calls as the API allows, in the order of the addresses. */
    accountsAt(addresses: readonly Address[]): Promise<ChainAccount[]>;
    /**
     * The external messages that an account took, newest first.
     * @throws ChainError also at the limit
     */
    accepted(address: Address, limit?: ListLimit): AsyncIterable<Accepted>;
    /**
     * Sends an external message. The same message may be sent again at any time.
     * @throws ChainError with an exit code when the contract refuses it; with `unknown` when it may have arrived
     */
    sendExternal(to: Address, body: Cell, init?: { code: Cell; data: Cell }): Promise<void>;
    /** The prices of the basechain now. */
    prices(): Promise<ChainPrices>;
}

/** The endpoints of a chain: one or several, of which the first is asked while it serves and no calls wait for it. */
export interface ChainSettings {
    network: number; // of every endpoint
    endpoint: string | readonly (string | EndpointSettings)[];
    apiKey?: string | undefined; // of the first endpoint
}

/** Seconds by which a server of an API may be behind another. */
export const LAG_SECONDS = 120;
const MIN_MAJORITY = 3; // endpoints: of two that differ, none tells which one is wrong
const PAGE = 50; // transactions in one call
const MAX_PAGES = 20_000; // of one list: a million transactions
const MAX_MESSAGES = 256; // that a transaction sends: it has 255 actions

/** A client that returns raw transactions, so that one which cannot be read does not hide the others. */
class Client extends TonClient {
    transactions(address: Address, from: Parameters<TonClient['getTransactions']>[1]) {
        return this.api.getTransactions(address, from);
    }

    override async getTransactions(...page: Parameters<TonClient['getTransactions']>): Promise<Transaction[]> {
        const transactions: Transaction[] = [];
        const pace = new Pace();
        for (const raw of await this.transactions(...page)) {
            const { content } = await listedOf(raw, pace);
            if (content instanceof Error) {
                throw content;
            }
            transactions.push(content);
        }
        return transactions;
    }
}

type RawTransaction = Awaited<ReturnType<Client['transactions']>>[number];

/** One element of a list of transactions. */
interface ListedTransaction {
    lt: bigint;
    at: number; // unix seconds; 0 if it cannot be read
    id: { lt: string; hash: string }; // as the API names it
    content: Transaction | Error; // why it cannot be read
}

/** The chain behind TON HTTP API v2 endpoints, such as `https://toncenter.com/api/v2/jsonRPC` or a local network's. */
export class TonHttpChain implements Chain {
    readonly network: number;
    /** The client that makes its calls. */
    readonly api: ChainApi;
    private readonly client: Client;

    constructor(
        private readonly settings: ChainSettings,
        private readonly view: CallView & { api?: ChainApi } = {},
    ) {
        this.network = settings.network;
        const endpoints = endpointsOf(settings);
        this.api = view.api ?? new ChainApi(endpoints, settings.network);
        this.client = new Client({
            endpoint: endpoints[0].url,
            httpAdapter: this.api.adapter(view),
        });
    }

    /** One chain for each endpoint, which asks that endpoint only. */
    get sources(): TonHttpChain[] {
        return this.api.names.map((_, only) => this.withView({ only }));
    }

    get name(): string {
        return this.api.names[this.view.only ?? 0];
    }

    get others(): TonHttpChain[] {
        return this.api.names.length > 1 ? this.sources : [];
    }

    as(urgency: Urgency): TonHttpChain {
        return this.withView({ urgency });
    }

    /**
     * Of three endpoints or more, the account as most of them show it, so that no single one makes it up. As the first
     * that serves shows it, if too few of them have calls to spare, or show the same soon, and for what is idle.
     */
    async account(address: Address): Promise<ChainAccount> {
        const all = this.api.names.length;
        const { only: one, urgency } = this.view;
        const isCompared = one === undefined && urgency !== 'idle' && all >= MIN_MAJORITY;
        const spare = isCompared ? this.api.takeSpare() : [];
        const requested = spare.map((only) => this.withView({ only, prepaid: true }).shownAccount(address));
        const alike = spare.length > 0 ? await majorityAnswers(requested, { all, isAlike: isSameState }) : undefined;
        if (alike === undefined) {
            return this.shownAccount(address);
        }
        const times = alike.map(({ at }) => at).sort((a, b) => a - b);
        return { ...alike[0], at: times[(times.length - 1) >> 1] };
    }

    private async shownAccount(address: Address): Promise<ChainAccount> {
        const state = await this.client.getContractState(address);
        return {
            state: state.state,
            balance: larger(0n, state.balance), // some APIs say -1 for none
            code: smallCell(state.code),
            data: smallCell(state.data),
            at: state.timestampt,
        };
    }

    accountsAt(addresses: readonly Address[]): Promise<ChainAccount[]> {
        return Promise.all(addresses.map((address) => this.account(address)));
    }

    async *emitted(address: Address, cursor: bigint, limit?: ListLimit): AsyncGenerator<Emitted> {
        for await (const listed of this.transactions(address, cursor, limit)) {
            yield* emittedIn(listed).reverse();
        }
    }

    async *accepted(address: Address, limit?: ListLimit): AsyncGenerator<Accepted> {
        for await (const { lt, at, content } of this.transactions(address, 0n, limit)) {
            const message = content instanceof Error ? undefined : content.inMessage;
            if (message?.info.type === 'external-in') {
                yield { lt, at, body: message.body };
            }
        }
    }

    async *history(address: Address, cursor: bigint): AsyncGenerator<AccountTransaction> {
        for await (const { content } of this.transactions(address, cursor)) {
            if (content instanceof Error) {
                throw content;
            }
            yield transactionOf(content);
        }
    }

    /** The newest transactions of an account. Throws for one that cannot be read. */
    newest(address: Address, limit: number): Promise<Transaction[]> {
        return this.client.getTransactions(address, { limit });
    }

    async lastTransaction(address: Address): Promise<TransactionId | undefined> {
        const { lastTransaction: last } = await this.client.getContractState(address);
        return last === null ? undefined : { lt: BigInt(last.lt), hash: Buffer.from(last.hash, 'base64') };
    }

    async sendExternal(to: Address, body: Cell, init?: { code: Cell; data: Cell }): Promise<void> {
        const message = beginCell().store(storeMessage(external({ to, body, ...(init && { init }) })));
        const boc = message.endCell().toBoc().toString('base64');
        // Whatever an endpoint adds to its word that it took the message: a TonClient would throw as if it had not.
        await this.api.call('sendBoc', { boc }, this.view);
    }

    open<T extends Contract>(contract: T): OpenedContract<T> {
        return this.client.open(contract);
    }

    prices(): Promise<ChainPrices> {
        return readPrices((id) => this.param(id), 'basechain');
    }

    private async param(id: number): Promise<Cell> {
        const answer = await this.api.call('getConfigParam', { config_id: id }, this.view);
        try {
            return paramOf(answer);
        } catch {
            throw new ChainError(`${this.api.names[0]} does not give parameter ${id} of the network's configuration`);
        }
    }

    private withView(view: CallView): TonHttpChain {
        return new TonHttpChain(this.settings, { ...this.view, ...view, api: this.api });
    }

    /**
     * Transactions later than `cursor`, newest first. Each names the one before it, so a list that leaves one out,
     * repeats one or is of another account is refused, and every list has an end.
     */
    private async *transactions(
        address: Address,
        cursor: bigint,
        { seconds = Infinity, signal }: ListLimit = {},
    ): AsyncGenerator<ListedTransaction> {
        const end = performance.now() + seconds * 1000;
        const fetch = (from?: ListedTransaction) =>
            this.client.transactions(address, {
                limit: PAGE,
                archival: true, // servers without it have the last two days only
                to_lt: cursor.toString(),
                ...from?.id,
            });
        const assertTime = () => {
            if (signal?.aborted === true || performance.now() > end) {
                throw new ChainError(`The transactions of ${addressText(address, this)} were not read to their end`);
            }
        };
        const pace = new Pace();
        let newer: ListedTransaction | undefined;
        for (let pages = 0; pages < MAX_PAGES; pages++) {
            assertTime();
            const page = await fetch(newer);
            for (const raw of page) {
                assertTime(); // a page of large transactions takes minutes
                const listed = await listedOf(raw, pace);
                assertNext({ address, network: this.network }, listed, newer);
                if (listed.lt <= cursor) {
                    return;
                }
                yield listed;
                newer = listed;
                if (!(listed.content instanceof Error) && listed.content.prevTransactionLt <= cursor) {
                    return;
                }
            }
            if (page.length === 0) {
                return;
            }
        }
        throw new ChainError(
            `The API lists more than ${MAX_PAGES * PAGE} transactions of ${addressText(address, this)}`,
        );
    }
}

async function listedOf({ data, transaction_id: id }: RawTransaction, pace: Pace): Promise<ListedTransaction> {
    const excess = excessOfTransaction(data);
    if (excess !== undefined) {
        throw new ChainError(`The API answers with ${excess}`);
    }
    const lt = logicalTimeOf(id.lt);
    if (lt === undefined) {
        throw new ChainError(`The API lists a transaction of the logical time ${id.lt.slice(0, 30)}`);
    }
    if (id.hash.length > MAX_HASH) {
        throw new ChainError(`The API names a transaction by ${id.hash.length} characters, which is no hash`);
    }
    // The time that the transaction has, not that which the API names beside it.
    const content = await pace.take(() => contentOf(data));
    return { lt, at: content instanceof Error ? 0 : content.now, id, content };
}

/** The transaction in a bag, or why it cannot be read. */
function contentOf(data: string): Transaction | Error {
    try {
        const cell = Cell.fromBase64(data);
        const content = withFewEntries(() => loadTransaction(cell.beginParse()));
        if (content.outMessages.size > MAX_MESSAGES) {
            throw new Error(`It sends more than ${MAX_MESSAGES} messages`);
        }
        return content;
    } catch (error) {
        return error instanceof Error ? error : new Error(String(error));
    }
}

/** Throws unless a transaction can stand in the list of an account after the `newer` one. */
function assertNext(
    { address, network }: { address: Address; network: number },
    { lt, id, content }: ListedTransaction,
    newer?: ListedTransaction,
): void {
    const isOwn =
        content instanceof Error || (content.lt === lt && numberToBytes(content.address).equals(address.hash));
    const isNext =
        newer === undefined ||
        (newer.content instanceof Error
            ? lt < newer.lt
            : lt === newer.content.prevTransactionLt &&
              numberToBytes(newer.content.prevTransactionHash).equals(Buffer.from(id.hash, 'base64')));
    if (!isOwn || !isNext) {
        const wrong = isOwn ? 'leaves out or repeats transactions' : 'lists transactions of another account as those';
        throw new ChainError(`The API ${wrong} of ${addressText(address, { network })} at lt ${lt}`);
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
        received: received && {
            account: received.src,
            amount: received.value.coins,
            isBounced: received.bounced,
        },
        fees: feesOut.reduce((sum, fee) => sum + fee, 0n),
    };
}

/** True if two endpoints show an account alike: one of them may be some seconds behind the other. */
function isSameState(one: ChainAccount, other: ChainAccount): boolean {
    const isSameCell = (name: 'code' | 'data') =>
        one[name] === undefined || other[name] === undefined
            ? one[name] === other[name]
            : one[name].hash().equals(other[name].hash());
    const isClose = Math.abs(one.at - other.at) <= LAG_SECONDS;
    return (
        one.state === other.state &&
        one.balance === other.balance &&
        isClose &&
        isSameCell('code') &&
        isSameCell('data')
    );
}

/** The external messages out of a transaction, in their order. */
function emittedIn({ lt, at, content }: ListedTransaction): Emitted[] {
    if (content instanceof Error) {
        return [{ lt, at, body: Cell.EMPTY, unreadable: content }];
    }
    const messages = content.outMessages.values().filter(({ info }) => info.type === 'external-out');
    return messages.map(({ body }) => ({ lt, at, body }));
}

/** The endpoints of these settings, each with its key. */
export function endpointsOf({ endpoint, apiKey }: ChainSettings): EndpointSettings[] {
    const each = (typeof endpoint === 'string' ? [endpoint] : endpoint).map((one) =>
        typeof one === 'string' ? { url: one } : one,
    );
    return each.map((one, i) => (i === 0 && apiKey !== undefined ? { apiKey, ...one } : one));
}
