/**
 * The way of a node onto the chain: what its owner has to sign next and afterwards, by what the chain shows now. Asking
 * again is always safe: what has arrived is not sent twice.
 */
import {
    addStake,
    adoptRules,
    formatTon,
    joinMarket,
    listingCell,
    Node,
    parseRules,
    Provider,
    unjail,
    UnknownCode,
} from '@cocoon-market/wrappers';
import type { Actor } from '@cocoon-market/wrappers';
import type { Address } from '@ton/core';
import type { Chain, Transfer } from '../chain';
import { applyFleet, type FleetPlan, type ManifestNode, planFleet, readFleet, type RegisteredNode } from '../fleet';
import { addressText } from '../process/addresses';
import { Remedied } from '../process/errors';
import { type MarketRules, ownProviderVersion, providerOf } from './market';
import { messagesOf } from './ownerOrder';

/** What an owner wants to be on chain. */
export interface ListingTarget {
    owner: Address;
    nodes: readonly ManifestNode[];
    worker: Address; // the worker's wallet, to which jobs pay
    fund: bigint; // nanoTON that the worker's wallet is brought up to; 0n: nothing
    stake: bigint; // nanoTON at least, however little the nodes require
    anyCode?: boolean; // their provider may run a code that this release does not know
}

/** What one message of the owner does. */
export interface OwnerPart {
    what: string;
    value: bigint; // nanoTON that leave the wallet with it; what is not used comes back
}

/** What has to be signed next. Without messages everything is on chain. */
export interface OwnerStep {
    parts: OwnerPart[]; // of each message
    messages: Transfer[];
    later: OwnerPart[]; // what has to be signed once these have arrived
    stake: bigint; // nanoTON of all parts that become stake
    funds: bigint; // nanoTON for the worker's wallet
    provider: Address;
    nextNumber: number;
    present: RegisteredNode[];
    requiredStake: bigint; // nanoTON
}

type Changes = Pick<OwnerStep, 'parts' | 'messages' | 'later' | 'stake'>;

const MAX_UNKNOWN = 2_000_000_000n; // nanoTON that go to a provider whose code this release does not know
const FUND_FROM = 3n; // a wallet with more than a third of the target is not funded again
const KEY_OVERLAP = 14 * 86_400; // seconds that a replaced receipt key still signs, for the jobs that run

/**
 * The next step.
 * @throws {Remedied} if the chain refuses what the owner wants
 */
export async function nextStep(chain: Chain, rules: MarketRules, target: ListingTarget): Promise<OwnerStep> {
    const account = { registry: rules.registry, owner: target.owner };
    const { address: provider, exists } = await providerOf(chain, account);
    const opened = chain.open(Provider.fromAddress(provider));
    const state = exists ? await opened.getProviderState() : undefined;
    const joined = state !== undefined && state.rulesVersion > 0n ? state : undefined;
    const present = joined === undefined ? [] : await readFleet(chain, provider);
    const followed = joined === undefined ? rules : parseRules((await opened.getMembership()).rules!);
    const isOutdated = followed.nodeCodes.at(-1)?.hash !== rules.nodeCodes.at(-1)?.hash;
    const { rates, baseStake } = isOutdated ? rules : followed;
    requireClasses(target.nodes, rates);
    const plan = planFleet(target.nodes, present, { rates, baseStake });
    const required = plan.requiredStake > target.stake ? plan.requiredStake : target.stake;
    const stakeDue = joined !== undefined && required > joined.stake ? required - joined.stake : 0n;
    const changes =
        joined === undefined
            ? await joining(chain, rules, target, required)
            : await changing(chain, target, { registry: rules.registry, provider, plan, stakeDue, isOutdated });
    const funding = await fundingOf(chain, target);
    return {
        ...{ provider, present, requiredStake: plan.requiredStake, nextNumber: Number(state?.nextNumber ?? 0n) },
        ...{ later: changes.later, stake: changes.stake, funds: funding?.value ?? 0n },
        parts: [...changes.parts, ...(funding ? [{ what: "fund the worker's wallet", value: funding.value }] : [])],
        messages: [...changes.messages, ...(funding ? [funding] : [])],
    };
}

async function joining(
    chain: Chain,
    { registry }: MarketRules,
    { owner, worker, nodes }: ListingTarget,
    stake: bigint,
): Promise<Changes> {
    const codeVersion = await ownProviderVersion(chain, registry);
    const args = { registry, stake, payout: worker, codeVersion };
    const messages = await agreedMessages(chain, owner, (actor) => joinMarket(actor, args));
    const [prices, { code }] = [await chain.prices(), (await Node.ofProvider(registry, 0)).init!];
    return {
        ...{ messages, stake, parts: [{ what: 'join the market with the stake', value: messages[0].value }] },
        later: nodes.map(({ name, listing }) => ({
            what: `register node ${name}`,
            value: Provider.registerNodeValue(prices, { code, listing: listingCell(listing) }),
        })),
    };
}

