import { channelInit, type JobParameters, loadChannelData, opcodes, Provider } from '@cocoon-market/wrappers';
import { Address, beginCell, Cell, type Contract, type OpenedContract } from '@ton/core';
import {
    type Accepted,
    type AccountTransaction,
    type Chain,
    type ChainAccount,
    ChainError,
    type Emitted,
    type Order,
    type OrderOutcome,
    type TransactionId,
    type Transfer,
    type Urgency,
} from '../../../offchain/chain';

const NODE = Buffer.alloc(32, 0x11); // account of the node in every config under test
const CLAIM = 10_000_000n; // nanoTON, what a claim must carry here

/** Accounts in memory. Knows of contracts only what a channel's claims do, and takes their signatures on trust. */
export class FakeChain implements Chain {
    readonly network = -239;
    readonly accounts = new Map<string, ChainAccount>();
    readonly emissions: Emitted[] = []; // by the provider, newest first
    others?: Chain[];
    reads = 0; // of accounts, besides the node's, which every worker watches
    down = false;
    /** Getters of a contract by its raw address. */
    readonly getters = new Map<string, object>();
    private offset = 0; // seconds before real time
    private frozenAt: number | undefined; // unix seconds, if the clock stands

    now(): number {
        return this.frozenAt ?? Math.floor(Date.now() / 1000) + this.offset;
    }

    /** Stops the clock at these unix seconds. */
    freeze(at = this.now()): number {
        this.frozenAt = at;
        return at;
    }

    advance(seconds: number): void {
        this.offset += seconds;
    }

    async account(address: Address): Promise<ChainAccount> {
        this.reads += address.hash.equals(NODE) ? 0 : 1;
        if (this.down) {
            throw new ChainError('The API does not answer');
        }
        const none: ChainAccount = { state: 'uninitialized', balance: 0n, code: undefined, data: undefined, at: 0 };
        return { ...(this.accounts.get(address.toRawString()) ?? none), at: this.now() };
    }

    as(_urgency: Urgency): FakeChain {
        return this;
    }

    accountsAt(addresses: readonly Address[]): Promise<ChainAccount[]> {
        return Promise.all(addresses.map((address) => this.account(address)));
    }

    async *emitted(_address: Address, after: bigint): AsyncGenerator<Emitted> {
        yield* this.emissions.filter(({ lt }) => lt > after);
    }

    async *accepted(): AsyncGenerator<Accepted> {
        // No external message is taken here: wallets are FakeWallet.
    }

    /** Transactions of the worker's wallet, oldest first. */
    readonly transactions: AccountTransaction[] = [];
    /** Transactions of channels, oldest first, by their raw addresses. */
    private readonly ofChannels = new Map<string, AccountTransaction[]>();

    async *history(address: Address, cursor: bigint): AsyncGenerator<AccountTransaction> {
        const transactions = this.ofChannels.get(address.toRawString()) ?? this.transactions;
        yield* transactions.filter(({ lt }) => lt > cursor).reverse();
    }

    async lastTransaction(): Promise<TransactionId | undefined> {
        return this.transactions.at(-1);
    }

    /** The wallet's balance changes, or that of another account with these transactions. */
    addTransaction(
        change: Pick<AccountTransaction, 'received' | 'sent' | 'order'>,
        transactions = this.transactions,
    ): void {
        const previous = transactions.at(-1) ?? { lt: 0n, hash: Buffer.alloc(32) };
        const lt = previous.lt + 1n;
        const hash = Buffer.alloc(32, Number(lt));
        transactions.push({ ...change, lt, hash, previous, at: this.now(), fees: 0n });
    }

    /** A channel has received a message from each of these accounts, in this order, and no other one. */
    setSenders(channel: Address, senders: readonly { account: Address; isBounced?: boolean }[]): void {
        const transactions: AccountTransaction[] = [];
        for (const { account, isBounced = false } of senders) {
            const received = { account, amount: 0n, isBounced };
            this.addTransaction({ received, sent: [], order: undefined }, transactions);
        }
        this.ofChannels.set(channel.toRawString(), transactions);
    }

    async prices(): Promise<never> {
        throw new ChainError('not here');
    }

    async sendExternal(): Promise<void> {
        throw new ChainError('not here');
    }

    open<T extends Contract>({ address }: T): OpenedContract<T> {
        const getters = this.getters.get(address.toRawString());
        const getStanding = async () => ({ cases: 0n, opened: 0n });
        const getNodeState = async () => ({ number: 0n });
        return {
            getClaimValue: async () => CLAIM,
            getStanding,
            getNodeState,
            ...getters,
        } as unknown as OpenedContract<T>;
    }

