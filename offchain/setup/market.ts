/** What a market asks of a provider and what its nodes charge, read from the chain. */
import {
    codeId,
    codesOfThisCheckout,
    Node,
    parseRules,
    Provider,
    type Rates,
    readMarketEvent,
    Registry,
    registryCode,
    tokenKinds,
} from '@cocoon-market/wrappers';
import { Address } from '@ton/core';
import { randomInt } from 'node:crypto';
import { type Chain, findProvider, providerCodes, type ProviderOwner, readNode } from '../chain';
import { modelHash } from '../link';
import { Directory } from '../market/directory';
import { addressText } from '../process/addresses';
import { Remedied } from '../process/errors';

/** The rules of a market that this release can join. */
export interface MarketRules extends ReturnType<typeof parseRules> {
    registry: Address;
}

/**
 * The rules of the market at an address.
 * @throws {Remedied} if there is no market, it takes nobody now, or its newest node code is not of this release
 */
export async function readRules(chain: Chain, registry: Address): Promise<MarketRules> {
    const where = addressText(registry, chain);
    const account = await chain.account(registry);
    if (account.state !== 'active') {
        throw new Remedied(
            `There is no market at ${where} on network ${chain.network}: check --registry, --network and --endpoint`,
        );
    }
    // Another one may name other rules, and another Provider of the owner, than there are.
    if (account.code?.equals(await registryCode()) !== true) {
        throw new Remedied(
            `The account ${where} is no registry of this release: check --registry, or use the release that the ` +
                'market runs',
        );
    }
    const opened = chain.open(Registry.fromAddress(registry));
    const cell = await opened.getRules();
    const { paused } = await opened.getRegistryState();
    if (paused) {
        throw new Remedied('The market takes no new providers and nodes for now: its governor has paused arrivals');
    }
    const rules = parseRules(cell);
    const { node } = await codesOfThisCheckout();
    if (rules.nodeCodes.at(-1)?.hash !== codeId(node).hash) {
        throw new Remedied('The newest node code of the market is not that of this release: use the release it runs');
    }
    return { ...rules, registry };
}

/** The version of this release's code of a Provider at a market, with which a new Provider is deployed. */
export async function ownProviderVersion(chain: Chain, registry: Address): Promise<number> {
    const { provider } = await codesOfThisCheckout();
    const version = (await providerCodes(chain, registry)).lastIndexOf(codeId(provider).hash);
    if (version < 0) {
        throw new Remedied('The market names no code of a provider that this release has: use the release it runs');
    }
    return version;
}

/** The Provider of an owner at a market, or the one that they would deploy, and whether it exists. */
export async function providerOf(chain: Chain, account: ProviderOwner): Promise<{ address: Address; exists: boolean }> {
    const address = await findProvider(chain, account);
    return address === undefined
        ? { address: (await Provider.ofOwner(account.registry, account.owner)).address, exists: false }
        : { address, exists: true };
}

/** What the open nodes of a market charge for one model. */
export interface MarketPrice {
    providers: number; // one node of each was read
    median: Rates; // of each kind, nanoTON per million tokens
    min: Rates;
    max: Rates;
}

const MAX_EVENTS = 20_000;
const EVENT_SECONDS = 120; // for these; the newest come first, and an endpoint could list without an end
const MAX_READ = 40; // nodes of one model, each a few calls to the endpoint
const MIN_PROVIDERS = 5; // whose median is a suggestion; fewer could more easily be one person

/**
 * The prices of models in a market: of one node of each provider that events announce, as far as its account says the
 * same. Chance picks nodes and providers, so that nobody is picked for a price. A model that nobody sells is
 * left out. `onProgress` is told what is read.
 */
export async function readMarketPrices(
    chain: Chain,
    registry: Address,
    models: readonly string[],
    onProgress: (text: string) => void = () => undefined,
): Promise<Map<string, MarketPrice>> {
    const directory = await readDirectory(chain, registry);
    const prices = new Map<string, MarketPrice>();
    for (const model of models) {
        const hash = modelHash(model);
        const byProvider = new Map(shuffled(directory.sellers(hash)).map((node) => [node.provider, node]));
        const sellers = shuffled([...byProvider.values()]).slice(0, MAX_READ);
        const found: Rates[] = [];
        for (const [i, { node }] of sellers.entries()) {
            onProgress(`prices of ${model}: node ${i + 1} of ${sellers.length}`);
            const listed = await readNode(chain, registry, Address.parseRaw(node)).catch(() => undefined);
            const offer = listed?.offers.find((one) => one.model.equals(hash));
            if (listed !== undefined && offer !== undefined && !listed.jailed) {
                found.push(offer.rates);
            }
        }
        if (found.length > 0) {
            prices.set(model, summaryOf(found));
        }
    }
    return prices;
}

/** The nodes that the newest events announce, as many as are read in time. */
async function readDirectory(chain: Chain, registry: Address): Promise<Directory> {
    const directory = new Directory();
    const end = performance.now() + EVENT_SECONDS * 1000;
    let count = 0;
    try {
        for await (const { lt, body, unreadable } of chain.emitted(registry, 0n, { seconds: EVENT_SECONDS })) {
            if (unreadable === undefined) {
                try {
                    const event = readMarketEvent(body);
                    await (event && directory.take(event, lt));
                } catch {
                    // An event of somebody else's making says nothing.
                }
            }
            if (++count >= MAX_EVENTS) {
                break;
            }
        }
    } catch (error) {
        if (performance.now() < end) {
            throw error;
        }
    }
    return directory;
}

function shuffled<T>(items: readonly T[]): T[] {
    const keyed = items.map((item) => ({ item, key: randomInt(2 ** 47) }));
    return keyed.sort((a, b) => a.key - b.key).map(({ item }) => item);
}

function summaryOf(found: readonly Rates[]): MarketPrice {
    const pick = (index: (length: number) => number) =>
        Object.fromEntries(
            tokenKinds.map((kind) => {
                const sorted = found.map((rates) => rates[kind]).sort((a, b) => (a < b ? -1 : a > b ? 1 : 0));
                return [kind, sorted[index(sorted.length)]];
            }),
        ) as unknown as Rates;
    return {
        providers: found.length,
        median: pick((length) => Math.floor((length - 1) / 2)), // of two, the lower
        min: pick(() => 0),
        max: pick((length) => length - 1),
    };
}

/**
 * The prices of a market that an owner may be shown as a suggestion; undefined if too few providers make them, or they
 * are nothing. Whoever has the stake of five providers sets them, so nothing takes them unseen.
 */
export function suggestionOf(market: MarketPrice | undefined): Rates | undefined {
    const isGood =
        market !== undefined &&
        market.providers >= MIN_PROVIDERS &&
        market.median.prompt > 0n &&
        market.median.completion > 0n;
    return isGood ? market.median : undefined;
}

/** The account of a provider's next node. */
export async function nextNode(provider: Address, nextNumber: number): Promise<Address> {
    return (await Node.ofProvider(provider, nextNumber)).address;
}
