/** Buys at a market without a gateway: opens jobs at nodes, and takes up those that a store has. */
import {
    type Actor,
    addressOf,
    Escrow,
    isTestOnly,
    jobHash,
    modelKeyOf,
    numberToBytes,
    type Rates,
    type SigningKey,
    tokenKinds,
} from '@cocoon-market/wrappers';
import type { Market } from '@cocoon-market/wrappers/market';
import { Address } from '@ton/core';
import { commonVersion, modelHash, type NodeInfo } from '../offchain/link';
import { readEscrow, readNode } from './chain';
import { type ClientContext, turns } from './context';
import { ClientError, closedError, overLimit } from './errors';
import { ClientJob } from './job';
import { ActiveJob, requireNode, workerError } from './activeJob';
import { channelOf, nextNumber, order, takeUp } from './orders';
import { Records, type SavedJob } from './records';
import { newKey } from './seeds';
import type { Store } from './store';
import { isPrivateUrl } from './urls';
import { FetchWorker } from './worker';
import type { ChainAccess, ClientLimits, Fetch, PendingOrder, TokenCounters } from './types';

const DAY = 86_400;
const HOUR = 3600;
const POLL_MS = 1500;
const WELCOME_TRIES = 5; // while the worker's own endpoint has not seen the channel yet

const DEFAULTS = { step: 10_000_000n, maxParallel: 4, maxAnswer: 4 << 20, notice: HOUR, seconds: DAY };

/** What a client is made of. */
export interface ClientOptions {
    /** The market, opened with `Market.open` of @cocoon-market/wrappers/market. */
    market: Pick<Market, 'network' | 'readNode'>;
    /** What opens contracts, such as a TonClient of @ton/ton. */
    chain: ChainAccess;
    /** The wallet that owns the escrow: it opens and leaves jobs. Needed unless `spendKey` and `owner` are given. */
    wallet?: Pick<Actor, 'sender' | 'address'>;
    /** The escrow's spend key, which signs orders without the wallet. */
    spendKey?: SigningKey;
    /** The wallet of the escrow's owner, if only the spend key is here. */
    owner?: Address;
    /** Where keys, vouchers and receipts are kept. */
    store: Store;
    /** The most that is signed for. */
    limits: ClientLimits;
    /** Counters of tokenizers by name. Without the one of a node, text counts by its bytes. */
    counters?: TokenCounters;
    /** Default: the `fetch` of this browser or Node.js. */
    fetch?: Fetch;
    /** Unix seconds; default: this machine's clock. */
    now?: () => number;
    /** Milliseconds between two readings of the chain; default 1500. */
    pollMs?: number;
    /**
     * Also nodes whose worker is at a private address, such as 127.0.0.1: anyone can list a node, and its URL must not
     * lead into your network. Default: not on mainnet.
     */
    allowPrivate?: boolean;
}

/** A job that is to be opened. */
export interface OpenJobRequest {
    /** The account of the node. */
    node: Address;
    /** The catalogue id of the model, or the 64 hex digits of its hash. */
    model: string;
    /** nanoTON that the job gets. What it does not spend comes back. */
    deposit: bigint;
    /** nanoTON per million tokens that are paid at most; default: what the node lists. */
    maxRates?: Partial<Rates>;
    /** The most unpaid work of one running question, nanoTON; default 10,000,000, within the limits of the node. */
    step?: bigint;
    /** Questions at once; default 4, within the limits of the node. */
    maxParallel?: number;
    /** Bytes of an answer; default 4 MiB, within the limits of the node. */
    maxAnswer?: number;
    /** Seconds from leaving a job to its refund; default one hour, or what the node wants. */
    notice?: number;
    /** Seconds until the job ends by itself; default one day. */
    seconds?: number;
}

export class Client {
    private readonly states = new Map<string, Promise<ActiveJob>>(); // by channel: one for each job, or numbers come twice
    private readonly ordering = new Set<string>(); // channels whose order is under way
    private listing: Promise<unknown> = Promise.resolve();

    private constructor(
        private readonly context: ClientContext,
        private readonly halt: () => void,
        private readonly shut: () => Promise<void>,
    ) {}

