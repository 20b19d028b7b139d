/** A market whose histories are made without running a contract: as many transactions as a benchmark wants, cheaply. */
import {
    Address,
    beginCell,
    Cell,
    Dictionary,
    type Message,
    storeMessage,
    storeTransaction,
    type StateInit,
    type Transaction,
} from '@ton/core';
import type { TransactionId } from '../../offchain/chain';
import {
    type MasterBlock,
    type MessageId,
    PAGE,
    type RawTransaction,
    type Source,
    type StateAfter,
} from '../../offchain/indexer/source';
import {
    bytesToNumber,
    channelCode,
    channelInit,
    claimBody,
    Escrow,
    jobNumber,
    libraryOf,
    listingCell,
    modelKey,
    newJobCell,
    opcodes,
    Provider,
    Registry,
} from '@cocoon-market/wrappers';

const START = 1_795_435_200; // unix seconds of the first transaction
const SECONDS = 3; // between two transactions
const GAS = 3_000_000n; // nanoTON of each transaction
const FORWARD = 400_000n; // nanoTON of each transaction
const VALUE = 50_000_000n; // nanoTON of each message that asks for something
const KEY = Buffer.alloc(32, 7);

interface Sent {
    to: Address | null; // null: an event
    value?: bigint;
    body?: Cell;
    init?: StateInit;
}

/** An account that no key controls, by its number. */
export const accountOf = (number: number): Address => {
    const hash = Buffer.alloc(32, 0xaa);
    hash.writeUInt32BE(number);
    return new Address(0, hash);
};

export class SyntheticChain implements Source {
    readonly name = 'synthetic';
    calls = 0;
    size = 0; // transactions
    private lt = 1000n;
    private readonly histories = new Map<string, { lt: bigint; hash: Buffer; boc: Buffer }[]>();
    private readonly states = new Map<string, { code: Cell; data: Cell }>();

    /** Gives an account its code and data, which no transaction changes. */
    setState(account: Address, state: { code: Cell; data: Cell }): void {
        this.states.set(account.toRawString(), state);
    }

    /** Adds a transaction; returns the messages that it sent. */
    add(
        account: Address,
        received: { from: Address | null; value?: bigint; body?: Cell; init?: StateInit },
        sent: Sent[],
    ): Message[] {
        const history = this.histories.get(account.toRawString()) ?? [];
        this.histories.set(account.toRawString(), history);
        const lt = (this.lt += 1000n);
        const now = START + this.size++ * SECONDS;
        const messages = sent.map((each, i) => messageOf(account, each, { lt: lt + BigInt(i) + 1n, now }));
        const inMessage =
            received.from === null
                ? externalIn(account, received.body)
                : messageOf(received.from, { to: account, ...received }, { lt: lt - 500n, now });
        const previous = history.at(-1);
        const cell = beginCell()
            .store(storeTransaction(transactionOf(account, { lt, now, inMessage, messages, previous })))
            .endCell();
        history.push({ lt, hash: cell.hash(), boc: cell.toBoc({ idx: false, crc32: false }) });
        return messages;
    }

    async tip(): Promise<MasterBlock> {
        this.calls++;
        return { seqno: this.size, hash: `${this.size}` };
    }

    async page(account: Address, from?: TransactionId): Promise<RawTransaction[]> {
        this.calls++;
        const history = this.histories.get(account.toRawString()) ?? [];
        const end = from === undefined ? history.length : history.findIndex(({ lt }) => lt === from.lt) + 1;
        return history
            .slice(Math.max(0, end - PAGE), end)
            .reverse()
            .map(({ lt, hash, boc }) => ({ lt, hash, cell: Cell.fromBoc(boc)[0] }));
    }

    async state(account: Address): Promise<StateAfter> {
        this.calls++;
        const last = this.histories.get(account.toRawString())?.at(-1);
        const { code, data } = this.states.get(account.toRawString()) ?? {};
        return { last: last && { lt: last.lt, hash: last.hash }, code, data };
    }

    senderOf(_: MessageId): Promise<undefined> {
        this.calls++;
        return Promise.resolve(undefined);
    }
}

