/**
 * Follows the transactions of the worker's wallet, and stores every change of its balance. Each transaction names the
 * hash of the one before it, so none can be left out, and the sum of all changes is the balance.
 */
import type { Address } from '@ton/core';
import type { AccountTransaction, AccountTransfer } from '../chain';
import type { Movement, MovementKind, WalletCursor } from '../store/wallet';
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

export class WalletLedger {
    private refreshing: Promise<void> | undefined;

    constructor(
        private readonly context: Pick<WorkerContext, 'chain' | 'config' | 'store'>,
        private readonly wallet: { readonly address: Address },
    ) {}

    /**
     * Stores the transactions since the last one that is stored.
     * @throws if the API does not answer, or leaves out a transaction; then nothing is stored
     */
    refresh(): Promise<void> {
        this.refreshing ??= this.refreshOnce().finally(() => (this.refreshing = undefined));
        return this.refreshing;
    }

    async totals(): Promise<WalletTotals> {
        const movements = await this.context.store.wallet.movements(this.wallet.address.hash);
        const jobs = await this.context.store.earnings.jobs();
        const sum = (kind: MovementKind, isIncoming: boolean) =>
            movements
                .filter((movement) => movement.kind === kind && movement.isIncoming === isIncoming)
                .reduce((total, { amount }) => total + amount, 0n);
        const [fromChannels, toChannels] = [sum('claim', true), sum('claim', false)];
        const [received, sent] = [sum('transfer', true), sum('transfer', false)];
        const [swept, fees] = [sum('sweep', false), sum('fee', false)];
        const balance = fromChannels - toChannels + received - sent - swept - fees;
        const paid = jobs.reduce((total, job) => total + (job.paid > job.claimed ? job.paid : job.claimed), 0n);
        const claimCosts = toChannels + fees - (fromChannels - paid);
        return { fromChannels, toChannels, swept, received, sent, fees, balance, claimCosts };
    }

    private async refreshOnce(): Promise<void> {
        const { chain, store } = this.context;
        const { address } = this.wallet;
        const cursor = await store.wallet.cursor(address.hash);
        const transactions: AccountTransaction[] = [];
        for await (const transaction of chain.history(address, cursor?.lt ?? 0n)) {
            assertNext(transactions.at(-1)?.previous, transaction);
            transactions.push(transaction);
        }
        if (transactions.length > 0) {
            assertNext(transactions.at(-1)!.previous, cursor ?? FIRST);
            transactions.reverse();
            const movements: Movement[] = [];
            for (const transaction of transactions) {
                movements.push(...(await this.movementsOf(transaction)));
            }
            const { lt, hash } = transactions.at(-1)!;
            await store.wallet.add(address.hash, movements, cursor, { lt, hash });
        }
    }

    private async movementsOf({ lt, at, received, sent, fees }: AccountTransaction): Promise<Movement[]> {
        const transfers = [...(received ? [{ ...received, isIncoming: true }] : [])].concat(
            sent.map((transfer) => ({ ...transfer, isIncoming: false })),
        );
        const movements: Movement[] = [];
        for (const { account, amount, isIncoming } of transfers) {
            const { kind, job } = await this.kindOf({ account, amount }, isIncoming);
            const number = movements.length;
            movements.push({ lt, number, at, kind, account: account.toRawString(), job, isIncoming, amount });
        }
        const fee = { kind: 'fee' as const, account: '', job: undefined, isIncoming: false, amount: fees };
        return [...movements, { lt, number: movements.length, at, ...fee }];
    }

    private async kindOf(
        { account }: AccountTransfer,
        isIncoming: boolean,
    ): Promise<{ kind: MovementKind; job: Buffer | undefined }> {
        const { config, store } = this.context;
        const job = account.workChain === 0 ? (await store.jobs.ofChannel(account.hash))?.job : undefined;
        const isSweep = !isIncoming && config.sweep?.to.equals(account) === true;
        return { kind: job !== undefined ? 'claim' : isSweep ? 'sweep' : 'transfer', job };
    }
}

const FIRST: WalletCursor = { lt: 0n, hash: Buffer.alloc(32) };

/** Throws unless a transaction is the `expected` one; undefined for the newest, which no other names. */
function assertNext(expected: WalletCursor | undefined, { lt, hash }: WalletCursor): void {
    if (expected !== undefined && !(expected.lt === lt && expected.hash.equals(hash))) {
        throw new Error(`The API leaves out transactions of the worker's wallet before lt ${expected.lt}`);
    }
}