    /**
     * A client with its store for itself.
     *
     * @throws {ClientError} `store_in_use`; `bad_options` without wallet, spend key and owner, or with another wallet
     * than the owner's
     */
    static async open(options: ClientOptions): Promise<Client> {
        const { market, chain, wallet, spendKey, store, limits, counters = {} } = options;
        if (wallet === undefined && (spendKey === undefined || options.owner === undefined)) {
            const message = 'A client needs a `wallet`, or a `spendKey` and its `owner`';
            throw new ClientError('bad_options', message, 'Give one of the two.');
        }
        const owner = options.owner ?? addressOf(wallet!);
        if (spendKey === undefined && !owner.equals(addressOf(wallet!))) {
            const message = 'The `wallet` opens jobs of its own escrow only, and `owner` is another wallet';
            throw new ClientError('bad_options', message, 'Leave `owner` out, or give its `spendKey`.');
        }
        const { address: escrow } = await Escrow.ofOwner(owner);
        const release = store.lock === undefined ? () => undefined : await store.lock();
        if (release === undefined) {
            const remedy = 'End the other program or tab, or give this one another store.';
            throw new ClientError('store_in_use', 'Another program or tab has the store of this client', remedy);
        }
        let isOpen = true;
        const halted = new AbortController();
        const records = new Records(store, escrow);
        const context: ClientContext = {
            network: market.network,
            wallet: wallet && { ...wallet, open: (contract) => chain.open(contract) },
            now: options.now ?? (() => Math.floor(Date.now() / 1000)),
            fetch: options.fetch ?? ((url, init) => fetch(url, init)),
            pollMs: options.pollMs ?? POLL_MS,
            allowPrivate: options.allowPrivate ?? isTestOnly(market.network),
            records,
            halted: halted.signal,
            turn: turns(),
            requireOpen: () => {
                if (!isOpen) {
                    throw closedError();
                }
            },
            ...{ market, chain, escrow, spendKey, limits, counters },
        };
        const shut = async () => {
            isOpen = false;
            await records.close();
            await release();
        };
        return new Client(context, () => halted.abort(), shut);
    }

    /** The account of the client's escrow. */
    get escrow(): Address {
        return this.context.escrow;
    }

    /** Jobs of the store that are not over, oldest first. Those whose order was under way are taken up. */
    jobs(): Promise<ClientJob[]> {
        const listed = this.listing.then(() => this.listNow());
        this.listing = listed.catch(() => undefined);
        return listed;
    }

    private async listNow(): Promise<ClientJob[]> {
        this.requireOpen();
        const jobs: ClientJob[] = [];
        for (const stored of await this.context.records.jobs()) {
            const channel = stored.channel.toString('hex');
            const state = await this.states.get(channel);
            if (this.ordering.has(channel)) {
                continue; // openJob has it
            }
            if (state === undefined && (stored.phase === 'ordered' || stored.phase === 'failed')) {
                await takeUp(this.context, stored);
            }
            const { phase } = state ?? stored;
            if (phase !== 'ordered' && phase !== 'failed' && phase !== 'ended') {
                jobs.push(ClientJob.of(state ?? (await this.load(stored))));
            }
        }
        return jobs;
    }

    /**
     * Opens a job at a node: checks the node on chain and its worker, sends the order, and shows the job to the worker.
     *
     * @throws {ClientError} `over_limit`, `wrong_node`, `not_set_up`, `order_refused`, `order_pending`, `worker_down`,
     * `worker_refused`; what the wallet throws
     */
    openJob(request: OpenJobRequest): Promise<ClientJob> {
        return this.context.turn(() => this.openNow(request));
    }

    private async openNow(request: OpenJobRequest): Promise<ClientJob> {
        const { context } = this;
        const { chain, market, escrow, limits } = context;
        const { node, model, deposit } = request;
        this.requireOpen();
        if (deposit > limits.job) {
            throw overLimit('A deposit', deposit, limits.job);
        }
        const listed = await readNode(market, node);
        if (!context.allowPrivate && isPrivateUrl(listed.endpoint)) {
            throw unfit('is at a private address (`allowPrivate` accepts it)');
        }
        const info = await new FetchWorker(listed.endpoint, context.fetch).node().catch((error: unknown) => {
            throw workerError(error);
        });
        requireNode(info, listed);
        // By the hash alone: the name of another model may look like a hash.
        const target = numberToBytes(modelKeyOf(model));
        const offer = info.offers.find((one) => modelHash(one.model).equals(target));
        if (offer === undefined || offer.available === false) {
            throw unfit('does not offer the model now');
        }
        const terms = this.termsOf(info, offer, request);
        const reading = await readEscrow(chain, escrow, context.spendKey?.publicKey);
        const code = reading.code.hash();
        if (!info.channelCodes.some((one) => one.equals(code))) {
            throw unfit('takes no channels of the code that the escrow opens');
        }
        const { seed, publicKey } = newKey();
        const stored: SavedJob = {
            ...{ number: nextNumber(reading), network: context.network, model: offer.model, url: listed.endpoint },
            ...{ tokenizer: offer.tokenizer ?? 'bytes', processes: [] },
            ...{ channel: Buffer.alloc(32), hash: Buffer.alloc(32), terms: { ...terms, voucherKey: publicKey } },
            ...{ deposit, funds: 0n, maxSpend: deposit, orderedAt: context.now(), seed, phase: 'ordered', note: '' },
            ...{ highest: 0, queryCount: 0, voucher: null, signingStop: '' },
        };
        stored.channel = await channelOf(escrow, stored, reading);
        stored.hash = jobHash(context.network, stored.channel, stored.terms);
        const state = await this.order(stored);
        await this.welcome(state);
        return ClientJob.of(state);
    }