    /** Puts a channel on the chain as an escrow would. */
    openChannel(escrow: Address, job: JobParameters, code: Cell, deposit: bigint): Address {
        const { address, data } = channelInit(escrow, job, code);
        this.set(address, { code, data: data!, balance: deposit });
        this.setSenders(address, [{ account: escrow }]);
        return address;
    }

    /** Puts the Provider of an owner on the chain, whose answer about the owner may be another; returns its address. */
    async setProvider(registry: Address, owner: Address, is: { code?: Cell; saysOwner?: Address } = {}) {
        const { address, init } = await Provider.ofOwner(registry, owner, is.code);
        this.set(address, { code: init!.code, data: init!.data, balance: 10n ** 9n });
        this.getters.set(address.toRawString(), {
            getProviderState: async () => ({ owner: is.saysOwner ?? owner }),
            getMembership: async () => ({ rules: null }),
        });
        return address;
    }

    set(address: Address, account: { code: Cell; data: Cell; balance: bigint }): void {
        this.accounts.set(address.toRawString(), { state: 'active', ...account, at: 0 });
    }

    /** Replaces paid and refundAt of a channel. */
    change(address: Address, change: { paid?: bigint; refundAt?: number; balance?: bigint }): void {
        const account = this.accounts.get(address.toRawString())!;
        const { paid, refundAt } = loadChannelData(account.data!);
        const rest = account.data!.beginParse().skip(96);
        const data = beginCell()
            .storeUint(change.paid ?? paid, 64)
            .storeUint(change.refundAt ?? refundAt, 32)
            .storeSlice(rest)
            .endCell();
        this.set(address, { code: account.code!, data, balance: change.balance ?? account.balance });
    }

    /** The channel's account ends. */
    remove(address: Address): void {
        this.accounts.delete(address.toRawString());
    }

    paidBy(address: Address): bigint {
        return loadChannelData(this.accounts.get(address.toRawString())!.data!).paid;
    }
}

/** A wallet whose claims the fake chain pays at once. */
export class FakeWallet {
    readonly orders: Transfer[][] = [];
    failing = 0; // orders still to refuse
    private balanceNow = 0n; // nanoTON
    executes = true; // false: an order is executed, and sends nothing

    constructor(
        private readonly chain: FakeChain,
        readonly address: Address,
    ) {
        this.coins = 10_000_000_000n;
    }

    /** nanoTON. Whoever sets it funds the wallet, or takes coins. */
    get coins(): bigint {
        return this.balanceNow;
    }

    set coins(coins: bigint) {
        const change = coins - this.balanceNow;
        const other = { account: new Address(0, Buffer.alloc(32, 0xfa)), isBounced: false };
        this.chain.addTransaction({
            received: change < 0n ? undefined : { ...other, amount: change },
            sent: change < 0n ? [{ ...other, amount: -change }] : [],
            order: undefined,
        });
        this.setBalance(coins);
    }

    private setBalance(balance: bigint): void {
        this.balanceNow = balance;
        this.chain.set(this.address, { code: Cell.EMPTY, data: Cell.EMPTY, balance });
    }

    async balance(): Promise<bigint> {
        return this.coins;
    }

    async outcome(): Promise<OrderOutcome> {
        return 'executed';
    }

    async send(transfers: Transfer[], note: (order: Order) => Promise<void> = async () => undefined): Promise<void> {
        if (this.failing > 0) {
            this.failing--;
            throw new ChainError('The wallet did not take the order');
        }
        const [seqno, from] = [this.orders.length, this.chain.now()];
        const hash = `order ${seqno}`;
        await note({ wallet: this.address, seqno, hash, from, validUntil: from + 120 });
        this.orders.push(transfers);
        const swept = transfers.filter(({ bounce }) => bounce === false && this.executes);
        this.setBalance(swept.reduce((rest, { value }) => rest - value, this.balanceNow));
        const sent = swept.map(({ to, value }) => ({ account: to, amount: value }));
        this.chain.addTransaction({ received: undefined, sent, order: hash });
        transfers.filter(({ bounce }) => bounce !== false).forEach(({ to, body }) => this.claim(to, body as Cell));
    }

    private claim(to: Address, body: Cell): void {
        const account = this.chain.accounts.get(to.toRawString());
        if (account === undefined) {
            return;
        }
        const slice = body.beginParse();
        const last = slice.loadUint(32) === opcodes.ClaimLast;
        const cumulative = slice.loadUintBig(64);
        const { paid } = loadChannelData(account.data!);
        const owed = cumulative - paid;
        const due = owed < 0n ? 0n : owed < account.balance ? owed : account.balance;
        if (last) {
            this.chain.remove(to);
            return;
        }
        this.chain.change(to, { paid: paid + due, balance: account.balance - due });
    }
}
