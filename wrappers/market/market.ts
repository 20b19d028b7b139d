// Longer than 350 lines because each method shows an example, which is compiled.
/** A market as one object: who sells what, what it costs, how to buy it, and whether an answer's receipt is right. */
import type { Address, SenderArguments } from '@ton/core';
import type { Actor } from '../actions/actor';
import { depositTo } from '../actions/client';
import { channelCode, type SignedVoucher } from '../Channel';
import { type CatalogueModel, catalogueHash, modelKeyOf, parseCatalogue } from '../catalogue';
import { numberToHex } from '../bytes';
import { address, checkFields, InvalidField, optional, uint } from '../fields';
import type { SigningKey } from '../keys';
import { messagesOfAction, tonConnectMessage, transferLink } from '../outgoing';
import type { Prices } from '../prices';
import { Registry } from '../Registry';
import type { WaitLimits } from '../settling';
import ownCatalogue from '../../params/catalogue.json';
import { Announcements } from './announcements';
import { type MarketClient, readNetworkPrices } from './chain';
import { type MarketPlace, readPlace, requireMarket } from './deployment';
import { MarketError, UnknownModel } from './errors';
import {
    type JobHandle,
    type JobRequest,
    openAt,
    type PreparedSend,
    signVoucher,
    type SpendKey,
    waitForJob,
} from './jobs';
import { type LiveNode, readLiveNode } from './liveNode';
import {
    byPrice,
    type CatalogueNames,
    FILTER,
    namesOf,
    type NodeFilter,
    type SellingNode,
    sellingNode,
} from './offers';
import { type ClaimEvent, type JobEvent, type StopWatching, watchClaims, watchJobs, type WatchOptions } from './watch';
import { type PriceQuote, type QuoteRequest, quoteOf } from './quote';

/**
 * How a market is read.
 *
 * @example
 * ```ts
 * import type { MarketOptions } from '@cocoon-market/wrappers/market';
 *
 * const optionsOf = (catalogue: Buffer): MarketOptions => ({ catalogue });
 * ```
 */
export interface MarketOptions {
    /** The published file, which the registry names by its hash; this release's unless given. */
    catalogue?: Buffer;
    /** Unix seconds; this machine's clock unless given. */
    now?: () => number;
}

/**
 * A provider of a market. `stake`: nanoTON when it joined; `nodes`: its open ones.
 *
 * @example
 * ```ts
 * import type { SellingProvider } from '@cocoon-market/wrappers/market';
 *
 * const gpusOf = ({ nodes }: SellingProvider) => nodes.reduce((sum, { hardware }) => sum + (hardware?.gpus ?? 0), 0);
 * ```
 */
export interface SellingProvider {
    address: Address;
    owner: Address;
    stake: bigint;
    joinedAt: number; // unix seconds
    isKnown: boolean; // false: it runs a code that this release does not know
    nodes: SellingNode[];
}

const REQUEST = { ...FILTER, queriesADay: optional(uint(32)), node: optional(address) };
const PRICES_MS = 60_000;
const unixSeconds = () => Math.floor(Date.now() / 1_000);

/**
 * A market, read through one endpoint. Make it with {@link Market.open}.
 *
 * @example
 * ```ts
 * import { TonClient } from '@ton/ton';
 * import { Market, type MarketPlace } from '@cocoon-market/wrappers/market';
 *
 * async function cheapest(deployment: MarketPlace, endpoint: string) {
 *     const market = await Market.open(deployment, new TonClient({ endpoint }));
 *     const [node] = await market.nodes({ model: 'Qwen/Qwen3-32B' });
 *     return node;
 * }
 * ```
 */
export class Market {
    private readonly announcements: Announcements;
    private newestPrices: { at: number; prices: Promise<Prices> } | undefined;

    private constructor(
        /** What GLOBALID answers on its network. */
        readonly network: number,
        readonly registry: Address,
        private readonly client: MarketClient,
        private readonly names: CatalogueNames,
        private readonly now: () => number,
    ) {
        this.announcements = new Announcements(client, registry);
    }

