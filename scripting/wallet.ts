/**
 * The wallet that signs: one of 24 words, with as many messages in an order as its version takes, or Blueprint's own.
 */
import type { OpenedContract, StateInit } from '@ton/core';
import { Address, beginCell, Cell, internal, SendMode, storeMessageRelaxed } from '@ton/core';
import { GLOBAL_IDS, normaliseWords, seedOfWords, sizeOf } from '@cocoon-market/wrappers';
import { keyPairFromSeed } from '@ton/crypto';
import type { NetworkProvider } from '@ton/blueprint';
import { WalletContractV4, WalletContractV5R1 } from '@ton/ton';
import type { Chain, ChainAccount } from '../offchain/chain/chain';
import { nextNumber } from '../offchain/chain/number';
import { deliver, type Order, type OrderOutcome, outcomeOf, seqnoAt, V5_SEQNO_BIT } from '../offchain/chain/order';
import { agreedTime } from '../offchain/chain/time';
import { unixSeconds } from '../offchain/process/clock';
import { ScriptError } from './scriptError';

/** One message that a wallet sends. */
export interface Outgoing {
    to: Address;
    value: bigint; // nanoTON
    body: Cell;
    init?: StateInit;
    bounce?: boolean; // true unless given
}

export interface Wallet {
    readonly address: Address;
    readonly version: string;
    /** The number of messages from the first on that fit into one order, at least 1. */
    capacity(messages: readonly Outgoing[]): number;
    /**
     * Sends one order and returns once the wallet has taken it. `signed` is called with the order before it is sent.
     */
    send(messages: readonly Outgoing[], signed?: (order: Order) => void): Promise<void>;
    /** What became of an order of this wallet. */
    outcome?(order: Order): Promise<OrderOutcome>;
}

const V4_MESSAGES = 4;
const V5_MESSAGES = 255;
const V4_SEQNO_BIT = 0; // of its data
// The limits of an external message, less the wallet's own part.
const ORDER_BYTES = 60_000;
const ORDER_CELLS = 8_000n;
const VALID_FOR = 120; // seconds

/** How long and how often a script looks whether something has happened on chain. */
export interface Patience {
    every: number; // milliseconds
    within: number; // milliseconds
}

/** The wallet of the command line; undefined when there is none, as with --deeplink. */
export async function openWallet(
    provider: NetworkProvider,
    chain: Chain | undefined,
    patience: Patience,
    environment: NodeJS.ProcessEnv = process.env,
): Promise<Wallet | undefined> {
    const { address } = provider.sender();
    if (address === undefined) {
        return undefined;
    }
    const own = await walletByWords(provider, chain, patience, environment);
    return own?.address.equals(address) ? own : foreignWallet(provider, address, patience);
}

async function walletByWords(
    provider: NetworkProvider,
    chain: Chain | undefined,
    patience: Patience,
    environment: NodeJS.ProcessEnv,
) {
    const { WALLET_MNEMONIC: words, WALLET_VERSION: version = '' } = environment;
    if (!words || !isByWords(provider)) {
        return undefined;
    }
    const seed = await seedOfWords(words).catch((error: Error) => {
        throw new ScriptError(`WALLET_MNEMONIC: ${error.message}`, 'check the words; nothing was sent');
    });
    if (words !== normaliseWords(words)) {
        throw new ScriptError('WALLET_MNEMONIC: write small letters and one space between two words');
    }
    if (chain === undefined) {
        return undefined;
    }
    const pair = keyPairFromSeed(seed);
    const limits: Record<string, number> = { v4: V4_MESSAGES, v4r2: V4_MESSAGES, v5r1: V5_MESSAGES };
    const limit = limits[version.toLowerCase()];
    if (limit === undefined) {
        return undefined;
    }
    const networkGlobalId = provider.network() === 'testnet' ? GLOBAL_IDS.testnet : GLOBAL_IDS.mainnet;
    const context = { walletVersion: 'v5r1', workchain: 0, subwalletNumber: 0 } as const;
    const contract =
        limit === V5_MESSAGES
            ? WalletContractV5R1.create({ publicKey: pair.publicKey, walletId: { networkGlobalId, context } })
            : WalletContractV4.create({ workchain: 0, publicKey: pair.publicKey });
    return new WordsWallet(chain, contract as WalletContractV4, { secretKey: pair.secretKey, limit, patience });
}

/** Whether Blueprint's sender is the wallet of the words in the environment. */
function isByWords(provider: NetworkProvider): boolean {
    const { provider: kind } = provider.sender() as { provider?: object };
    return kind?.constructor.name === 'MnemonicProvider';
}

