/**
 * The way of a node onto the chain: what its owner has to sign next, by what the chain shows now. Asking again is
 * always safe: what has arrived is not sent twice.
 */
import { addStake, joinMarket, type Membership, parseRules, Provider } from '@cocoon-market/wrappers';
import type { Address } from '@ton/core';
import type { Chain, Transfer } from '../chain';
import { applyFleet, type FleetPlan, type ManifestNode, planFleet, readFleet, type RegisteredNode } from '../fleet';
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
}

/** What has to be signed next. Without messages everything is on chain. */
export interface OwnerStep {
    will: string[];
    messages: Transfer[];
    stake: bigint; // nanoTON of the messages that become stake
    funds: bigint; // nanoTON for the worker's wallet
    provider: Address;
    nextNumber: number;
    present: RegisteredNode[];
    requiredStake: bigint; // nanoTON
}

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
    const joined = state !== undefined && state.rulesVersion > 0n;
    const present = joined ? await readFleet(chain, provider) : [];
    const membership = joined ? await opened.getMembershipNow() : undefined;
    const followed = membership === undefined ? rules : rulesFollowed(membership, rules);
    requireClasses(target.nodes, followed.rates);
    const plan = planFleet(target.nodes, present, followed);
    const funding = await fundingOf(chain, target);
    const required = plan.requiredStake > target.stake ? plan.requiredStake : target.stake;
    const base = {
        provider,
        present,
        funds: funding?.value ?? 0n,
        nextNumber: Number(state?.nextNumber ?? 0n),
        requiredStake: plan.requiredStake,
    };
    if (!joined) {
        return { ...base, ...(await joining(chain, rules, target, required, funding)) };
    }
    await requireGoodStanding(opened, plan);
    const stakeDue = required > state.stake ? required - state.stake : 0n;
    return { ...base, ...(await changing(chain, target, { provider, plan, stakeDue, funding })) };
}

async function joining(
    chain: Chain,
    { registry }: MarketRules,
    { owner, worker }: ListingTarget,
    stake: bigint,
    funding: Transfer | undefined,
): Promise<Pick<OwnerStep, 'will' | 'messages' | 'stake'>> {
    const codeVersion = await ownProviderVersion(chain, registry);
    const args = { registry, stake, payout: worker, codeVersion };
    const messages = await messagesOf(chain, owner, (actor) => joinMarket(actor, args));
    return {
        will: ['join the market with the stake', ...(funding ? ["fund the worker's wallet"] : [])],
        messages: [...messages, ...(funding ? [funding] : [])],
        stake,
    };
}

async function changing(
    chain: Chain,
    { owner }: ListingTarget,
    {
        provider,
        plan,
        stakeDue,
        funding,
    }: {
        provider: Address;
        plan: FleetPlan;
        stakeDue: bigint;
        funding: Transfer | undefined;
    },
): Promise<Pick<OwnerStep, 'will' | 'messages' | 'stake'>> {
    const { at } = await chain.account(provider);
    const messages = await messagesOf(chain, owner, async (actor) => {
        if (stakeDue > 0n) {
            await addStake(actor, { provider, amount: stakeDue });
        }
        await applyFleet(actor, { provider, oldKeysEndAt: at + KEY_OVERLAP }, { ...plan, close: [] });
    });
    return {
        will: [
            ...(stakeDue > 0n ? ['add to the stake'] : []),
            ...plan.register.map(({ name }) => `register node ${name}`),
            ...plan.changes.map(({ target, what }) => `change the ${what} of node ${target.name}`),
            ...(funding ? ["fund the worker's wallet"] : []),
        ],
        messages: [...messages, ...(funding ? [funding] : [])],
        stake: stakeDue,
    };
}

async function fundingOf(chain: Chain, { worker, fund }: ListingTarget): Promise<Transfer | undefined> {
    const { balance } = await chain.account(worker);
    return balance * FUND_FROM >= fund ? undefined : { to: worker, value: fund - balance, bounce: false };
}

function rulesFollowed(membership: Membership, newest: MarketRules) {
    const followed = parseRules(membership.rules!);
    if (followed.nodeCodes.at(-1)?.hash !== newest.nodeCodes.at(-1)?.hash) {
        throw new Remedied('This provider follows old rules: adopt the new ones first (npx blueprint run adoptRules)');
    }
    return followed;
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

async function requireGoodStanding(
    provider: { getStanding(): Promise<{ jailedUntil: bigint }> },
    { register }: FleetPlan,
): Promise<void> {
    const { jailedUntil } = await provider.getStanding();
    if (register.length > 0 && jailedUntil > 0n) {
        const until = new Date(Number(jailedUntil) * 1000).toISOString();
        throw new Remedied(
            `This provider is in jail until ${until} and registers no node: then run "npx blueprint run unjail"`,
        );
    }
}