    /**
     * Opens the market of a deployment record, after comparing it with the network and the code of the registry.
     *
     * @throws {MarketError} `malformed-record`, `wrong-address`, `wrong-network`, `no-configuration`, `no-registry`,
     * `foreign-code`, `wrong-catalogue`
     *
     * @example
     * ```ts
     * import { Market, MarketError, type MarketClient } from '@cocoon-market/wrappers/market';
     *
     * async function open(client: MarketClient, record: string) {
     *     try {
     *         return await Market.open(JSON.parse(record), client);
     *     } catch (error) {
     *         if (error instanceof MarketError) console.error(error.code, error.remedy);
     *         throw error;
     *     }
     * }
     * ```
     */
    static async open(deployment: MarketPlace, client: MarketClient, options: MarketOptions = {}): Promise<Market> {
        const { network, registry } = readPlace(deployment);
        await requireMarket(client, deployment);
        const models = options.catalogue && (await readCatalogue(client, registry, options.catalogue));
        const names = namesOf(models ?? ownCatalogue.models);
        return new Market(network, registry, client, names, options.now ?? unixSeconds);
    }

    /**
     * Every provider that has joined, with its open nodes, in the order of joining. The first call reads the history
     * of the registry, later ones what is new.
     *
     * @throws {MarketError} `contradiction`
     *
     * @example
     * ```ts
     * import type { Market } from '@cocoon-market/wrappers/market';
     *
     * const owners = async (market: Market) => (await market.providers()).map(({ owner }) => owner.toString());
     * ```
     */
    async providers(): Promise<SellingProvider[]> {
        const nodes = await this.match();
        return this.announcements.providers.map((provider) => ({
            ...provider,
            nodes: nodes.filter((node) => node.provider.equals(provider.address)),
        }));
    }

    /**
     * The open nodes that fit, the cheapest first. Each has no reason against it.
     *
     * @throws {InvalidField} for a filter that is none; {MarketError} `contradiction`
     *
     * @example
     * ```ts
     * import type { Market } from '@cocoon-market/wrappers/market';
     *
     * const inEurope = (market: Market) => market.nodes({ model: 'Qwen/Qwen3-32B', tier: 'tdx', region: 'eu' });
     * ```
     */
    async nodes(filter: NodeFilter = {}): Promise<SellingNode[]> {
        return (await this.match(filter)).filter(({ reasons }) => reasons.length === 0);
    }

    /**
     * Every open node, and why it does not fit; those that fit come first, the cheapest first. What a stranger wrote
     * in a listing neither throws nor hides another node.
     *
     * @throws {InvalidField} for a filter that is none; {MarketError} `contradiction`
     *
     * @example
     * ```ts
     * import type { Market } from '@cocoon-market/wrappers/market';
     *
     * const refused = async (market: Market, maxPrice: bigint) =>
     *     (await market.match({ model: 'Qwen/Qwen3-32B', maxPrice })).flatMap(({ reasons }) => reasons);
     * ```
     */
    async match(filter: NodeFilter = {}): Promise<SellingNode[]> {
        checkFields('filter', FILTER, filter);
        return this.matchChecked(filter);
    }

    private async matchChecked(filter: NodeFilter): Promise<SellingNode[]> {
        await this.announcements.refresh();
        const view = { names: this.names, now: this.now() };
        const nodes = this.announcements.nodes.map((node) => sellingNode(node, filter, view)).sort(byPrice);
        const fits = ({ reasons }: SellingNode) => reasons.length === 0;
        return [...nodes.filter(fits), ...nodes.filter((node) => !fits(node))];
    }

    /**
     * A node as its own account and its provider's have it now: keys, payout, offers, jail. Addresses prove both.
     *
     * @throws {MarketError} `unfit-node`, `foreign-code`
     *
     * @example
     * ```ts
     * import type { Market, SellingNode } from '@cocoon-market/wrappers/market';
     *
     * const keyOf = async (market: Market, { address }: SellingNode) => (await market.readNode(address)).encryptionKey;
     * ```
     */
    readNode(node: Address): Promise<LiveNode> {
        return readLiveNode(this.client, this.registry, node);
    }

