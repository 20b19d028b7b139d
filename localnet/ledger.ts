/** The chain itself: a sandbox on our clock, one message chain at a time, with an ordered log of every transaction. */
import type { Message, ShardAccount, Transaction, TupleItem } from '@ton/core';
import {
    Address,
    beginCell,
    Cell,
    loadShardAccount,
    loadTransaction,
    storeMessage,
    storeShardAccount,
} from '@ton/core';
import type { IExecutor } from '@ton/sandbox';
import { Blockchain, EmulationError, Executor, GetMethodError, internal, LocalBlockchainStorage } from '@ton/sandbox';
import { type NetworkClock } from './clock';
import { CONFIG_ADDRESS, configAccount, networkIdOf } from './config';
import { noSuchAccount, refusedMessage } from './errors';
import { Libraries } from './libraries';
import { describeTransaction, type LoggedTransaction } from './record';
import { Recorder } from './recorder';

/** Where the faucet's coins come from; the account itself does not exist. */
export const FAUCET_ADDRESS = new Address(0, Buffer.from('localnet faucet'.padEnd(32)));

// The gas that tonlib gives a get method. The sandbox gives ten times more, on which contracts must not rely.
const GET_METHOD_GAS = 1_000_000n;

/** A whole network at a moment: plain data, so that it also fits into a file. */
export interface LedgerState {
    time: number; // unix seconds
    lt: string;
    config: string; // hash of the configuration, hex
    accounts: [address: string, boc: string][];
    transactions: [address: string, boc: string][];
}

/**
 * Told what has changed since the first `from` transactions: the accounts that changed and the new transactions. With
 * `from` 0 it is everything.
 */
export type ChangeListener = (state: LedgerState, from: number) => void;

/** One transaction in the log: its record, and itself. */
export interface LoggedEntry {
    account: Address;
    transaction: Transaction;
    record: LoggedTransaction;
}

/** What a get method left behind; `exitCode` -13 means there was no code to run. */
export interface GetMethodOutcome {
    exitCode: number;
    gasUsed: bigint;
    stack: TupleItem[];
}

class ClockedBlockchain extends Blockchain {
    constructor(
        private readonly clock: NetworkClock,
        options: { executor: IExecutor; config: Cell; storage: LocalBlockchainStorage },
    ) {
        super(options);
    }

    override get now(): number {
        return this.clock.now();
    }

    override set now(time: number) {
        this.clock.set(time);
    }
}

export class LocalLedger {
    readonly blockchain: Blockchain;
    readonly networkId: number;
    private readonly recorder: Recorder;
    private readonly libraries = new Libraries();
    private readonly storage: LocalBlockchainStorage;
    private readonly entries: LoggedEntry[] = [];
    private readonly byAccount = new Map<string, LoggedEntry[]>();
    private readonly listeners = new Set<(transaction: LoggedTransaction) => void>();
    private readonly changeListeners = new Set<ChangeListener>();
    private reported = 0; // transactions that the listeners of changes know
    private queue: Promise<unknown> = Promise.resolve();

    private constructor(
        readonly clock: NetworkClock,
        readonly config: Cell,
        executor: IExecutor,
    ) {
        this.networkId = networkIdOf(config);
        this.storage = new LocalBlockchainStorage();
        this.recorder = new Recorder(executor, (account, transaction, state) => {
            this.append(account, transaction);
            this.observe(account, state);
        });
        this.blockchain = new ClockedBlockchain(clock, { executor: this.recorder, config, storage: this.storage });
        // As on a real network: the debug instructions do nothing, and nothing is printed.
        this.blockchain.verbosity = { print: false, blockchainLogs: false, vmLogs: 'none', debugLogs: false };
    }

    static async create(clock: NetworkClock, config: Cell): Promise<LocalLedger> {
        const ledger = new LocalLedger(clock, config, await Executor.create());
        await ledger.blockchain.setShardAccount(CONFIG_ADDRESS, configAccount(config));
        return ledger;
    }

    /** Number of transactions so far, and of the newest block. */
    get height(): number {
        return this.entries.length;
    }

    /** The log after position `after`, oldest first. */
    log(from = 0, limit = Infinity): LoggedTransaction[] {
        return this.entries.slice(from, from + limit).map(({ record }) => record);
    }

