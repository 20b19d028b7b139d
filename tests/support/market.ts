/**
 * A client's escrow that is set up, a payout wallet and jobs, on a chain at the fixed time START, with fixed keys.
 *
 * `useMarket()` deploys once per file and puts everything back before each test; `deployMarket()` deploys another one.
 */
import { Address, beginCell, Cell, contractAddress, external, StateInit, toNano } from '@ton/core';
import { Blockchain, BlockchainTransaction, internal, SandboxContract, SendMessageResult } from '@ton/sandbox';
import {
    Channel,
    channelCode,
    Escrow,
    EscrowSettings,
    JobParameters,
    NewJob,
    openJobsCell,
    OrderHead,
    signedOrder,
    SignedVoucher,
    SigningKey,
    signingKey,
    Voucher,
    voucherFor,
} from '@cocoon-market/wrappers';
import { createBlockchain, drawnFrom, PriceLevel, START, transactionsOn } from './chain';
import { openLibrary } from './library';
import { Wallet, walletOf, WalletVersion } from './wallet';

export const NETWORK = -239;
export const HOUR = 3600;
export const DAY = 86400;
export const DEPOSIT = toNano('100'); // in the escrow once it is set up
export const JOB_LIMIT = toNano('20');
export const DAY_LIMIT = toNano('50');

const keys: SigningKey[] = []; // making one takes a millisecond

/** The key pair of a number: the same in every run. */
export function testKey(number: number): SigningKey {
    keys[number] ??= signingKey(Buffer.alloc(32, number));
    return keys[number];
}

export const spendKey = testKey(1);
export const voucherKey = testKey(2);
export const otherKey = testKey(3);

/** An open job: its contract, what it was deployed with, and the result of the order that opened it. */
export interface OpenJob {
    channel: SandboxContract<Channel>;
    job: JobParameters;
    result: SendMessageResult;
}

let usually = false;

/** Makes every market that does not say otherwise run with library code: for a spec that repeats others. */
export function useLibraryCode(): void {
    usually = true;
}

export interface MarketOptions {
    prices?: PriceLevel;
    slim?: boolean;
    wallets?: WalletVersion;
    library?: boolean;
}

export class Market {
    private constructor(
        readonly blockchain: Blockchain,
        readonly owner: Wallet,
        readonly payout: Wallet,
        readonly stranger: Wallet,
        readonly escrow: SandboxContract<Escrow>,
        readonly code: Cell,
    ) {}

    /**
     * An escrow with DEPOSIT, key, limits and channel code; `setUp: false` does not deploy it; `library: true`
     * publishes the channel's code and opens channels that name it by its hash.
     */
    static async deploy(options: MarketOptions & { setUp?: boolean } = {}): Promise<Market> {
        const blockchain = await createBlockchain(options);
        const [owner, payout, stranger] = [
            await walletOf(blockchain, 'owner', options.wallets),
            await walletOf(blockchain, 'payout', options.wallets),
            await walletOf(blockchain, 'stranger', options.wallets),
        ];
        const escrow = blockchain.openContract(await Escrow.ofOwner(owner.address));
        const plain = await channelCode();
        const code = (options.library ?? usually) ? await openLibrary(blockchain, plain) : plain;
        const market = new Market(blockchain, owner, payout, stranger, escrow, code);
        if (options.setUp !== false) {
            await market.setUp({ deposit: DEPOSIT, value: DEPOSIT + toNano('1') });
        }
        return market;
    }

    /** The fixture's settings, or others, by the owner. */
    async setUp(
        overrides: Partial<EscrowSettings> & { deposit?: bigint; value?: bigint; queryId?: bigint } = {},
        by = this.owner,
    ): Promise<SendMessageResult> {
        return this.escrow.sendSetUp(by.getSender(), {
            value: toNano('1'),
            deposit: 0n,
            spendKey: spendKey.publicKey,
            jobLimit: JOB_LIMIT,
            dayLimit: DAY_LIMIT,
            channelCode: this.code,
            ...overrides,
        });
    }