    /**
     * What queries cost at the cheapest node that fits, or at the node that is named: nanoTON of answers, fees at the
     * network's present prices, and how much to deposit.
     *
     * @throws {UnknownModel} with the names that are like it; {InvalidField}; {MarketError} `no-node`, `contradiction`,
     * `no-configuration`
     *
     * @example
     * ```ts
     * import type { Market } from '@cocoon-market/wrappers/market';
     *
     * async function dayOf(market: Market) {
     *     const tokens = { prompt: 1_000, completion: 500 };
     *     const { day, deposit } = await market.quote({ model: 'Qwen/Qwen3-32B', queriesADay: 1_000, tokens });
     *     return { day, deposit: deposit.escrow };
     * }
     * ```
     */
    async quote(request: QuoteRequest): Promise<PriceQuote> {
        checkFields('request', REQUEST, request);
        const { model, queriesADay } = request;
        if (queriesADay === 0) {
            throw new InvalidField('request.queriesADay', 'a whole number from 1 on', '0');
        }
        const all = await this.matchChecked(request);
        const offering = all.filter(({ price }) => price !== undefined);
        if (offering.length === 0) {
            const sold = all.flatMap(({ offers }) => offers.map((offer) => offer.model));
            throw new UnknownModel(model, [...new Set([...sold, ...this.names.values()])]);
        }
        const candidates = offering.filter(({ address }) => request.node === undefined || address.equals(request.node));
        const node = candidates.find(({ reasons }) => reasons.length === 0);
        if (node === undefined) {
            const reasons = [...new Set(candidates.flatMap((each) => each.reasons))].slice(0, 5).join('. ');
            const reason = `No node of ${JSON.stringify(model.slice(0, 80))} fits: ${reasons || 'it is another one'}`;
            throw new MarketError('no-node', reason, 'Ask for less, or see `match` for the reasons of each node.');
        }
        const modelName = this.names.get(modelKeyOf(model)) ?? numberToHex(modelKeyOf(model));
        const { rates } = node.offers.find((offer) => offer.model === modelName)!;
        const { basechain } = await this.prices();
        return quoteOf(node, rates, request, { basechain, channelCode: await channelCode() });
    }

    /**
     * Opens a job at a node: node, provider and escrow are read first, and what the contracts would refuse is refused
     * before anything is sent. An `Actor` pays with the wallet that owns the escrow, whose actions are over when
     * its sender says so (see `walletActor`); a {@link SpendKey} pays without a wallet, and the job is open when this
     * resolves.
     *
     * @throws {MarketError} `unfit-node`, `unfit-escrow`, `dear-fees`, `foreign-code`; {RefusedMessage} with exit code,
     * its name, the contract and a remedy; {UnseenMessage} if the job is not seen in time
     *
     * @example
     * ```ts
     * import { signingKey } from '@cocoon-market/wrappers';
     * import type { Market, SpendKey } from '@cocoon-market/wrappers/market';
     *
     * async function buy(market: Market, payer: SpendKey, voucherSeed: Buffer) {
     *     const model = 'Qwen/Qwen3-32B';
     *     const [{ address: node }] = await market.nodes({ model });
     *     const { publicKey: voucherKey } = signingKey(voucherSeed);
     *     return market.openJob(payer, { node, model, deposit: 1_000_000_000n, voucherKey });
     * }
     * ```
     */
    async openJob(payer: Actor | SpendKey, request: JobRequest): Promise<JobHandle> {
        const { client, network, now } = this;
        return openAt({ client, network, now }, payer, await this.readNode(request.node), request);
    }

    /**
     * Resolves once the channel of a job is on the chain.
     *
     * @throws {UnseenMessage} if it is not in time; the message may still arrive
     *
     * @example
     * ```ts
     * import type { JobHandle, Market } from '@cocoon-market/wrappers/market';
     *
     * const opened = (market: Market, job: JobHandle) => market.waitForJob(job, { seconds: 60 });
     * ```
     */
    waitForJob(job: Pick<JobHandle, 'channel'>, limits: WaitLimits = {}): Promise<void> {
        return waitForJob(this.client, job, limits);
    }

    /**
     * Signs the voucher of a job: `cumulative` nanoTON are owed since it began, for `count` results. Both only grow.
     * Whoever has it can claim what it says.
     *
     * @throws {MarketError} `wrong-voucher`; {InvalidField}
     *
     * @example
     * ```ts
     * import type { SigningKey } from '@cocoon-market/wrappers';
     * import type { JobHandle, Market } from '@cocoon-market/wrappers/market';
     *
     * const pay = (market: Market, job: JobHandle, key: SigningKey, cumulative: bigint, count: number) =>
     *     market.voucher(job, key, { cumulative, count });
     * ```
     */
    voucher(
        job: Pick<JobHandle, 'channel' | 'deposit' | 'terms'>,
        key: SigningKey,
        owed: { cumulative: bigint; count: number },
    ): SignedVoucher {
        return signVoucher(this.network, job, key, owed);
    }

