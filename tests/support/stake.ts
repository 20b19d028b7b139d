/** A launched registry, joined providers and open nodes, for tests of the stake side. */
import { createHash } from 'node:crypto';

import { Address, Cell, CommonMessageInfoInternal, toNano } from '@ton/core';
import { Blockchain, BlockchainSnapshot, SandboxContract, SendMessageResult } from '@ton/sandbox';

import { Dispute } from '../../wrappers/Dispute';
import { signingKey, SigningKey } from '../../wrappers/keys';
import { Listing, listingCell, Node, nodeChanges } from '../../wrappers/Node';
import { Provider } from '../../wrappers/Provider';
import { Committee, Registry, Rules } from '../../wrappers/Registry';
import { createBlockchain, exitCodeOf, expectConserved, PriceLevel, transactionsOn } from './chain';
import { Wallet, walletOf, WalletVersion } from './wallet';

export const HOUR = 3600;
export const DAY = 24 * HOUR;
export const CHANGE_DELAY = 7 * DAY;
export const CATALOGUE = 0xca7an;
export const STAKE = toNano('135'); // enough for five GPUs of class 0
export const BASE_STAKE = toNano('50');
export const RATE = toNano('17'); // per GPU of class 0, sane at tenfold prices too; class 1 takes twice that

export type { Wallet };

const pairs = new Map<string, SigningKey>(); // making one takes a millisecond

/** A fixed Ed25519 key pair of this name. */
export function pairOf(name: string): SigningKey {
    const pair = pairs.get(name) ?? signingKey(createHash('sha256').update(name).digest());
    pairs.set(name, pair);
    return pair;
}

/** Its public key, as the chain reads it. */
export function keyOf(name: string): bigint {
    return BigInt(`0x${pairOf(name).publicKey.toString('hex')}`);
}

/** Hash of a model's catalogue id. */
export function modelOf(id: string): bigint {
    return BigInt(`0x${createHash('sha256').update(id).digest('hex')}`);
}

/** The times of rules, in seconds. */
export const WINDOWS = {
    evidence: 120 * HOUR,
    response: 24 * HOUR,
    verdict: 72 * HOUR,
    buffer: 24 * HOUR,
    unbonding: 336 * HOUR,
    payoutDelay: 24 * HOUR,
};

export function rulesWith(insurance: Address, overrides: Partial<Rules> = {}): Rules {
    return {
        ...WINDOWS,
        baseStake: BASE_STAKE,
        insurance,
        rates: [RATE, 2n * RATE],
        ...overrides,
    };
}

export function committeeOf(count: number, threshold: number): Committee {
    return { threshold, keys: Array.from({ length: count }, (_, index) => keyOf(`committee ${index}`)) };
}

export function listingWith(overrides: Partial<Listing> = {}): Listing {
    return {
        hardware: { gpuClass: 0, gpus: 2, vram: 80, model: 'NVIDIA H100' },
        receiptKey: keyOf('receipt'),
        encryptionKey: 7n,
        service: { region: 'eu-north', uptime: 9900, endpoint: 'https://node.example/v1' },
        offers: [{ model: modelOf('a'), prompt: 100n, cached: 50n, completion: 400n, reasoning: 400n }],
        ...overrides,
    };
}

/** The dearest listing there is: eight offers, longest endpoint, attested. */
export function maxListing(now: number): Listing {
    const offers = Array.from({ length: 8 }, (_, index) => ({
        ...listingWith().offers[0],
        model: modelOf(`${index}`),
    }));
    return listingWith({
        offers,
        service: { region: 'r'.repeat(16), uptime: 10_000, endpoint: 'x'.repeat(100) },
        attestation: { tier: 'tdx', certificate: 1n, expiresAt: now + DAY },
    });
}

let codes: Market['codes'] | undefined;

/** Codes as the compiler made them: the generated class, never Blueprint's compile(). */
async function codesOf(owner: Address): Promise<{ provider: Cell; node: Cell; dispute: Cell }> {
    const [provider, node] = [await Provider.ofOwner(owner, owner), await Node.ofProvider(owner, 0)];
    const dispute = await Dispute.ofFault(owner, { class: 'A1', job: Buffer.alloc(32), query: 0 });
    return { provider: provider.init!.code, node: node.init!.code, dispute: dispute.init!.code };
}

export interface StakeOptions {
    prices?: PriceLevel;
    wallets?: WalletVersion;
    rates?: bigint[]; // nanoTON per GPU, by class
}

