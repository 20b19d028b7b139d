/** A node as its own account and that of its provider have it now, proved by their addresses. */
import { type Address, Cell, type Slice } from '@ton/core';
import { bytesToNumber, numberToBytes } from '../bytes';
import { loadAccount } from '../cells';
import { codesOfThisCheckout } from '../codes';
import { Node, nodeStates, type Offer, parseOffers, parseService } from '../Node';
import { Provider } from '../Provider';
import { codeHashes, Registry } from '../Registry';
import { type CodeConsent, type MarketClient, readAccount, requireCode } from './chain';
import { MarketError } from './errors';
import { workerUrl } from './text';

/**
 * What must be right before money moves to a node's job: `Market.readNode`.
 *
 * @example
 * ```ts
 * import type { LiveNode } from '@cocoon-market/wrappers/market';
 *
 * const isFit = ({ isJailed, endpoint }: LiveNode) => !isJailed && endpoint !== undefined;
 * ```
 */
export interface LiveNode {
    address: Address;
    provider: Address;
    number: number;
    endpoint: string | undefined; // URL of its worker
    receiptKey: Buffer; // Ed25519, 32 bytes: signs its receipts
    encryptionKey: Buffer; // X25519, 32 bytes: queries are sealed to it
    payout: Address; // of its provider
    offers: Offer[]; // nanoTON per million tokens; models by their hash
    isJailed: boolean; // its provider is in jail, or has less stake than its nodes require
    slashable: bigint; // nanoTON that its receipts may still cost; 0n without a receipt key
}

const ANOTHER = 'Take another node.';

/**
 * Reads an open node of a registry.
 * @throws {MarketError} `unfit-node` if it is closed, no node of the market, or its jobs would pay no account;
 * `foreign-code`
 */
export async function readLiveNode(client: MarketClient, registry: Address, address: Address): Promise<LiveNode> {
    const name = address.toString();
    const { node: nodeCode } = await codesOfThisCheckout();
    const { data } = await requireCode(client, address, [nodeCode], { absent: 'unfit-node' });
    const proved = await provedNode(address, data);
    if (proved === undefined) {
        throw new MarketError('unfit-node', `${name} is no node of the provider that it names`, ANOTHER);
    }
    const { provider, number } = proved;
    const node = client.open(Node.fromAddress(address));
    const state = await node.getNodeState();
    if (state.state !== nodeStates.open) {
        throw new MarketError('unfit-node', `The node ${name} is not open`, ANOTHER);
    }
    const { payout, isJailed } = await readProvider(client, registry, provider);
    const { service, offers } = await node.getNodeListing();
    const { slashable } = await node.getKeyLiability(state.receiptKey);
    return {
        ...{ address, provider, number, payout, isJailed, slashable },
        endpoint: workerUrl(parseService(service).endpoint),
        receiptKey: numberToBytes(state.receiptKey),
        encryptionKey: numberToBytes(state.encryptionKey),
        offers: parseOffers(offers),
    };
}

async function readProvider(client: MarketClient, registry: Address, address: Address) {
    const { provider: ownCode } = await codesOfThisCheckout();
    const { code, data } = await readAccount(client, address);
    const isOurs = code !== undefined && (code.equals(ownCode) || (await isNamed(client, registry, code)));
    // Registry and owner come first, from which the address follows.
    const owner = isOurs ? found(data, (slice) => [loadAccount(slice), loadAccount(slice)][1]) : undefined;
    if (owner === undefined || !(await Provider.ofOwner(registry, owner, code)).address.equals(address)) {
        throw new MarketError('unfit-node', `${address.toString()} is no provider of this market`, ANOTHER);
    }
    const provider = client.open(Provider.fromAddress(address));
    const [{ payout }, { jailed: isJailed }] = [await provider.getMembership(), await provider.getStanding()];
    if (payout?.workChain !== 0) {
        const reason = `The provider ${address.toString()} names no account of the basechain as its payout`;
        throw new MarketError('unfit-node', reason, ANOTHER);
    }
    return { payout, isJailed };
}

/** Provider and number of a node of this release's code; undefined unless its address follows from them. */
async function provedNode(address: Address, data: Cell | undefined) {
    const stored = found(data, (slice) => ({ provider: loadAccount(slice), number: slice.loadUint(32) }));
    if (stored?.provider === undefined) {
        return undefined;
    }
    const { provider, number } = stored;
    return (await Node.ofProvider(provider, number)).address.equals(address) ? { provider, number } : undefined;
}

/** The market of which a provider has to be, of any unless given; nothing is asked of one whose code may be any. */
interface ProviderConsent extends CodeConsent {
    registry?: Address | undefined;
}

/**
 * Refuses what is not a Provider of this release, or is of another market than `registry`, unless `anyCode`. The code
 * is not enough: anybody deploys it with data of their own, such as a stake that nobody paid, which it then asks of
 * whoever sends it something.
 * @throws {MarketError} `foreign-code`; `unfit-node` for another market
 */
export async function requireProvider(
    client: MarketClient,
    address: Address,
    { anyCode, registry: target }: ProviderConsent,
): Promise<void> {
    const { provider: code } = await codesOfThisCheckout();
    const { data } = await requireCode(client, address, [code], { anyCode });
    if (anyCode === true) {
        return;
    }
    const [registry, owner] = found(data, (slice) => [loadAccount(slice), loadAccount(slice)]) ?? [];
    const isProved = registry && owner && (await Provider.ofOwner(registry, owner)).address.equals(address);
    if (isProved !== true) {
        throw madeUp(address);
    }
    if (target !== undefined && !registry.equals(target)) {
        const reason = `${address.toString()} is a provider of another market, at ${registry.toString()}`;
        throw new MarketError('unfit-node', reason, 'Send nothing there.');
    }
}

/**
 * Refuses what is not a node of this release, of a Provider of this release at `provider`, unless `anyCode`: other data
 * would name another account, which keeps the bond of a report.
 * @throws {MarketError} `foreign-code`
 */
export async function requireNode(
    client: MarketClient,
    address: Address,
    { provider, anyCode, registry }: ProviderConsent & { provider: Address },
): Promise<void> {
    if (anyCode === true) {
        return;
    }
    const { node: code } = await codesOfThisCheckout();
    const { data } = await requireCode(client, address, [code]);
    if ((await provedNode(address, data))?.provider.equals(provider) !== true) {
        throw madeUp(address);
    }
    await requireProvider(client, provider, { registry });
}

const madeUp = (address: Address) =>
    new MarketError(
        'foreign-code',
        `${address.toString()} runs a code of this release, with data that somebody made up`,
        'Send nothing there.',
    );

/** What `read` finds in an account's data; undefined in data of another form, such as anybody deploys with our code. */
function found<T>(data: Cell | undefined, read: (slice: Slice) => T): T | undefined {
    try {
        return data && read(data.beginParse());
    } catch {
        return undefined;
    }
}

/** True for a code of providers that the registry names. */
async function isNamed(client: MarketClient, registry: Address, code: Cell): Promise<boolean> {
    const hashes = await codeHashes(client.open(Registry.fromAddress(registry)), 'provider');
    return hashes.includes(bytesToNumber(code.hash()));
}
