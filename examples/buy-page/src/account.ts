/** Everything of one wallet: its escrow, the key of this browser, its jobs, and what its wallet was asked for. */
import { Client, type ClientJob, type PendingOrder } from '@cocoon-market/client';
import {
    type Actor,
    bytesToNumber,
    Escrow,
    messagesOfAction,
    setUpEscrow,
    setUpValue,
    type SigningKey,
    withdrawDeposit,
} from '@cocoon-market/wrappers';
import type { Address, SenderArguments } from '@ton/core';
import { type Limits, ton } from './amounts';
import { spendKey } from './keys';
import { type Connector, Outbox, type SendKind, type SendOutcome } from './outbox';
import { checkReceipts, type CheckedReceipt } from './receipts';
import type { Choice, Shop } from './shop';

const DAY = 86_400;
const NAMES = new Map([
    [-239, 'mainnet'],
    [-3, 'testnet'],
]);
const NO_LIMIT = 2n ** 63n; // the escrow has the limits of its owner, and each question its own

export const networkName = (network: number): string => NAMES.get(network) ?? `network ${network}`;

/** A wallet as TonConnect names it. */
export interface ConnectedWallet {
    address: Address;
    network: number; // GLOBALID
}

/** The escrow as the chain has it. Amounts in nanoTON. */
export interface EscrowView {
    exists: boolean;
    balance: bigint;
    withdrawable: bigint;
    reserve: bigint; // stays there
    jobLimit: bigint;
    dayLimit: bigint;
    dayRemaining: bigint; // of the limit of today (UTC)
    key: 'none' | 'ours' | 'other';
}

/** A job as the page shows it. Amounts in nanoTON. */
export interface JobCardView {
    job: ClientJob;
    claimed: bigint; // by the provider, on chain
    unclaimed: bigint; // signed, and not claimed
    refundAt: number | undefined; // unix seconds; undefined without an account
    isGone: boolean; // the account has ended
}

const NO_ESCROW: EscrowView = {
    ...{ exists: false, balance: 0n, withdrawable: 0n, reserve: 0n },
    ...{ jobLimit: 0n, dayLimit: 0n, dayRemaining: 0n, key: 'none' },
};

export class Account {
    escrow: EscrowView = NO_ESCROW;
    setUpFee = 0n; // nanoTON that the wallet is asked for besides the deposit; what the chain does not use comes back
    orders: PendingOrder[] = [];
    jobs: JobCardView[] = []; // that are not over
    ended: ClientJob[] = [];
    private isOpening = false;

    private constructor(
        readonly wallet: ConnectedWallet,
        readonly address: Address, // of the escrow
        private readonly shop: Shop,
        private readonly client: Client,
        private readonly key: SigningKey,
        private readonly outbox: Outbox,
        private readonly now: () => number,
    ) {}

    /**
     * Takes up a wallet, as the store of this browser has it.
     * @throws an Error if the wallet is on another network; {ClientError} `store_in_use` in a second tab
     */
    static async open(
        shop: Shop,
        wallet: ConnectedWallet,
        { now = () => Math.floor(Date.now() / 1000), pollMs }: { now?: () => number; pollMs?: number } = {},
    ): Promise<Account> {
        const { market, chain, store, network } = shop;
        if (wallet.network !== network) {
            const [own, other] = [networkName(network), networkName(wallet.network)];
            throw new Error(`Your wallet is on ${other}, and this market is on ${own}. Switch it, and connect again`);
        }
        const owner = wallet.address;
        const { address } = await Escrow.ofOwner(owner);
        const place = `page/${network}/${address.toRawString()}`;
        const key = await spendKey(store, `${place}/spend-key`);
        const outbox = await Outbox.open({ chain, store, key: `${place}/pending`, wallet: owner, network, now });
        const limits = { job: NO_LIMIT, query: NO_LIMIT };
        const more = pollMs === undefined ? {} : { pollMs };
        const client = await Client.open({ market, chain, spendKey: key, owner, store, limits, now, ...more });
        return new Account(wallet, address, shop, client, key, outbox, now);
    }

    get pending() {
        return this.outbox.pending;
    }

    /** True while an order of a job is under way, of this page or of an earlier load of it. */
    get isOrdering(): boolean {
        return this.isOpening || this.orders.length > 0;
    }