    get now(): number {
        return this.blockchain.now!;
    }

    /** A job as an order names it: 1 TON for 30 days with a notice of a day. */
    newJob(overrides: Partial<NewJob> = {}): NewJob {
        return {
            deposit: toNano('1'),
            end: this.now + 30 * DAY,
            notice: DAY,
            voucherKey: voucherKey.publicKey,
            payout: this.payout.address.hash,
            ...overrides,
        };
    }

    async seqno(): Promise<number> {
        return Number((await this.escrow.getEscrowState()).seqno);
    }

    /** The head of the escrow's next order. */
    async head(overrides: Partial<OrderHead> = {}): Promise<OrderHead> {
        const seqno = overrides.seqno ?? (await this.seqno());
        return { network: NETWORK, escrow: this.escrow.address, seqno, validUntil: this.now + 60, ...overrides };
    }

    /** The next OpenJobs order, signed. */
    async openOrder(
        jobs: NewJob[],
        { key = spendKey, total, ...head }: Partial<OrderHead> & { key?: SigningKey; total?: bigint } = {},
    ): Promise<Cell> {
        return signedOrder(
            openJobsCell({ ...(await this.head(head)), jobs, ...(total === undefined ? {} : { total }) }),
            key,
        );
    }

    /** Carries the body of an external message to the escrow, as anyone can. */
    async carry(body: Cell, init?: StateInit): Promise<SendMessageResult> {
        return this.blockchain.sendMessage(external({ to: this.escrow.address, body, ...(init ? { init } : {}) }));
    }

    /** Opens jobs with the spend key. */
    async openJobs(jobs: NewJob[], overrides: Partial<OrderHead> & { key?: SigningKey; total?: bigint } = {}) {
        return this.carry(await this.openOrder(jobs, overrides));
    }

    /** Opens one job with the spend key. */
    async openJob(overrides: Partial<NewJob> = {}): Promise<OpenJob> {
        const seqno = await this.seqno();
        const job = this.newJob(overrides);
        const result = await this.openJobs([job], { seqno });
        const { channel, job: parameters } = await this.jobOf(job, seqno * 4);
        return { channel, job: parameters, result };
    }

    /** The channel that the escrow opens for a job of this number. */
    async jobOf(
        job: NewJob,
        number: number,
        code = this.code,
    ): Promise<{ channel: SandboxContract<Channel>; job: JobParameters }> {
        const { deposit: _, ...rest } = job;
        const parameters = { ...rest, job: number };
        const channel = await Channel.ofJob(this.escrow.address, parameters, code);
        return { channel: this.blockchain.openContract(channel), job: parameters };
    }

    /** A signed voucher; the overrides make it one that the channel must refuse. */
    voucher(
        channel: { address: Address },
        cumulative: bigint,
        overrides: { count?: number; network?: number; key?: SigningKey } = {},
    ): SignedVoucher {
        const { count = 1, network = NETWORK, key = voucherKey } = overrides;
        const signature = key.sign(Voucher.hash(voucherFor(network, channel.address, cumulative, count)));
        return { cumulative, count, signature };
    }

    async balanceOf(account: { address: Address }): Promise<bigint> {
        return (await this.blockchain.getContract(account.address)).balance;
    }

    /** True when the chain knows nothing of the account any more: no code, no data, no money. */
    async isGone(account: { address: Address }): Promise<boolean> {
        const { accountState, balance } = await this.blockchain.getContract(account.address);
        return (accountState === undefined || accountState.type === 'uninit') && balance === 0n;
    }