export interface Market {
    blockchain: Blockchain;
    registry: SandboxContract<Registry>;
    governor: Wallet;
    owner: Wallet;
    operator: Wallet;
    payout: Wallet;
    stranger: Wallet;
    insurance: Wallet;
    codes: { provider: Cell; node: Cell; dispute: Cell };
}

// What a fixture has led to, by its name and options: it runs once per file, and later markets begin where it ended.
const done = new Map<string, BlockchainSnapshot>();

/** A market on a blockchain of its own, on which `run` has run after `before`. */
async function marketAfter<T extends Market>(
    name: string,
    options: StakeOptions,
    before: (options: StakeOptions) => Promise<Market>,
    extend: (market: Market) => Promise<T>,
    run: (market: T) => Promise<unknown>,
): Promise<T> {
    const key = JSON.stringify([name, options], (_, value: unknown) =>
        typeof value === 'bigint' ? value.toString() : value,
    );
    const end = done.get(key);
    if (end !== undefined) {
        return extend(await openMarket(options, end));
    }
    const market = await extend(await before(options));
    await run(market);
    done.set(key, market.blockchain.snapshot());
    return market;
}

/** The accounts of a market, on a new blockchain or as a snapshot has them. */
async function openMarket(options: StakeOptions, from?: BlockchainSnapshot): Promise<Market> {
    const blockchain = await createBlockchain(options);
    if (from !== undefined) {
        await blockchain.loadFrom(from);
    }
    const names = ['governor', 'owner', 'operator', 'payout', 'stranger', 'insurance'];
    const [governor, owner, operator, payout, stranger, insurance] = await Promise.all(
        names.map((name) => walletOf(blockchain, name, options.wallets)),
    );
    const registry = blockchain.openContract(await Registry.ofGovernor(governor.address, CHANGE_DELAY));
    codes ??= await codesOf(owner.address);
    return { blockchain, registry, governor, owner, operator, payout, stranger, insurance, codes };
}

const asItIs = (market: Market): Promise<Market> => Promise.resolve(market);

export async function deployRegistry(options: StakeOptions = {}): Promise<Market> {
    return marketAfter('registry', options, openMarket, asItIs, ({ registry, governor }) =>
        registry.sendTopUp(governor.getSender(), { value: toNano('1'), opens: true }),
    );
}

export async function launchMarket(options: StakeOptions = {}): Promise<Market> {
    return marketAfter('launched', options, deployRegistry, asItIs, ({ registry, governor, insurance, codes }) => {
        const rules = rulesWith(insurance.address, options.rates === undefined ? {} : { rates: options.rates });
        const launch = { value: toNano('1'), rules, committee: committeeOf(3, 2), codes, catalogue: CATALOGUE };
        return registry.sendLaunch(governor.getSender(), launch);
    });
}

export type JoinedMarket = Market & { provider: SandboxContract<Provider> };

/** Joins a Provider of `owner` with STAKE; every step of every fixture conserves money. */
export async function joinProvider(market: Market, owner: Wallet, stake = STAKE): Promise<SandboxContract<Provider>> {
    const { blockchain, registry, operator, payout } = market;
    const provider = blockchain.openContract(await Provider.ofOwner(registry.address, owner.address));
    const value = stake + (await registry.getJoinValue());
    const members = { payout: payout.address, operator: operator.address };
    await expectConserved(blockchain, () => provider.sendJoin(owner.getSender(), { value, stake, ...members }));
    return provider;
}

async function withProvider(market: Market): Promise<JoinedMarket> {
    const provider = await Provider.ofOwner(market.registry.address, market.owner.address);
    return { ...market, provider: market.blockchain.openContract(provider) };
}

async function withNode(market: Market): Promise<NodeMarket> {
    const joined = await withProvider(market);
    return { ...joined, node: joined.blockchain.openContract(await Node.ofProvider(joined.provider.address, 0)) };
}

export async function joinedMarket(options: StakeOptions = {}): Promise<JoinedMarket> {
    return marketAfter('joined', options, launchMarket, withProvider, (market) => joinProvider(market, market.owner));
}

/** Registers the provider's next node, at exactly the value its getter asks for unless told otherwise. */
export async function registerNode(
    market: JoinedMarket,
    { listing = listingWith(), by = market.owner, value }: { listing?: Listing; by?: Wallet; value?: bigint } = {},
): Promise<{ node: SandboxContract<Node>; result: SendMessageResult }> {
    const { blockchain, provider, codes } = market;
    const number = Number((await provider.getProviderState()).nextNumber);
    const body = { code: codes.node, listing: listingCell(listing) };
    const node = blockchain.openContract(await Node.ofProvider(provider.address, number));
    const attached = value ?? (await provider.getRegisterNodeValue(body));
    const result = await expectConserved(blockchain, () =>
        provider.sendRegisterNode(by.getSender(), { value: attached, ...body }),
    );
    return { node, result };
}