    /** Reads what has changed, and says what became of the message that the wallet was asked for. */
    async refresh(): Promise<SendOutcome> {
        const outcome = await this.outbox.look();
        this.escrow = await this.readEscrow();
        this.setUpFee = setUpValue(await this.shop.market.prices(), this.wallet.address);
        if (!this.isOpening) {
            const open = await this.client.jobs();
            this.orders = await this.client.orders();
            this.ended = await this.client.endedJobs();
            this.jobs = await Promise.all(open.map((job) => this.viewOf(job)));
        }
        return outcome;
    }

    /** Asks the wallet for a deposit, which may be 0, and for the key and the limits of this browser. */
    async setUp(connector: Connector, { deposit, jobLimit, dayLimit }: Limits): Promise<void> {
        const prices = await this.shop.market.prices();
        const settings = { deposit, jobLimit, dayLimit, spendKey: this.key.publicKey, queryId: randomId(), prices };
        await this.ask(connector, 'setUp', (actor) => setUpEscrow(actor, settings));
    }

    /** Asks the wallet to take home all that is in the escrow, except its reserve. */
    async withdraw(connector: Connector): Promise<void> {
        await this.ask(connector, 'withdraw', (actor) => withdrawDeposit(actor, { amount: 0n }));
    }

    /** Opens a job with the key of this browser. @throws an Error before anything is signed; what the client throws */
    async openJob({ node, model, rates }: Choice, deposit: bigint): Promise<ClientJob> {
        const { key, jobLimit, dayRemaining } = this.escrow;
        if (key !== 'ours') {
            throw new Error("Set this browser's key with your wallet first");
        }
        if (this.isOrdering) {
            throw new Error('An order of a job is under way. Wait until it is over');
        }
        if (deposit > jobLimit) {
            throw new Error(`A job takes at most ${ton(jobLimit)}: that is the limit that you set`);
        }
        if (deposit > dayRemaining) {
            throw new Error(`Of your limit of today (UTC), ${ton(dayRemaining)} remain`);
        }
        this.isOpening = true;
        try {
            return await this.client.openJob({ node, model, deposit, maxRates: rates });
        } finally {
            this.isOpening = false;
        }
    }

    /** The receipts of a job, checked. */
    async receipts(job: ClientJob): Promise<CheckedReceipt[]> {
        const { network } = this.shop;
        return checkReceipts({ network, address: job.address, terms: job.terms }, await job.receipts());
    }

    /** Gives the store back. */
    close(): Promise<void> {
        return this.client.close();
    }

    private async ask(connector: Connector, kind: SendKind, action: (actor: Actor) => Promise<unknown>) {
        const messages: SenderArguments[] = await messagesOfAction(this.shop.chain, this.wallet.address, action);
        await this.outbox.send(connector, kind, messages[0]);
    }

    private async readEscrow(): Promise<EscrowView> {
        const { chain } = this.shop;
        const { state, balance } = await chain.getContractState(this.address);
        if (state !== 'active') {
            return { ...NO_ESCROW, balance };
        }
        const escrow = chain.open(Escrow.fromAddress(this.address));
        const [settings, withdrawable, reserve] = [
            await escrow.getEscrowState(),
            await escrow.getWithdrawable(),
            await escrow.getReserve(),
        ];
        const { jobLimit, dayLimit, day, spent, spendKey: publicKey } = settings;
        const spentToday = Number(day) === Math.floor(this.now() / DAY) ? spent : 0n;
        const dayRemaining = dayLimit > spentToday ? dayLimit - spentToday : 0n;
        const isOurs = publicKey === bytesToNumber(this.key.publicKey);
        const key = publicKey === 0n ? 'none' : isOurs ? 'ours' : 'other';
        return { exists: true, balance, withdrawable, reserve, jobLimit, dayLimit, dayRemaining, key };
    }

    private async viewOf(job: ClientJob): Promise<JobCardView> {
        const account = await job.account();
        const claimed = account?.paid ?? 0n;
        const unclaimed = account === undefined || job.spent < claimed ? 0n : job.spent - claimed;
        return { job, claimed, unclaimed, refundAt: account?.refundAt, isGone: account === undefined };
    }
}

const randomId = (): bigint => crypto.getRandomValues(new BigUint64Array(1))[0];
