/**
 * Follows the transactions of the worker's wallet, and stores every change of its balance. Each transaction names the
 * hash of the one before it, and every endpoint states the last one. So none can be left out or made up while one
 * endpoint is honest, and the sum of all changes is the balance.
 */
import type { Address } from '@ton/core';
import { type AccountTransaction, ChainError, type TransactionId } from '../chain';
import { PollLoop } from '../process/tasks';
import type { Movement, MovementKind } from '../store/wallet';
import type { WorkerContext } from './context';

/** Where the money of a wallet came from and went. Amounts are nanoTON. */
export interface WalletTotals {
    fromChannels: bigint; // claims, with what came back of their attached values
    toChannels: bigint; // attached to claims
    swept: bigint; // to the owner
    received: bigint; // from others, such as funding
    sent: bigint; // to others, such as answers to demands
    fees: bigint; // of the wallet's own transactions
    balance: bigint; // after the last transaction that is stored
    claimCosts: bigint; // toChannels + fees - (fromChannels - what channels paid)
}

const REFRESH_MS = 1_800_000; // limit for one reading
const MAX_LISTED = 500_000; // transactions and transfers: an endpoint may make up any number
const REBUILD_SECONDS = 600; // for which the chain must contradict the stored transactions

/** The chain does not go on where the stored transactions end. */
class Diverged extends ChainError {}

export class WalletLedger {
    private lastReading: Promise<void> = Promise.resolve();
    private nextReading: Promise<void> | undefined; // which has not begun
    private divergedSince: number | undefined; // unix seconds
    private isStopping = false;
    private readonly loop: PollLoop;

    constructor(
        private readonly context: Pick<WorkerContext, 'chain' | 'config' | 'log' | 'now' | 'store'>,
        private readonly wallet: { readonly address: Address },
    ) {
        const { config, log } = context;
        // An API that does not answer has an alert of its own.
        this.loop = new PollLoop(
            () => this.refresh(),
            config.claim.seconds * 1000,
            (error) =>
                log[error instanceof ChainError ? 'debug' : 'error'](
                    { err: error },
                    'the transactions of the wallet were not read',
                ),
        );
    }

    /** Reads the chain at the interval of claims until {@link stop}. */
    start(): void {
        this.loop.start();
    }

    async stop(): Promise<void> {
        this.isStopping = true;
        await this.loop.stop();
        await this.lastReading.catch(() => undefined);
    }

    /**
     * Stores the transactions since the last one that is stored, as far as every endpoint knows them. If the chain has
     * contradicted the stored ones for ten minutes, it stores all anew.
     * @throws if an endpoint does not answer, contradicts the list, or a transaction is left out; nothing is stored
     * then
     */
    refresh(): Promise<void> {
        // Never one that began earlier: it may have missed what the caller knows of.
        this.nextReading ??= this.lastReading = this.lastReading
            .catch(() => undefined)
            .then(() => {
                this.nextReading = undefined;
                const { cluster } = this.context.store;
                return cluster.exclusive(`ledger ${this.wallet.address.toRawString()}`, () => this.refreshOnce());
            });
        return this.nextReading;
    }

    /** Null before the first transaction is stored. */
    async totals(): Promise<WalletTotals | null> {
        const { store } = this.context;
        const movements = await store.wallet.sums(this.wallet.address.hash);
        if (movements.length === 0) {
            return null;
        }
        const sum = (kind: MovementKind, isIncoming: boolean) =>
            movements.find((one) => one.kind === kind && one.isIncoming === isIncoming)?.amount ?? 0n;
        const [fromChannels, toChannels] = [sum('claim', true), sum('claim', false)];
        const [received, sent] = [sum('transfer', true), sum('transfer', false)];
        const [swept, fees] = [sum('sweep', false), sum('fee', false)];
        const balance = fromChannels - toChannels + received - sent - swept - fees;
        const paid = Object.values(await store.earnings.sums()).reduce((total, jobs) => total + jobs.paid, 0n);
        const claimCosts = toChannels + fees - (fromChannels - paid);
        return { fromChannels, toChannels, swept, received, sent, fees, balance, claimCosts };
    }

    private async refreshOnce(): Promise<void> {
        const { log, now, store } = this.context;
        const { hash: wallet } = this.wallet.address;
        const cursor = await store.wallet.cursor(wallet);
        try {
            const transactions = await this.transactionsAfter(cursor ?? FIRST);
            if (transactions.length > 0) {
                const to = transactions.at(-1)!;
                await store.wallet.add(wallet, await this.movementsOfAll(transactions), cursor, to);
            }
            this.divergedSince = undefined;
        } catch (error) {
            if (!(error instanceof Diverged)) {
                throw error;
            }
            this.divergedSince ??= now();
            if (now() - this.divergedSince < REBUILD_SECONDS) {
                throw error;
            }
            this.divergedSince = now(); // an attempt that fails is made again as much later
            log.warn({ err: error }, 'the ledger of the wallet is built anew');
            await this.rebuild();
            this.divergedSince = undefined;
        }
    }