    /** Sends any body from any account, as if it had sent it: the value leaves its balance, no fee is taken there. */
    async send(
        from: { address: Address },
        to: { address: Address },
        args: { value: bigint; body?: Cell; init?: StateInit; bounce?: boolean },
    ): Promise<SendMessageResult> {
        const { value, body = Cell.EMPTY, init, bounce = true } = args;
        const sender = await this.blockchain.getContract(from.address);
        if (sender.balance < value) {
            throw new Error(`${from.address.toString()} has ${sender.balance} nanoTON, the message carries ${value}`);
        }
        sender.balance -= value;
        return this.blockchain.sendMessage(
            internal({ from: from.address, to: to.address, value, body, bounce, ...(init ? { stateInit: init } : {}) }),
        );
    }

    /** The address of a contract that refuses every message that has code to run it. */
    async deployRefuser(): Promise<Address> {
        const code = beginCell().storeUint(0xff00, 16).storeUint(0xf22a, 16).endCell(); // SETCP 0, THROW 42
        const init = { code, data: Cell.EMPTY };
        const address = contractAddress(0, init);
        await this.send(this.stranger, { address }, { value: toNano('1'), init, bounce: false });
        return address;
    }

    /** By how much the account's balance falls over the action, in nanoTON. */
    async fallOf(account: { address: Address }, action: () => Promise<unknown>): Promise<bigint> {
        const before = await this.balanceOf(account);
        await action();
        return before - (await this.balanceOf(account));
    }

    /** Moves the clock to the start of the next day, UTC. */
    nextDay(): void {
        this.blockchain.now = (Math.floor(this.now / DAY) + 1) * DAY;
    }
}

/** A body of one opcode and what follows it. */
export function bodyOf(opcode: number, rest: Cell = Cell.EMPTY): Cell {
    return beginCell().storeUint(opcode, 32).storeSlice(rest.beginParse()).endCell();
}

/** A getter's answer with addresses as text, to compare. */
export function plain<T extends object>(state: T): Record<string, unknown> {
    return Object.fromEntries(
        Object.entries(state).map(([name, value]) => [name, value instanceof Address ? value.toString() : value]),
    );
}

/** One market per file, as deployed, before each test. */
export function useMarket(options: MarketOptions = {}): () => Market {
    let market: Market;
    let fresh: ReturnType<Blockchain['snapshot']>;
    beforeAll(async () => {
        market = await Market.deploy(options);
        fresh = market.blockchain.snapshot();
    });
    beforeEach(async () => {
        await market.blockchain.loadFrom(fresh);
        market.blockchain.now = START;
    });
    return () => market;
}

/** Asserts that an external message was not accepted, with this code, and that it cost and changed nothing. */
export async function expectNotAccepted(
    market: Market,
    action: () => Promise<unknown>,
    exitCode: number | undefined,
): Promise<void> {
    const account = async () => {
        const { balance, accountState } = await market.blockchain.getContract(market.escrow.address);
        const data = accountState?.type === 'active' ? accountState.state.data?.hash().toString('hex') : undefined;
        return { balance, data };
    };
    const before = await account();

    const error: unknown = await action().then(
        () => undefined,
        (reason: unknown) => reason,
    );

    expect(error).toBeDefined();
    expect((error as { exitCode?: number }).exitCode).toBe(exitCode);
    expect(await account()).toEqual(before);
}

/** What a message on `to` paid out of the account's own money, rent left aside, in nanoTON. */
export function paidFrom(result: SendMessageResult, to: { address: Address }): bigint {
    return transactionsOn(result, to.address).reduce((sum, tx) => sum + drawnFrom(tx) - rentOf(tx), 0n);
}

/** The rent a transaction collected, in nanoTON. */
export function rentOf(tx: BlockchainTransaction): bigint {
    return tx.description.type === 'generic' ? (tx.description.storagePhase?.storageFeesCollected ?? 0n) : 0n;
}

/** The value of the one message that `from` sent to `to` in this result, in nanoTON; 0 for none. */
export function valueSent(result: SendMessageResult, from: { address: Address }, to: { address: Address }): bigint {
    return transactionsOn(result, to.address, from.address).reduce((sum, tx) => {
        return sum + (tx.inMessage?.info.type === 'internal' ? tx.inMessage.info.value.coins : 0n);
    }, 0n);
}