    /** Orders whose job the chain does not show yet, oldest first. `jobs()` takes them up, or gives them up. */
    async orders(): Promise<PendingOrder[]> {
        const ordered = (await this.context.records.jobs()).filter(({ phase }) => phase === 'ordered');
        return ordered.map(({ model, deposit, orderedAt, channel }) => {
            return { model, deposit, orderedAt, address: new Address(0, channel) };
        });
    }

    /** Jobs of the store that are over, oldest first, for their receipts. */
    async endedJobs(): Promise<ClientJob[]> {
        const stored = (await this.context.records.jobs()).filter(({ phase }) => phase === 'ended');
        return Promise.all(stored.map(async (job) => ClientJob.of(await this.load(job))));
    }

    private async order(stored: SavedJob): Promise<ActiveJob> {
        const channel = stored.channel.toString('hex');
        this.ordering.add(channel);
        try {
            this.requireOpen();
            await this.context.records.addJob(stored);
            await order(this.context, stored);
            return await this.load(stored);
        } finally {
            this.ordering.delete(channel);
        }
    }

    /** Ends what runs and gives the store back. Jobs stay open; `jobs()` of the next client has them. */
    async close(): Promise<void> {
        this.halt();
        for (const state of await Promise.all(this.states.values())) {
            await state.money.payPending();
            await state.money.stop();
        }
        await this.shut();
    }

    private requireOpen(): void {
        if (this.context.halted.aborted) {
            throw closedError();
        }
    }

    private load(stored: SavedJob): Promise<ActiveJob> {
        const channel = stored.channel.toString('hex');
        const state = this.states.get(channel) ?? ActiveJob.load(this.context, stored);
        this.states.set(channel, state);
        state.catch(() => this.states.delete(channel));
        return state;
    }

    // An endpoint of the worker may be seconds behind ours. A worker that is away is asked again with the question.
    private async welcome(state: ActiveJob): Promise<void> {
        for (let attempt = 1; attempt < WELCOME_TRIES; attempt++) {
            try {
                await state.connect();
                return;
            } catch (error) {
                const { code } = error as { code?: unknown };
                if (code !== 'wrong_channel' && code !== 'chain_down') {
                    throw workerError(error);
                }
                await new Promise((resolve) => setTimeout(resolve, this.context.pollMs * attempt));
            }
        }
    }

    private termsOf(info: NodeInfo, offer: NodeInfo['offers'][number], request: OpenJobRequest) {
        const { network, escrow, now } = this.context;
        const { deposit, maxRates = {} } = request;
        const { limits } = info;
        if (info.network !== network) {
            throw unfit('is on another network');
        }
        if (commonVersion(info.wire) === undefined) {
            throw unfit('speaks no version of the wire that this package does');
        }
        if (deposit < limits.minDeposit) {
            throw unfit(`takes no job with a deposit below ${limits.minDeposit} nanoTON`);
        }
        const dear = tokenKinds.find((kind) => offer.rates[kind] > (maxRates[kind] ?? offer.rates[kind]));
        if (dear !== undefined) {
            throw unfit(`asks ${offer.rates[dear]} nanoTON per million tokens of ${dear}, above \`maxRates\``);
        }
        const notice = request.notice ?? Math.max(DEFAULTS.notice, limits.minNotice);
        if (notice < limits.minNotice) {
            throw unfit(`takes no job with a notice below ${limits.minNotice} seconds`);
        }
        const step = within(request.step ?? DEFAULTS.step, limits.minStep, limits.maxStep);
        if (request.step !== undefined && step !== request.step) {
            throw unfit(`takes steps from ${limits.minStep} to ${limits.maxStep} nanoTON`);
        }
        return {
            escrow: escrow.hash,
            provider: Address.parse(info.provider).hash,
            node: Address.parse(info.node).hash,
            receiptKey: info.receiptKey,
            payout: Address.parse(info.payout).hash,
            model: modelHash(offer.model),
            rates: offer.rates,
            step,
            maxParallel: Math.min(request.maxParallel ?? DEFAULTS.maxParallel, limits.maxParallel),
            maxAnswer: Math.min(request.maxAnswer ?? DEFAULTS.maxAnswer, limits.maxAnswer),
            notice,
            end: now() + (request.seconds ?? DEFAULTS.seconds),
        };
    }
}

const within = (value: bigint, min: bigint, max: bigint): bigint => (value < min ? min : value > max ? max : value);

const unfit = (reason: string): ClientError =>
    new ClientError('wrong_node', `The worker of the node ${reason}`, 'Choose another node, or other terms.');
