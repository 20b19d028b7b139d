/**
 * One function per thing that a provider does. Each asks the contract for the value to attach. The rest comes back to
 * the sender. Each throws a MarketError `dear-fees` if more than 5 TON of fees are asked.
 */
import type { Address, Cell } from '@ton/core';
import { Hardware, Listing, listingCell, Node, nodeChanges } from '../Node';
import { NodeName, Provider } from '../Provider';
import { Registry } from '../Registry';
import { codesOfThisCheckout } from '../codes';
import { agreedRules, requireRegistry } from '../consent';
import { type CodeConsent, requireCode } from '../market/chain';
import { requireProvider } from '../market/liveNode';
import { Call } from '../sending';
import { Actor, addressOf } from './actor';
import { boundedFees } from './fees';

/** Which provider: its own account, for owner and operator alike. */
interface Whose {
    provider: Address;
}

/**
 * Deploys the actor's Provider with `stake` nanoTON and registers it under the present rules only.
 * @throws {UnknownCode} when the registry runs, or its rules name for nodes or disputes, a code that is not this
 * release's, unless `anyCode`
 */
export async function joinMarket(
    actor: Actor,
    args: {
        registry: Address;
        stake: bigint;
        payout: Address;
        operator?: Address;
        codeVersion?: number;
    } & CodeConsent,
) {
    const { registry: at, stake, anyCode, ...members } = args;
    const registry = actor.open(Registry.fromAddress(at));
    await requireRegistry(actor, at, { anyCode });
    const rules = await agreedRules(await registry.getRules(), { anyCode });
    const provider = actor.open(await Provider.ofOwner(at, addressOf(actor)));
    const value = stake + boundedFees(at, await registry.getJoinValue());
    await provider.sendJoin(actor.sender, { value, stake, rules, ...members });
    return provider;
}

/**
 * Follows the registry's present rules only.
 * @throws {UnknownCode} as {@link joinMarket}
 */
export async function adoptRules(actor: Actor, { anyCode, ...args }: Whose & CodeConsent) {
    const { provider, values } = await providerOf(actor, args);
    const { registry } = await provider.getProviderState();
    const { rules: previous } = await provider.getMembership();
    const newest = await actor.open(Registry.fromAddress(registry)).getRules();
    const rules = await agreedRules(newest, { previous, anyCode });
    await provider.sendAdopt(actor.sender, { value: values.adopt, rules });
}

/**
 * Adds `amount` nanoTON of stake. Anyone may.
 * @throws {MarketError} `foreign-code` for a provider that is not of this release, unless `anyCode`
 */
export async function addStake(actor: Actor, { amount, anyCode, ...args }: Whose & CodeConsent & { amount: bigint }) {
    await requireProvider(actor, args.provider, { anyCode });
    const { provider, values } = await providerOf(actor, args);
    await provider.sendAddStake(actor.sender, { value: amount + values.stakeStep, amount });
}

type Send = Extract<keyof Provider, `send${string}`>;

/** An action that sends one message of the Provider, to which the getter's value for a step is attached. */
const stakeStep =
    <S extends Send>(send: S) =>
    async (actor: Actor, { provider: address, ...args }: Whose & Omit<Parameters<Provider[S]>[2], keyof Call>) => {
        const { provider, values } = await providerOf(actor, { provider: address });
        await provider[send](actor.sender, { value: values.stakeStep, ...args } as never);
    };

/** Moves `amount` nanoTON of stake into a slot for the unbonding time. */
export const unbondStake = stakeStep('sendUnbond');

/** Moves a slot (0 to 3) back into the stake. */
export const cancelUnbonding = stakeStep('sendCancelUnbonding');

/** Withdraws a slot (0 to 3) that is unlocked. */
export const withdrawStake = stakeStep('sendWithdrawStake');

/** Withdraws what is neither stake nor slot nor reserve. */
export const withdrawSurplus = stakeStep('sendWithdrawSurplus');

/** Names who else may change nodes; null for nobody. */
export const setOperator = stakeStep('sendSetOperator');

/** Names the payout that counts after the rules' delay. */
export const setPayout = stakeStep('sendSetPayout');

/** Leaves jail once its time is over and the stake suffices. */
export const unjail = stakeStep('sendUnjail');

/**
 * Deploys and announces the provider's next node; the result is right unless another is registered at the same time.
 */
export async function registerNode(actor: Actor, { code, listing, ...args }: Whose & { code: Cell; listing: Listing }) {
    const { provider } = await providerOf(actor, args);
    const body = { code, listing: listingCell(listing) };
    const { nextNumber } = await provider.getProviderState();
    const value = boundedFees(provider.address, await provider.getRegisterNodeValue(body));
    await provider.sendRegisterNode(actor.sender, { value, ...body });
    return actor.open(await Node.ofProvider(provider.address, Number(nextNumber)));
}

/** Changes offers, service, keys or attestation of a node; `change`: see `nodeChanges`. */
export async function changeNode(actor: Actor, { provider: address, ...args }: Whose & NodeName & { change: Cell }) {
    const { provider } = await providerOf(actor, { provider: address });
    const value = boundedFees(address, await provider.getChangeNodeValue(args.change));
    await provider.sendChangeNode(actor.sender, { ...args, value });
}

/** Gives a node other GPUs; reads from the node what its share is until now. */
export async function replaceHardware(
    actor: Actor,
    { provider: ofProvider, hardware, ...args }: Whose & NodeName & { hardware: Hardware },
) {
    const { provider } = await providerOf(actor, { provider: ofProvider });
    const change = nodeChanges.hardware(hardware);
    const address = await provider.getNodeAddress(BigInt(args.number), BigInt(args.codeVersion ?? 0));
    const { share, gpus } = await actor.open(Node.fromAddress(address)).getNodeState();
    const value = boundedFees(ofProvider, await provider.getReplaceHardwareValue(change));
    await provider.sendReplaceHardware(actor.sender, { ...args, value, share, gpus: Number(gpus), change });
}

/** Ends a node and frees its share; its account stays for one unbonding time. */
export async function closeNode(actor: Actor, { provider: address, ...args }: Whose & NodeName) {
    const { provider, values } = await providerOf(actor, { provider: address });
    await provider.sendCloseNode(actor.sender, { ...args, value: values.closeNode });
}

/**
 * Ends the account of a closed node once its time has come; the reserve goes to the provider's owner. Anyone may.
 * @throws {MarketError} `foreign-code` for a node that is not of this release, unless `anyCode`
 */
export async function clearNode(actor: Actor, { node: address, anyCode }: CodeConsent & { node: Address }) {
    await requireCode(actor, address, [(await codesOfThisCheckout()).node], { anyCode });
    const node = actor.open(Node.fromAddress(address));
    await node.sendClear(actor.sender, { value: boundedFees(address, await node.getClearValue()) });
}

async function providerOf(actor: Actor, { provider: address }: Whose) {
    const provider = actor.open(Provider.fromAddress(address));
    const { stakeStep, adopt, closeNode: close } = await provider.getValuesOf(0n, 0n);
    const bounded = (value: bigint) => boundedFees(address, value);
    return { provider, values: { stakeStep: bounded(stakeStep), adopt: bounded(adopt), closeNode: bounded(close) } };
}