    /** Replaces what is stored by all transactions that the chain has. */
    private async rebuild(): Promise<void> {
        const transactions = await this.transactionsAfter(FIRST);
        if (transactions.length === 0) {
            throw new ChainError("The API lists no transaction of the worker's wallet");
        }
        const to = transactions.at(-1)!;
        await this.context.store.wallet.replace(this.wallet.address.hash, await this.movementsOfAll(transactions), to);
    }

    /** The transactions after a stored one that every endpoint has, oldest first. */
    private async transactionsAfter(stored: TransactionId): Promise<AccountTransaction[]> {
        const { chain } = this.context;
        const { address } = this.wallet;
        const others = (chain.others ?? []).flatMap((other) => (other.lastTransaction ? [other] : []));
        const sources = others.length > 0 ? others : [chain];
        // Read before the list, which contains them unless one side is wrong.
        const ends = await Promise.all(sources.map(async (one) => (await one.lastTransaction!(address)) ?? FIRST));
        const end = ends.reduce((min, one) => (one.lt < min.lt ? one : min));
        if (end.lt < stored.lt) {
            throw new Diverged(`An endpoint has no transaction ${stored.lt} of the worker's wallet`);
        }
        const transactions: AccountTransaction[] = [];
        let transfers = 0;
        const until = performance.now() + REFRESH_MS;
        for await (const transaction of chain.history(address, stored.lt)) {
            if (this.isStopping || performance.now() > until) {
                throw new ChainError("Reading the transactions of the worker's wallet took too long");
            }
            assertNext(transactions.at(-1)?.previous, transaction);
            transactions.push(transaction);
            transfers += transaction.sent.length;
            if (transactions.length + transfers > MAX_LISTED) {
                throw new ChainError("The API lists more transactions of the worker's wallet than memory holds");
            }
        }
        if (transactions.length > 0 && !isSame(transactions.at(-1)!.previous, stored)) {
            throw new Diverged(`The chain does not go on after transaction ${stored.lt} of the worker's wallet`);
        }
        transactions.reverse();
        for (const one of ends) {
            const listed = one.lt === stored.lt ? stored : transactions.find(({ lt }) => lt === one.lt);
            if (listed === undefined || !isSame(listed, one)) {
                const text = `An endpoint does not list transaction ${one.lt} of the worker's wallet`;
                throw one.lt === stored.lt ? new Diverged(text) : new ChainError(text);
            }
        }
        return transactions.filter(({ lt }) => lt <= end.lt);
    }

    private async movementsOfAll(transactions: readonly AccountTransaction[]): Promise<Movement[]> {
        const movements: Movement[] = [];
        for (const transaction of transactions) {
            movements.push(...(await this.movementsOf(transaction)));
        }
        return movements;
    }

    private async movementsOf({ lt, at, received, sent, fees, order }: AccountTransaction): Promise<Movement[]> {
        const transfers = [...(received ? [{ ...received, isIncoming: true }] : [])].concat(
            sent.map((transfer) => ({ ...transfer, isIncoming: false, isBounced: false })),
        );
        const movements: Movement[] = [];
        for (const { account, ...transfer } of transfers) {
            const { kind, job } = await this.kindOf(account, transfer.isIncoming);
            const number = movements.length;
            movements.push({ lt, number, at, kind, account: account.toRawString(), job, order, ...transfer });
        }
        const fee = { kind: 'fee' as const, account: '', isIncoming: false, isBounced: false, amount: fees };
        return [...movements, { lt, number: movements.length, at, job: undefined, order, ...fee }];
    }

    private async kindOf(
        account: Address,
        isIncoming: boolean,
    ): Promise<{ kind: MovementKind; job: Buffer | undefined }> {
        const { config, store } = this.context;
        const job = account.workChain === 0 ? (await store.jobs.ofChannel(account.hash))?.job : undefined;
        const isSweep = !isIncoming && config.sweep?.to.equals(account) === true;
        return { kind: job !== undefined ? 'claim' : isSweep ? 'sweep' : 'transfer', job };
    }
}

const FIRST: TransactionId = { lt: 0n, hash: Buffer.alloc(32) };

const isSame = (a: TransactionId, b: TransactionId): boolean => a.lt === b.lt && a.hash.equals(b.hash);

/** Throws unless a transaction is the `expected` one; undefined for the newest, which no other names. */
function assertNext(expected: TransactionId | undefined, transaction: TransactionId): void {
    if (expected !== undefined && !isSame(expected, transaction)) {
        throw new Error(`The API leaves out transactions of the worker's wallet before lt ${expected.lt}`);
    }
}
