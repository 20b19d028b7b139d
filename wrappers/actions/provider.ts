/** What a GPU owner does. */
import { Address } from '@ton/core';
import { Listing, listingCell, Node } from '../Node';
import { Provider } from '../Provider';
import { Registry } from '../Registry';
import { Actor, addressOf } from './actor';

/** Deploys the actor's provider with its first stake (nanoTON) and registers it. */
export async function joinMarket(
    actor: Actor,
    { registry, ...join }: { registry: Address; stake: bigint; payout: Address; operator?: Address },
) {
    const provider = actor.open(await Provider.ofOwner(registry, addressOf(actor)));
    const value = join.stake + (await actor.open(Registry.fromAddress(registry)).getJoinValue());
    await provider.sendJoin(actor.sender, { ...join, value });
    return provider;
}

/** Registers the next node of a provider; the actor is its owner or operator. */
export async function registerNode(actor: Actor, { provider, listing }: { provider: Address; listing: Listing }) {
    const home = actor.open(Provider.fromAddress(provider));
    const node = await Node.ofProvider(provider, Number((await home.getProviderState()).nextNumber));
    const body = { code: node.init!.code, listing: listingCell(listing) };
    await home.sendRegisterNode(actor.sender, { ...body, value: await home.getRegisterNodeValue(body) });
    return actor.open(node);
}