async function changing(
    chain: Chain,
    { owner, anyCode }: ListingTarget,
    {
        registry,
        provider,
        plan,
        stakeDue,
        isOutdated,
    }: {
        registry: Address;
        provider: Address;
        plan: FleetPlan;
        stakeDue: bigint;
        isOutdated: boolean; // it follows rules with an older code of nodes
    },
): Promise<Changes> {
    const { at } = await chain.account(provider);
    const isJailOver = await canLeaveJail(chain, provider, plan, at);
    const messages = await messagesOf(chain, owner, async (actor) => {
        await (stakeDue > 0n && addStake(actor, { provider, amount: stakeDue, anyCode: true })); // looked at below
        await (isJailOver && unjail(actor, { provider }));
        await applyFleet(actor, { provider, oldKeysEndAt: at + KEY_OVERLAP }, { ...plan, close: [] });
    });
    const account = { registry, owner, provider };
    await (anyCode !== true && requireTrusted(chain, account, messages));
    const parts = [
        ...(stakeDue > 0n ? ['add to the stake'] : []),
        ...(isJailOver ? ['leave jail'] : []),
        ...plan.register.map(({ name }) => `register node ${name}`),
        ...plan.changes.map(({ target, what }) => `change the ${what} of node ${target.name}`),
    ].map((what, i) => ({ what, value: messages[i].value }));
    if (!isOutdated) {
        return { parts, messages, later: [], stake: stakeDue };
    }
    const adopting = await agreedMessages(chain, owner, (actor) => adoptRules(actor, { provider }));
    await (anyCode !== true && requireTrusted(chain, account, adopting));
    const adopt = { what: 'adopt the present rules of the market', value: adopting[0].value };
    return { parts: [adopt], messages: adopting, later: parts, stake: stakeDue };
}

/**
 * Refuses messages that carry much to a provider of another code than this release's. The market may name that code,
 * and one endpoint could make up that it does: the contract would keep everything. Only the address proves the code,
 * because an endpoint that is asked for the code again may name another.
 * @throws {Remedied}
 */
async function requireTrusted(
    chain: Chain,
    { registry, owner, provider }: { registry: Address; owner: Address; provider: Address },
    messages: readonly Transfer[],
): Promise<void> {
    const value = messages.reduce((sum, message) => sum + message.value, 0n);
    if (value > MAX_UNKNOWN && !(await Provider.ofOwner(registry, owner)).address.equals(provider)) {
        const text = `The provider ${addressText(provider, chain)} runs a code that this release does not know`;
        throw new Remedied(
            `${text}, and ${formatTon(value)} TON would go there: use the release that it was made with, or read that code and give --any-code`,
        );
    }
}

/** Messages with which the owner agrees to the market's rules. */
async function agreedMessages(
    chain: Chain,
    owner: Address,
    action: (actor: Actor) => Promise<unknown>,
): Promise<Transfer[]> {
    return messagesOf(chain, owner, action).catch((error: unknown) => {
        if (error instanceof UnknownCode) {
            throw new Remedied(
                `The market's code of a ${error.kind} is not in this release, and could take all the stake: ` +
                    'use the release that the market runs',
                { cause: error },
            );
        }
        throw error;
    });
}

async function fundingOf(chain: Chain, { worker, fund }: ListingTarget): Promise<Transfer | undefined> {
    const { balance } = await chain.account(worker);
    return balance * FUND_FROM >= fund ? undefined : { to: worker, value: fund - balance, bounce: false };
}

function requireClasses(nodes: readonly ManifestNode[], rates: readonly bigint[]): void {
    const without = nodes.find(({ listing }) => (rates[listing.hardware.gpuClass] ?? 0n) === 0n);
    if (without !== undefined) {
        const accepted = rates.flatMap((rate, gpuClass) => (rate > 0n ? [gpuClass] : []));
        throw new Remedied(
            `The market takes no GPUs of class ${without.listing.hardware.gpuClass} (node ${without.name}): ` +
                `it takes ${accepted.join(', ')}. Name one with --gpu-class`,
        );
    }
}

/**
 * True if the provider is in jail and may leave it. `at`: unix seconds of the chain.
 * @throws {Remedied} if a node is to be registered before that
 */
async function canLeaveJail(chain: Chain, provider: Address, plan: FleetPlan, at: number): Promise<boolean> {
    const { jailedUntil } = await chain.open(Provider.fromAddress(provider)).getStanding();
    const isIn = jailedUntil > 0n;
    if (isIn && Number(jailedUntil) > at && plan.register.length > 0) {
        const until = new Date(Number(jailedUntil) * 1000).toISOString();
        throw new Remedied(
            `This provider is in jail until ${until}, and registers no node before: run this again then. The owner ` +
                'leaves jail and registers the node with the same signature',
        );
    }
    return isIn && Number(jailedUntil) <= at;
}