    /** The transaction that block `seqno` holds. */
    entryAt(seqno: number): LoggedEntry | undefined {
        return this.entries[seqno - 1];
    }

    /** Transactions of one account, oldest first. */
    entriesOf(account: Address): readonly LoggedEntry[] {
        return this.byAccount.get(account.toRawString()) ?? [];
    }

    /** Calls `listener` after each transaction, in order; the result ends it. */
    onTransaction(listener: (transaction: LoggedTransaction) => void): () => void {
        this.listeners.add(listener);
        return () => this.listeners.delete(listener);
    }

    /**
     * Calls `listener` after each chain of messages that comes from outside, before its sender gets an answer, and when
     * the time was moved. The result ends it.
     */
    onChange(listener: ChangeListener): () => void {
        this.reported = this.height;
        this.changeListeners.add(listener);
        // Without the transactions of a chain that runs: they are reported together at its end.
        this.clock.onMove = () => this.report([], []);
        return () => this.changeListeners.delete(listener);
    }

    /** Tells the listeners of changes what was sent on the sandbox directly. */
    flush(): Promise<void> {
        return this.exclusive(() => this.reportNew());
    }

    /** State of an account; one that never existed has lt 0. */
    account(address: Address): Promise<ShardAccount> {
        return this.exclusive(async () => (await this.blockchain.getContract(address)).account);
    }

    /** Delivers an external message and the whole chain that follows; throws toncenter's error if it is refused. */
    sendExternal(message: Message, to: Address): Promise<void> {
        return this.exclusive(async () => {
            await this.requireAccount(to);
            const heightBefore = this.height;
            try {
                await this.blockchain.sendMessage(message);
            } catch (error) {
                // Only the first message can be refused. A later failure is the sandbox's and is passed on.
                throw error instanceof EmulationError && this.height === heightBefore
                    ? refusedMessage(to, error)
                    : error;
            } finally {
                await this.reportNew();
            }
        });
    }

    /** Makes `value` nanoTON and sends it to an account, which need not exist. */
    credit(to: Address, value: bigint): Promise<LoggedTransaction> {
        return this.exclusive(async () => {
            const heightBefore = this.height;
            await this.blockchain.sendMessage(internal({ from: FAUCET_ADDRESS, to, value, bounce: false }));
            await this.reportNew();
            return this.entries[heightBefore].record;
        });
    }

    /** Runs a get method by name or id. */
    runGetMethod(address: Address, method: string | number, stack: TupleItem[]): Promise<GetMethodOutcome> {
        return this.exclusive(async () => {
            const { account } = (await this.blockchain.getContract(address)).account;
            if (account?.storage.state.type !== 'active') {
                return { exitCode: -13, gasUsed: 0n, stack: [] };
            }
            try {
                return await this.blockchain.runGetMethod(address, method, stack, { gasLimit: GET_METHOD_GAS });
            } catch (error) {
                if (error instanceof GetMethodError) {
                    return { exitCode: error.exitCode, gasUsed: error.gasUsed, stack: [] };
                }
                throw error;
            }
        });
    }

    /** The transaction that an external message would make now; nothing changes. */
    rehearse(message: Message, to: Address, { ignoreChksig }: { ignoreChksig: boolean }): Promise<Transaction> {
        return this.exclusive(async () => {
            const shardAccount = await this.requireAccount(to);
            const { result, logs } = await this.recorder.rehearse({
                config: this.blockchain.configBase64,
                libs: this.blockchain.libs ?? null,
                verbosity: 'short',
                shardAccount: beginCell().store(storeShardAccount(shardAccount)).endCell().toBoc().toString('base64'),
                now: this.clock.now(),
                lt: this.blockchain.lt + 1_000_000n,
                randomSeed: Buffer.alloc(32),
                ignoreChksig,
                debugEnabled: false,
                message: beginCell().store(storeMessage(message)).endCell(),
            });
            if (!result.success) {
                const { vmLog, vmExitCode } = result.vmResults ?? {};
                throw refusedMessage(to, { exitCode: vmExitCode, vmLogs: vmLog, blockchainLogs: logs });
            }
            return loadTransaction(Cell.fromBase64(result.transaction).beginParse());
        });
    }