const coins = (value: bigint) => ({ coins: value });

function messageOf(
    from: Address,
    { to, value = 0n, body = Cell.EMPTY, init }: Sent,
    { lt, now }: { lt: bigint; now: number },
): Message {
    if (to === null) {
        return { info: { type: 'external-out', src: from, createdLt: lt, createdAt: now }, body };
    }
    const flags = { ihrDisabled: true, bounce: true, bounced: false, ihrFee: 0n, forwardFee: FORWARD };
    const info = {
        type: 'internal' as const,
        ...flags,
        src: from,
        dest: to,
        value: coins(value),
        createdLt: lt,
        createdAt: now,
    };
    return { info, body, ...(init && { init }) };
}

const externalIn = (to: Address, body = Cell.EMPTY): Message => ({
    info: { type: 'external-in', dest: to, importFee: 0n },
    body,
});

function transactionOf(
    account: Address,
    {
        lt,
        now,
        inMessage,
        messages,
        previous,
    }: {
        lt: bigint;
        now: number;
        inMessage: Message;
        messages: Message[];
        previous: TransactionId | undefined;
    },
): Transaction {
    const outMessages = Dictionary.empty<number, Message>(Dictionary.Keys.Uint(15), MESSAGES);
    messages.forEach((message, i) => outMessages.set(i, message));
    return {
        ...{ address: bytesToNumber(account.hash), lt, now, inMessage, outMessages, outMessagesCount: messages.length },
        prevTransactionHash: bytesToNumber(previous?.hash ?? Buffer.alloc(32)),
        prevTransactionLt: previous?.lt ?? 0n,
        ...{ oldStatus: 'active', endStatus: 'active', totalFees: coins(GAS) },
        stateUpdate: { oldHash: Buffer.alloc(32), newHash: Buffer.alloc(32) },
        description: {
            ...{ type: 'generic', creditFirst: false, aborted: false, destroyed: false },
            computePhase: {
                ...{ type: 'vm', success: true, messageStateUsed: false, accountActivated: false },
                ...{ gasFees: GAS, gasUsed: 7500n, gasLimit: 100_000n, mode: 0, exitCode: 0, vmSteps: 100 },
                ...{ vmInitStateHash: 0n, vmFinalStateHash: 0n },
            },
            actionPhase: {
                ...{ success: true, valid: true, noFunds: false, statusChange: 'unchanged', resultCode: 0 },
                ...{ totalFwdFees: FORWARD, totalActionFees: 0n, totalActions: messages.length, specActions: 0 },
                ...{ skippedActions: 0, messagesCreated: messages.length, actionListHash: 0n },
                totalMessageSize: { cells: 1n, bits: 1n },
            },
        },
        ...{ raw: Cell.EMPTY, hash: () => Buffer.alloc(32) },
    };
}

const MESSAGES = {
    serialize: (message: Message, builder: ReturnType<typeof beginCell>) => {
        builder.storeRef(beginCell().store(storeMessage(message)).endCell());
    },
    parse: (): Message => {
        throw new Error('Never read');
    },
};

/** A market of one provider, with its registry. */
export class SyntheticMarket {
    private orders = 0;

    private constructor(
        readonly chain: SyntheticChain,
        readonly registry: Address,
        readonly provider: Address,
        private readonly code: Cell,
    ) {}

    static readonly payout = accountOf(1);

    static async create(chain = new SyntheticChain()): Promise<SyntheticMarket> {
        const [governor, owner] = [accountOf(2), accountOf(3)];
        const registry = await Registry.ofGovernor(governor, 0);
        const provider = await Provider.ofOwner(registry.address, owner);
        chain.setState(registry.address, registry.init!);
        chain.setState(provider.address, provider.init!);
        const joined = beginCell().storeUint(opcodes.ProviderRegistered, 32).storeBuffer(provider.address.hash);
        const event = joined
            .storeUint(10n ** 12n, 64)
            .storeUint(0, 8)
            .storeAddress(owner)
            .endCell();
        chain.add(registry.address, { from: provider.address, value: VALUE }, [{ to: null, body: event }]);
        const join = beginCell()
            .storeUint(opcodes.Join, 32)
            .storeUint(0, 64)
            .storeUint(10n ** 12n, 64)
            .storeUint(0, 8);
        const members = join.storeAddress(SyntheticMarket.payout).storeAddress(null).storeUint(0, 256).endCell();
        chain.add(provider.address, { from: owner, value: VALUE, body: members }, []);
        return new SyntheticMarket(chain, registry.address, provider.address, libraryOf(await channelCode()).cell);
    }