class WordsWallet implements Wallet {
    private readonly opened: OpenedContract<WalletContractV4>;

    constructor(
        private readonly chain: Chain,
        private readonly contract: WalletContractV4,
        private readonly options: { secretKey: Buffer; limit: number; patience: Patience },
    ) {
        this.opened = chain.open(contract);
    }

    get address(): Address {
        return this.contract.address;
    }

    get version(): string {
        return this.options.limit === V5_MESSAGES ? 'v5r1' : 'v4';
    }

    capacity(messages: readonly Outgoing[]): number {
        const max = Math.min(messages.length, this.options.limit);
        let [fits, fails] = isSendable(messages.slice(0, max)) ? [max, max + 1] : [1, max];
        while (fails - fits > 1) {
            const middle = (fits + fails) >> 1;
            [fits, fails] = isSendable(messages.slice(0, middle)) ? [middle, fails] : [fits, middle];
        }
        return fits;
    }

    async send(messages: readonly Outgoing[], signed?: (order: Order) => void): Promise<void> {
        const { state, at } = await this.chain.account(this.address);
        const { seqno } = await nextNumber(
            this.chain,
            { address: this.address, bit: this.seqnoBit },
            async () => (state === 'active' ? this.opened.getSeqno() : 0),
            this.options.patience.every,
        );
        // The chain's time, because the machine's differs on a local network whose time was moved. One endpoint that
        // named a later one could keep the order for as long, and the next script waiting.
        const from = await agreedTime(this.chain, this.address, { at, now: unixSeconds() });
        const validUntil = from + VALID_FOR;
        const body = this.contract.createTransfer({
            seqno,
            secretKey: this.options.secretKey,
            sendMode: SendMode.PAY_GAS_SEPARATELY,
            timeout: validUntil,
            messages: messages.map(({ init, bounce = true, ...message }) => internal({ ...message, init, bounce })),
        });
        const order = { wallet: this.address, seqno, hash: body.hash().toString('hex'), from, validUntil };
        signed?.(order);
        const { init } = this.contract;
        await deliver(
            this.chain,
            order,
            { body, ...(state === 'active' ? {} : { init }) },
            { seqno: (account) => this.seqnoIn(account), pollMs: this.options.patience.every },
        );
    }

    outcome(order: Order): Promise<OrderOutcome> {
        return outcomeOf(this.chain, order, (account) => this.seqnoIn(account));
    }

    /** By the data of this wallet, which most endpoints show: of its getter the first one tells alone. */
    private async seqnoIn(account: ChainAccount): Promise<number> {
        return seqnoAt(this.seqnoBit, account) ?? this.opened.getSeqno();
    }

    private get seqnoBit(): number {
        return this.options.limit === V5_MESSAGES ? V5_SEQNO_BIT : V4_SEQNO_BIT;
    }
}

function foreignWallet(provider: NetworkProvider, address: Address, patience: Patience): Wallet {
    const sender = provider.sender();
    const latest = async () => (await provider.getContractState(address)).last?.lt ?? 0n;
    return {
        address,
        version: 'one message at a time',
        capacity: () => 1,
        async send([{ to, value, body, init }]) {
            const ltBefore = await latest();
            await sender.send({ to, value, body, ...(init === undefined ? {} : { init }) });
            await waitUntil(patience, async () => (await latest()) > ltBefore);
        },
    };
}

/** Polls until `holds`; refuses to wait longer than `patience` says. */
export async function waitUntil({ every, within }: Patience, holds: () => Promise<boolean>): Promise<void> {
    const end = Date.now() + within;
    while (!(await holds())) {
        if (Date.now() > end) {
            throw new ScriptError(
                `Nothing changed on chain within ${within / 1000} s`,
                'the network may be slow. Run the script again: it first checks the outcome of what was sent',
            );
        }
        await new Promise((resolve) => setTimeout(resolve, every));
    }
}

// An order as the wallet will carry it, whatever its version: each message in a cell of its own.
function isSendable(messages: readonly Outgoing[]): boolean {
    const order = messages.reduce((rest, { init, ...message }) => {
        const cell = beginCell().store(storeMessageRelaxed(internal({ ...message, init, bounce: true })));
        return beginCell().storeRef(rest).storeRef(cell.endCell()).endCell();
    }, Cell.EMPTY);
    return order.toBoc({ idx: false }).length <= ORDER_BYTES && sizeOf(order).cells <= ORDER_CELLS;
}
