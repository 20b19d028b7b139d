/**
 * What an app developer does with their own wallet, and what anyone may do for a job. Gateways and workers do most of
 * it. What asks a contract for fees throws a MarketError `dear-fees` if that is more than 5 TON.
 */
import { Address } from '@ton/core';
import { setUpValue } from '../bounds';
import { Channel, channelCode, SignedVoucher } from '../Channel';
import { Escrow, EscrowSettings } from '../Escrow';
import { NewJob } from '../signed/orders';
import { type CodeConsent, readNetworkPrices, requireCode } from '../market/chain';
import { MarketError } from '../market/errors';
import type { Prices } from '../prices';
import { errors } from '../protocol';
import { RefusedMessage } from '../remedies';
import { Actor, addressOf } from './actor';
import { boundedFees } from './fees';
import { channelCodes } from './library';

/** Settings, nanoTON to deposit, and what the network charges: as its present configuration says unless given. */
type SetUp = Omit<EscrowSettings, 'channelCode'> &
    Partial<EscrowSettings> & { deposit: bigint; prices?: Prices; queryId?: bigint };

/**
 * Deploys or changes the actor's escrow and deposits (nanoTON); the channel code is this checkout's unless given.
 * @throws {MarketError} `no-configuration` where there is no account of the network's configuration, unless `prices`
 */
export async function setUpEscrow(actor: Actor, { deposit, prices, ...settings }: SetUp) {
    const owner = addressOf(actor);
    const escrow = actor.open(await Escrow.ofOwner(owner));
    const code = settings.channelCode === undefined ? await channelCode() : settings.channelCode;
    // The account may not exist yet, so none of its getters can say the value. The rest comes back.
    const value = deposit + setUpValue(prices ?? (await readNetworkPrices(actor)), owner);
    await escrow.sendSetUp(actor.sender, { ...settings, channelCode: code, deposit, value });
    return escrow;
}

/** Withdraws nanoTON from the actor's escrow, 0n for all above its reserve. */
export async function withdrawDeposit(actor: Actor, { amount }: { amount: bigint }) {
    const escrow = actor.open(await Escrow.ofOwner(addressOf(actor)));
    await escrow.sendWithdraw(actor.sender, {
        amount,
        value: boundedFees(escrow.address, await escrow.getWithdrawValue()),
    });
    return escrow;
}

/** Adds `amount` nanoTON to a client's escrow, which must exist. Anyone may. */
export async function depositTo(actor: Actor, { owner, amount }: { owner: Address; amount: bigint }) {
    const escrow = actor.open(await Escrow.ofOwner(owner));
    await escrow.sendDeposit(actor.sender, { value: amount });
}

/**
 * Opens a job without limits; its deposit comes with the message. `seqno`: the escrow's next.
 * @throws {RefusedMessage} before anything is sent, with ErrStaleSeqno, when the escrow's next seqno is another;
 * {MarketError} `dear-fees` if an endpoint says that it takes more than 5 TON besides the deposit
 */
export async function openJob(actor: Actor, { seqno, job }: { seqno: number; job: NewJob }) {
    const escrow = actor.open(await Escrow.ofOwner(addressOf(actor)));
    const { seqno: next } = await escrow.getEscrowState();
    if (next !== BigInt(seqno)) {
        throw new RefusedMessage(errors.ErrStaleSeqno, 'Escrow', escrow.address, 'Open');
    }
    // An escrow opens nothing below its reserve. What it may lack of that, or owe of rent, comes too, and stays there.
    const fees = boundedFees(escrow.address, (await escrow.getOpenFeeOf(1n)) + 2n * (await escrow.getReserve()));
    await escrow.sendOpen(actor.sender, { value: job.deposit + fees, seqno, jobs: [job] });
}

/**
 * Asks a job of the actor's escrow to end after its notice. The address of the escrow must follow from the wallet's: an
 * endpoint that says whose escrow a job is of could name a contract that keeps what it is sent.
 * @throws {MarketError} `foreign-code` for another escrow than the wallet's of this release, unless `anyCode`
 */
export async function leaveJob(
    actor: Actor,
    { escrow: address, channel, anyCode }: CodeConsent & { escrow: Address; channel: Address },
) {
    if (anyCode !== true && !(await Escrow.ofOwner(addressOf(actor))).address.equals(address)) {
        throw new MarketError(
            'foreign-code',
            `${address.toString()} is not the escrow of this wallet by the code of this release`,
            'Send it from the wallet that owns the escrow, with the release that deployed it.',
        );
    }
    const escrow = actor.open(Escrow.fromAddress(address));
    await escrow.sendLeaveJob(actor.sender, { value: boundedFees(address, await escrow.getLeaveJobValue()), channel });
}

/**
 * Sends the rest of an ended job to its escrow. Anyone may.
 * @throws {MarketError} `foreign-code` for a channel that is not of this release, unless `anyCode`
 */
export async function refundJob(actor: Actor, args: CodeConsent & { channel: Address }) {
    const channel = await openChannel(actor, args);
    await channel.sendRefund(actor.sender, { value: boundedFees(channel.address, await channel.getRefundValue()) });
}

/**
 * Redeems a voucher to the job's payout. Anyone who holds it may.
 * @throws {MarketError} `foreign-code` as {@link refundJob}
 */
export async function claimJob(
    actor: Actor,
    { voucher, ...args }: CodeConsent & { channel: Address; voucher: SignedVoucher },
) {
    const channel = await openChannel(actor, args);
    await channel.sendClaim(actor.sender, {
        value: boundedFees(channel.address, await channel.getClaimValue()),
        voucher,
    });
}

/** A channel that says what to attach. A contract of a stranger would ask for as much as the wallet has. */
async function openChannel(actor: Actor, { channel, anyCode }: CodeConsent & { channel: Address }) {
    await requireCode(actor, channel, await channelCodes(), { anyCode });
    return actor.open(Channel.fromAddress(channel));
}

/** Sends `amount` nanoTON to a wallet, which need not be used yet. */
export async function fundWallet(actor: Actor, { to, amount }: { to: Address; amount: bigint }) {
    await actor.sender.send({ to, value: amount, bounce: false });
}