    /** A node of the provider is announced with a price of the model `a`. */
    list(number: number, price: bigint): void {
        const listing = listingCell({
            hardware: { gpuClass: 0, gpus: 1, vram: 80, model: 'NVIDIA H100' },
            ...{ receiptKey: BigInt(number) + 1n, encryptionKey: 1n },
            service: { region: 'eu', uptime: 9900, endpoint: `https://node-${number}.example` },
            offers: [{ model: modelKey('a'), prompt: price, cached: price, completion: price, reasoning: price }],
        });
        const head = beginCell().storeUint(opcodes.NodeAnnounced, 32).storeBuffer(this.provider.hash);
        const event = head.storeUint(number, 32).storeRef(listing).endCell();
        this.chain.add(this.registry, { from: this.provider, value: VALUE }, [{ to: null, body: event }]);
    }

    /** A client announces demand, by which its escrow is found. */
    announce(client: number): void {
        const head = beginCell().storeUint(opcodes.DemandAnnounced, 32).storeAddress(accountOf(client));
        const event = head
            .storeUint(modelKey('a'), 256)
            .storeUint(1000, 32)
            .storeUint(2 ** 32 - 1, 32)
            .endCell();
        this.chain.add(this.registry, { from: accountOf(client), value: VALUE }, [{ to: null, body: event }]);
    }

    /** An order of four jobs, each with a claim of somebody, one of the payout, and the last. The claimed sum. */
    async serve(client: number, amount: bigint): Promise<bigint> {
        const { chain, code } = this;
        const { payout } = SyntheticMarket;
        const escrow = (await Escrow.ofOwner(accountOf(client))).address;
        const seqno = this.orders++;
        const terms = { end: START + 10 ** 8, notice: 3600, voucherKey: KEY, payout: payout.hash };
        const deposit = 10n ** 9n;
        const inits = [0, 1, 2, 3].map((position) =>
            channelInit(escrow, { ...terms, job: jobNumber(seqno, position) }, code),
        );
        const jobs = inits.reduce((cell) => cell.storeRef(newJobCell({ ...terms, deposit })), beginCell()).endCell();
        const order = beginCell()
            .storeUint(opcodes.Open, 32)
            .storeUint(0, 64)
            .storeUint(seqno, 32)
            .storeUint(4n * deposit, 64);
        const open = { from: accountOf(client), value: VALUE, body: order.storeRef(jobs).endCell() };
        chain.add(
            escrow,
            open,
            inits.map(({ address, ...init }) => ({ to: address, value: deposit, init })),
        );
        for (const { address, ...init } of inits) {
            chain.add(address, { from: escrow, value: deposit, init }, []);
            const signature = Buffer.alloc(64);
            const voucher = (times: bigint) => ({ cumulative: times * amount, count: 1, signature });
            const claim = { value: VALUE, body: claimBody(voucher(1n)) };
            const [helper, rest] = [accountOf(9), VALUE - GAS - FORWARD];
            chain.add(address, { from: helper, ...claim }, [
                { to: payout, value: amount },
                { to: helper, value: rest },
            ]);
            chain.add(payout, { from: address, value: amount }, []);
            chain.add(address, { from: payout, value: VALUE, body: claimBody(voucher(2n)) }, [
                { to: payout, value: amount + rest },
            ]);
            chain.add(payout, { from: address, value: amount + rest }, []);
            const last = { from: payout, value: VALUE, body: claimBody(voucher(3n), { last: true }) };
            chain.add(address, last, [
                { to: escrow, value: deposit - 3n * amount },
                { to: payout, value: amount + rest },
            ]);
            chain.add(payout, { from: address, value: amount + rest }, []);
        }
        return 12n * amount;
    }
}
