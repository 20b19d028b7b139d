/** What an app developer does with his own wallet; jobs are opened by the gateway's spend key. */
import { toNano } from '@ton/core';
import { channelCode } from '../Channel';
import { Escrow, EscrowSettings } from '../Escrow';
import { Actor, addressOf } from './actor';

const SET_UP_VALUE = toNano('0.1'); // the account is not there yet to say what it takes; the rest comes back

/** Deploys or changes the actor's escrow and deposits (nanoTON); the channel code is this checkout's unless given. */
export async function setUpEscrow(
    actor: Actor,
    { deposit, ...settings }: Omit<EscrowSettings, 'channelCode'> & Partial<EscrowSettings> & { deposit: bigint },
) {
    const escrow = actor.open(await Escrow.ofOwner(addressOf(actor)));
    const code = settings.channelCode === undefined ? await channelCode() : settings.channelCode;
    await escrow.sendSetUp(actor.sender, { ...settings, channelCode: code, deposit, value: deposit + SET_UP_VALUE });
    return escrow;
}

/** Takes nanoTON home from the actor's escrow, 0n for all above its reserve. */
export async function withdrawDeposit(actor: Actor, { amount }: { amount: bigint }) {
    const escrow = actor.open(await Escrow.ofOwner(addressOf(actor)));
    await escrow.sendWithdraw(actor.sender, { amount, value: await escrow.getWithdrawValue() });
    return escrow;
}
