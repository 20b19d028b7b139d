/** What the indexer asks of an endpoint of the chain. It believes nothing of an answer that hashes do not confirm. */
import { type Address, Cell } from '@ton/core';
import { setImmediate } from 'node:timers/promises';
import { type CallView, ChainApi, ChainError, type ChainSettings, endpointsOf, type TransactionId } from '../chain';
import { cellsOf, excessOfTransaction, logicalTimeOf, smallCell } from '../chain/bags';

/** A transaction as an endpoint lists it: its name, and the cell whose hash the name must be. */
export interface RawTransaction extends TransactionId {
    cell: Cell;
}

/** A block of the masterchain. */
export interface MasterBlock {
    seqno: number;
    hash: string; // root hash, base64
}

/** An account after its last transaction. */
export interface StateAfter {
    last: TransactionId | undefined; // undefined before the first
    code: Cell | undefined; // also undefined if it is larger than any of this project; so is `data`
    data: Cell | undefined;
}

/** A message between two accounts, as its receiver's transaction names it. */
export interface MessageId {
    from: Address;
    to: Address;
    createdLt: bigint;
}

/** A transaction has more cells than are read: one of a contract of a stranger, or made up. */
export class LargeTransaction extends Error {
    constructor(
        readonly id: TransactionId,
        excess: string,
    ) {
        super(`The endpoint lists ${excess}, at lt ${id.lt}`);
    }
}

/**
 * Reads one endpoint, or several of which the first is asked while it serves. Throws ChainError. Those that give
 * transactions throw a LargeTransaction for one that is not read: a page ends before it, and begins with it if asked.
 */
export interface Source {
    /** Names the endpoints in messages, without keys. */
    readonly name: string;
    /** Calls so far. */
    readonly calls: number;
    /** The newest block of the masterchain. */
    tip(): Promise<MasterBlock>;
    /** At most {@link PAGE} transactions, newest first: from this one on, or from the newest. */
    page(account: Address, from?: TransactionId): Promise<RawTransaction[]>;
    state(account: Address): Promise<StateAfter>;
    /** The transaction that sent a message; undefined if the endpoint does not find it. */
    senderOf(message: MessageId): Promise<RawTransaction | undefined>;
}

const MAX_CELLS = 65_536; // of the transactions that are in memory at once: anyone may send messages of thousands
/** Transactions in one call, as many as public endpoints give. */
export const PAGE = 100;

interface Listed {
    data: string;
    transaction_id: { lt: string; hash: string };
}

/** TON HTTP API v2. */
export class HttpSource implements Source {
    calls = 0;
    private readonly api: ChainApi;

    constructor(
        settings: ChainSettings,
        private readonly view: Pick<CallView, 'only'> & { api?: ChainApi } = {},
    ) {
        this.api = view.api ?? new ChainApi(endpointsOf(settings), settings.network);
        this.sources =
            view.only === undefined && this.api.names.length > 1
                ? this.api.names.map((_, only) => new HttpSource(settings, { api: this.api, only }))
                : [];
    }

    /** Each endpoint alone, where there are several. */
    readonly sources: readonly HttpSource[];

    get name(): string {
        return this.view.only === undefined ? this.api.names.join(', ') : this.api.names[this.view.only];
    }

    async tip(): Promise<MasterBlock> {
        const { last } = (await this.call('getMasterchainInfo', {})) as { last: { seqno: number; root_hash: string } };
        return { seqno: last.seqno, hash: last.root_hash };
    }

    async page(account: Address, from?: TransactionId): Promise<RawTransaction[]> {
        const start = from && { lt: from.lt.toString(), hash: from.hash.toString('base64') };
        const address = account.toRawString();
        const page = await this.call('getTransactions', { address, limit: PAGE, archival: true, ...start });
        const transactions: RawTransaction[] = [];
        let cells = 0;
        for (const listed of (page as Listed[]).slice(0, PAGE)) {
            await setImmediate(); // one of thousands of cells takes a tenth of a second, and requests wait meanwhile
            try {
                transactions.push(this.rawOf(listed));
            } catch (error) {
                if (error instanceof LargeTransaction && transactions.length > 0) {
                    break; // the next page begins with it
                }
                throw error;
            }
            cells += cellsOf(Buffer.from(listed.data, 'base64'));
            if (cells > MAX_CELLS) {
                break; // the others are read with the next page
            }
        }
        return transactions;
    }

    async state(account: Address): Promise<StateAfter> {
        const answer = await this.call('getAddressInformation', { address: account.toRawString() });
        const {
            code,
            data,
            last_transaction_id: last,
        } = answer as Record<'code' | 'data', string> & {
            last_transaction_id: { lt: string; hash: string };
        };
        const cellOf = (boc: string) => smallCell(boc === '' ? null : Buffer.from(boc, 'base64'));
        return {
            last: last.lt === '0' ? undefined : { lt: BigInt(last.lt), hash: Buffer.from(last.hash, 'base64') },
            code: cellOf(code),
            data: cellOf(data),
        };
    }

    async senderOf({ from, to, createdLt }: MessageId): Promise<RawTransaction | undefined> {
        const route = { source: from.toRawString(), destination: to.toRawString(), created_lt: createdLt.toString() };
        try {
            return this.rawOf((await this.call('tryLocateSourceTx', route)) as Listed);
        } catch (error) {
            if (error instanceof ChainError && !error.silent) {
                return undefined; // APIs fail in many ways over a message that they do not find
            }
            throw error;
        }
    }

    private rawOf({ data, transaction_id: { lt: time, hash } }: Listed): RawTransaction {
        try {
            const lt = logicalTimeOf(time);
            if (lt === undefined) {
                throw new RangeError('It is of no logical time');
            }
            const id = { lt, hash: Buffer.from(hash, 'base64') };
            const excess = excessOfTransaction(data);
            if (excess !== undefined) {
                throw new LargeTransaction(id, excess);
            }
            return { ...id, cell: Cell.fromBase64(data) };
        } catch (cause) {
            if (cause instanceof LargeTransaction) {
                throw cause;
            }
            throw new ChainError(`${this.name} gives a transaction that cannot be read`, undefined, { cause });
        }
    }

    private call(method: string, params: unknown): Promise<unknown> {
        this.calls++;
        return this.api.call(method, params, this.view);
    }
}