    /** The public library with this hash (hex). */
    library(hash: string): Cell | undefined {
        return this.libraries.find(hash);
    }

    /** Everything as it is now, between two message chains. */
    save(): Promise<LedgerState> {
        return this.exclusive(async () => this.state(this.storage.knownContracts(), this.entries));
    }

    /** Restores what `save` returned; `time` (unix seconds) may differ. */
    restore(state: LedgerState, time = state.time): Promise<void> {
        return this.exclusive(async () => {
            if (state.config !== this.config.hash().toString('hex')) {
                throw new Error('this state was saved with other prices or another network id');
            }
            const accounts = state.accounts.map(([raw, boc]) => {
                const account = loadShardAccount(Cell.fromBase64(boc).beginParse());
                return { address: Address.parseRaw(raw), account };
            });
            await this.blockchain.loadFrom({
                ...this.blockchain.snapshot(),
                contracts: accounts.map((each) => ({ ...each, lastTxTime: 0 })),
                lt: BigInt(state.lt),
                transactions: [],
            });
            this.clock.restore(time);
            this.libraries.clear();
            accounts.forEach(({ address, account }) => this.libraries.observe(address, () => account));
            this.blockchain.libs = this.libraries.dictionary();
            this.entries.length = 0;
            this.byAccount.clear();
            state.transactions.forEach(([raw, boc]) => this.enter(Address.parseRaw(raw), Cell.fromBase64(boc)));
            this.reported = 0;
            this.report([], this.entries);
            this.reported = this.height;
        });
    }

    private state(
        contracts: readonly { address: Address; account: ShardAccount }[],
        entries: LoggedEntry[],
    ): LedgerState {
        return {
            time: this.clock.now(),
            lt: this.blockchain.lt.toString(),
            config: this.config.hash().toString('hex'),
            accounts: contracts.map(({ address, account }) => [
                address.toRawString(),
                beginCell().store(storeShardAccount(account)).endCell().toBoc().toString('base64'),
            ]),
            transactions: entries.map(({ record }) => [record.account, record.boc]),
        };
    }

    private async reportNew(): Promise<void> {
        if (this.changeListeners.size > 0 && this.reported < this.height) {
            const entries = this.entries.slice(this.reported);
            const accounts = new Map(entries.map(({ record, account }) => [record.account, account]));
            const contracts = [...accounts.values()].map((account) => this.blockchain.getContract(account));
            this.report(await Promise.all(contracts), entries);
            this.reported = this.height;
        }
    }

    private report(changed: readonly { address: Address; account: ShardAccount }[], entries: LoggedEntry[]): void {
        const from = this.reported;
        const state = this.state(from === 0 ? this.storage.knownContracts() : changed, entries);
        this.changeListeners.forEach((listener) => listener(state, from));
    }

    private observe(account: Address, state: () => ShardAccount): void {
        if (this.libraries.observe(account, state)) {
            this.blockchain.libs = this.libraries.dictionary();
        }
    }

    private async requireAccount(address: Address): Promise<ShardAccount> {
        const account = (await this.blockchain.getContract(address)).account;
        if (account.lastTransactionLt === 0n && !account.account?.storage.balance.coins) {
            throw noSuchAccount();
        }
        return account;
    }

    private append(account: Address, cell: Cell): void {
        const record = this.enter(account, cell);
        for (const listener of this.listeners) {
            // Not from inside the executor: a listener that throws must not cut a message chain in two.
            queueMicrotask(() => listener(record));
        }
    }

    private enter(account: Address, cell: Cell): LoggedTransaction {
        const transaction = loadTransaction(cell.beginParse());
        const record = describeTransaction(this.height + 1, account, transaction);
        const entry = { account, transaction, record };
        this.entries.push(entry);
        const own = this.byAccount.get(record.account);
        if (own) {
            own.push(entry);
        } else {
            this.byAccount.set(record.account, [entry]);
        }
        return record;
    }

    private exclusive<T>(work: () => Promise<T>): Promise<T> {
        const result = this.queue.then(work);
        this.queue = result.catch(() => undefined);
        return result;
    }
}
