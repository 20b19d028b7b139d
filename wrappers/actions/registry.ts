/** What the one who runs a network does. */
import { Cell } from '@ton/core';
import { channelCode } from '../Channel';
import { Escrow } from '../Escrow';
import { Node } from '../Node';
import { Provider } from '../Provider';
import { Committee, Registry, Rules } from '../Registry';
import { Actor, addressOf } from './actor';

/** How a new market starts. */
export interface MarketPlan {
    delay: number; // seconds that every later change waits, for ever
    rules: Rules;
    committee: Committee;
    catalogue: bigint; // hash of the published model catalogue
    rent: bigint; // nanoTON that pay the registry's rent ahead
    value: bigint; // nanoTON attached to the launch; what is not used comes back
}

/** The codes of this checkout, by the kind of contract. */
export async function codesOfThisCheckout(
    actor: Actor,
): Promise<Record<'provider' | 'node' | 'escrow' | 'channel', Cell>> {
    const anyone = addressOf(actor);
    const [provider, node, escrow] = [
        await Provider.ofOwner(anyone, anyone),
        await Node.ofProvider(anyone, 0),
        await Escrow.ofOwner(anyone),
    ];
    return {
        provider: provider.init!.code,
        node: node.init!.code,
        escrow: escrow.init!.code,
        channel: await channelCode(),
    };
}

/** Deploys a registry with the actor as governor and launches it. */
export async function deployMarket(actor: Actor, plan: MarketPlan) {
    const { delay, rent, ...launch } = plan;
    const registry = actor.open(await Registry.ofGovernor(addressOf(actor), delay));
    await registry.sendTopUp(actor.sender, { value: rent });
    await registry.sendLaunch(actor.sender, { ...launch, codes: await codesOfThisCheckout(actor) });
    return registry;
}