export type NodeMarket = JoinedMarket & { node: SandboxContract<Node> };

export async function nodeMarket(options: StakeOptions = {}): Promise<NodeMarket> {
    return marketAfter('node', options, joinedMarket, withNode, (market) => registerNode(market));
}

/** Changes the node at exactly the value that the getter asks for. */
export async function changeNode(
    market: NodeMarket,
    change: Cell,
    { by = market.owner, number = 0, codeVersion = 0 }: { by?: Wallet; number?: number; codeVersion?: number } = {},
): Promise<SendMessageResult> {
    const { blockchain, provider } = market;
    const value = await provider.getChangeNodeValue(change);
    return expectConserved(blockchain, () =>
        provider.sendChangeNode(by.getSender(), { value, number, codeVersion, change }),
    );
}

/**
 * Has the Provider keep something for each of eight versions of node code, which its rules name: the most there can be.
 */
export async function countVersions({ provider, owner }: JoinedMarket): Promise<void> {
    for (let version = 1; version < 8; version++) {
        const share = RATE - BigInt(version); // no two the same: equal cells would take the room of one
        const change = nodeChanges.hardware({ ...listingWith().hardware, gpus: 1 });
        const args = { value: toNano('1'), number: 99, codeVersion: version, share, gpus: 1, change };
        await provider.sendReplaceHardware(owner.getSender(), args);
        const { maxShare } = await provider.getVersionShares(BigInt(version));
        if (maxShare !== BigInt(version)) {
            throw new Error(`nothing is kept for version ${version}`);
        }
    }
}

/** Asserts the Provider's invariant: balance >= stake + slots + reserve, and the slots add up to `unbonding`. */
export async function expectSolvent({ blockchain, provider }: JoinedMarket): Promise<void> {
    const state = await provider.getProviderState();
    const slots = await Promise.all([0n, 1n, 2n, 3n].map((slot) => provider.getStakeSlot(slot)));
    const { balance } = await blockchain.getContract(provider.address);

    expect(slots.reduce((sum, slot) => sum + slot.amount, 0n)).toBe(state.unbonding);
    expect(balance).toBeGreaterThanOrEqual(state.stake + state.unbonding + state.reserve);
}

/**
 * What the Provider asks for a message of fixed size when no rent is due: its getters add a year's rent for idle ones.
 */
export async function exactValue(
    { provider }: JoinedMarket,
    message: 'adopt' | 'stakeStep' | 'closeNode',
): Promise<bigint> {
    return (await provider.getValuesOf(0n, 0n))[message] - (await provider.getProviderState()).reserve;
}

/**
 * The least value at which `send` makes `provider` do what it is asked, found by halving below `enough`, which must do;
 * leaves the blockchain as it was. Where a body lies in its message depends on the wallet, so getters name a little
 * more.
 */
export async function minValue(
    { blockchain, provider }: Pick<JoinedMarket, 'blockchain' | 'provider'>,
    enough: bigint,
    send: (value: bigint) => Promise<SendMessageResult>,
): Promise<bigint> {
    const before = blockchain.snapshot();
    const { inMessage } = transactionsOn(await send(enough), provider.address)[0];
    const info = inMessage!.info as CommonMessageInfoInternal;
    const surplus = info.value.coins - enough; // what `send` adds, such as the stake
    let [refused, taken] = [0n, enough];
    while (taken - refused > 1n) {
        const value = (refused + taken) / 2n;
        await blockchain.loadFrom(before);
        const account = await blockchain.getContract(provider.address);
        const tx = await account.receiveMessage({
            ...inMessage!,
            info: { ...info, value: { coins: value + surplus } },
        });
        [refused, taken] = exitCodeOf(tx) === 0 ? [refused, value] : [value, taken];
    }
    await blockchain.loadFrom(before);
    return taken;
}

/** A getter's answer with its addresses as text, for comparing. */
export function plain<T extends object>(state: T): Record<string, unknown> {
    const entries = Object.entries(state).map(([key, value]) => [
        key,
        Address.isAddress(value) ? value.toString() : value,
    ]);
    return Object.fromEntries(entries);
}
