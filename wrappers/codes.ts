/** The codes of this checkout, taken from the generated classes: Blueprint's compile() gives a child's for a parent. */
import { Address, Cell } from '@ton/core';
import { channelCode } from './Channel';
import { Dispute } from './Dispute';
import { Escrow } from './Escrow';
import { Node } from './Node';
import { Provider } from './Provider';
import { Registry } from './Registry';

const NOBODY = new Address(0, Buffer.alloc(32));

/** Code by kind of contract; what a registry is launched with. */
export async function codesOfThisCheckout(): Promise<
    Record<'provider' | 'node' | 'escrow' | 'channel' | 'dispute', Cell>
> {
    const [provider, node, escrow, dispute] = [
        await Provider.ofOwner(NOBODY, NOBODY),
        await Node.ofProvider(NOBODY, 0),
        await Escrow.ofOwner(NOBODY),
        await Dispute.ofFault(NOBODY, { class: 'A1', job: Buffer.alloc(32), query: 0 }),
    ];
    return {
        provider: provider.init!.code,
        node: node.init!.code,
        escrow: escrow.init!.code,
        channel: await channelCode(),
        dispute: dispute.init!.code,
    };
}

/** The code of a registry in this checkout. A registry names the codes of all others, and not its own. */
export async function registryCode(): Promise<Cell> {
    return (await Registry.ofGovernor(NOBODY, 0)).init!.code;
}