    /**
     * What an action would send from a wallet, without sending it: for TonConnect, and as links that open a wallet.
     * Bit for bit what the same action sends. Every action of the wrappers can be prepared.
     *
     * @throws what the action throws before it sends
     *
     * @example
     * ```ts
     * import type { Address } from '@ton/core';
     * import type { JobRequest, Market } from '@cocoon-market/wrappers/market';
     *
     * async function forTonConnect(market: Market, wallet: Address, request: JobRequest) {
     *     const { result: job, tonConnect } = await market.prepare(wallet, (actor) => market.openJob(actor, request));
     *     return { job, messages: tonConnect };
     * }
     * ```
     */
    async prepare<T>(wallet: Address, action: (actor: Actor) => Promise<T>): Promise<PreparedSend<T>> {
        const results: T[] = [];
        const messages: SenderArguments[] = await messagesOfAction(this.client, wallet, async (actor) => {
            results.push(await action(actor));
        });
        return {
            result: results[0],
            messages,
            tonConnect: messages.map((message) => tonConnectMessage(message, this.network)),
            links: messages.map((message) => transferLink(message, this.network)),
        };
    }

    /**
     * A link that opens a wallet and adds `amount` nanoTON to an owner's escrow, which must exist. Anyone may pay it.
     *
     * @example
     * ```ts
     * import type { Address } from '@ton/core';
     * import type { Market } from '@cocoon-market/wrappers/market';
     *
     * const topUp = (market: Market, owner: Address) => market.depositLink(owner, 5_000_000_000n);
     * ```
     */
    async depositLink(owner: Address, amount: bigint): Promise<string> {
        const { links } = await this.prepare(owner, (actor) => depositTo(actor, { owner, amount }));
        return links[0];
    }

    /**
     * What the network charges by its present configuration, read at most once a minute.
     *
     * @throws {MarketError} `no-configuration`
     *
     * @example
     * ```ts
     * import { type Actor, setUpEscrow } from '@cocoon-market/wrappers';
     * import type { Market } from '@cocoon-market/wrappers/market';
     *
     * async function setUp(market: Market, actor: Actor, spendKey: Buffer) {
     *     const limits = { jobLimit: 1_000_000_000n, dayLimit: 5_000_000_000n };
     *     const prices = await market.prices(); // else the action reads them itself
     *     return setUpEscrow(actor, { ...limits, spendKey, deposit: 5_000_000_000n, prices });
     * }
     * ```
     */
    prices(): Promise<Prices> {
        if (this.newestPrices === undefined || Date.now() - this.newestPrices.at > PRICES_MS) {
            const prices = readNetworkPrices(this.client);
            this.newestPrices = { at: Date.now(), prices };
            prices.catch(() => (this.newestPrices = undefined));
        }
        return this.newestPrices.prices;
    }

    /**
     * Calls the handler with what happens to the jobs of an escrow, oldest first and one after another, until it is
     * stopped. Hashes prove the order, so that no event is lost or comes twice, whatever the endpoint lists. If the
     * handler throws, its event comes again.
     *
     * @example
     * ```ts
     * import type { Address } from '@ton/core';
     * import type { Market } from '@cocoon-market/wrappers/market';
     *
     * function logJobs(market: Market, escrow: Address) {
     *     const stop = market.onJob(escrow, ({ type, channel }) => console.log(type, channel.toString()), {
     *         onError: console.error,
     *     });
     *     return stop; // await stop() ends it
     * }
     * ```
     */
    onJob(escrow: Address, handler: (event: JobEvent) => unknown, options: WatchOptions = {}): StopWatching {
        return watchJobs(this.client, escrow, handler, options);
    }

    /**
     * Calls the handler with each claim that a job's channel paid, in the same way.
     *
     * @example
     * ```ts
     * import type { JobHandle, Market } from '@cocoon-market/wrappers/market';
     *
     * const logClaims = (market: Market, job: JobHandle) =>
     *     market.onClaim(job, ({ cumulative }) => console.log(cumulative), { from: 'start', onError: console.error });
     * ```
     */
    onClaim(
        { channel }: Pick<JobHandle, 'channel'>,
        handler: (event: ClaimEvent) => unknown,
        options: WatchOptions = {},
    ): StopWatching {
        return watchClaims(this.client, channel, handler, options);
    }
}

async function readCatalogue(client: MarketClient, registry: Address, file: Buffer): Promise<CatalogueModel[]> {
    const { catalogue } = await client.open(Registry.fromAddress(registry)).getRegistryState();
    const hash = catalogueHash(file);
    if (hash !== catalogue) {
        const reason = `The catalogue has the hash ${numberToHex(hash)}, and the registry names ${numberToHex(catalogue)}`;
        throw new MarketError('wrong-catalogue', reason, 'Take the file that the market publishes, byte for byte.');
    }
    return parseCatalogue(file);
}
