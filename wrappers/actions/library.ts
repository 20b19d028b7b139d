/** Publishing the channel code as a library and paying its rent. Anyone may. */
import { Cell, toNano } from '@ton/core';
import { channelCode } from '../Channel';
import { CodeLibrary, Library, libraryOf } from '../Library';
import { Actor } from './actor';

const PUBLISH_VALUE = toNano('1');

/** The channel code of this checkout as a library: what to set up an escrow with, and the hash that is published. */
export async function channelLibrary(): Promise<CodeLibrary> {
    return libraryOf(await channelCode());
}

/** The codes with which escrows open jobs of this version: the code itself, and its library cell. */
export async function channelCodes(): Promise<[plain: Cell, library: Cell]> {
    return [await channelCode(), (await channelLibrary()).cell];
}

/**
 * Publishes a code in the masterchain with `rent` nanoTON paid ahead, at least 90 days (`libraryRent`); the channel
 * code of this checkout unless another is given. Another keeper number publishes the same code again, without the
 * first account. `gas` is attached in addition to the rent, 1 TON by default; its rest pays rent too.
 */
export async function publishLibrary(actor: Actor, args: { rent: bigint; gas?: bigint; code?: Cell; number?: number }) {
    const code = args.code ?? (await channelCode());
    const library = actor.open(await Library.ofHash(code.hash(), args.number));
    await library.sendPublish(actor.sender, { value: args.rent + (args.gas ?? PUBLISH_VALUE), code });
    return library;
}

/** Pays `amount` nanoTON of rent ahead for the library of this hash (32 bytes). */
export async function topUpLibrary(actor: Actor, args: { hash: Buffer; amount: bigint; number?: number }) {
    const library = actor.open(await Library.ofHash(args.hash, args.number));
    await library.sendTopUp(actor.sender, { value: args.amount });
    return library;
}
