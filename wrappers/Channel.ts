/** The contract that holds one job's money. See docs/contracts/channel.md. */
import { Address, beginCell, Cell, contractAddress, ContractProvider, Sender, StateInit } from '@ton/core';
import * as tact from '../build/Channel/Channel_Channel';

import { Voucher } from './signed/payloads';
import { toCell } from './cells';
import {
    address,
    bigUint,
    boolean,
    bytes,
    checkFields,
    checkKnownFields,
    coins,
    objectWith,
    optional,
    uint,
} from './fields';
import { stateless } from './sending';
import { bytesToNumber, numberToBytes } from './bytes';

export type { ChannelState } from '../build/Channel/Channel_Channel';

/** A voucher with its signature. */
export interface SignedVoucher {
    cumulative: bigint; // nanoTON
    count: number;
    signature: Buffer; // 64 bytes
}

/** The immutable data of a channel, from which its address follows. */
export interface JobParameters {
    end: number; // unix seconds, at most 90 days ahead
    notice: number; // seconds, 1 hour to 7 days
    voucherKey: Buffer; // Ed25519
    payout: Buffer; // account
    job: number; // see jobNumber()
}

const JOB = { end: uint(32), notice: uint(32), voucherKey: bytes(32), payout: bytes(32), job: uint(40) };
const VOUCHER = { cumulative: bigUint(64), count: uint(32), signature: bytes(64) };

/** The checks of a signed voucher, which may have other fields too. */
export const signedVoucherCheck = objectWith(VOUCHER);

let code: Cell | undefined;

/** The code of a channel in this checkout, as an ordinary cell. */
export async function channelCode(): Promise<Cell> {
    code ??= (await tact.Channel.init()).code;
    return code;
}

/** The data a channel of this job is deployed with. @throws {InvalidField} */
export function channelData(escrow: Address, job: JobParameters): Cell {
    address(escrow, 'escrow');
    checkKnownFields('job', JOB, job);
    const data = tact.storeChannelData({
        $$type: 'ChannelData',
        paid: 0n,
        refundAt: BigInt(job.end),
        notice: BigInt(job.notice),
        voucherKey: bytesToNumber(job.voucherKey),
        payout: bytesToNumber(job.payout),
        escrow,
        job: BigInt(job.job),
    });
    return toCell(data);
}

/** Code, data and address of the channel that an escrow opens for a job. */
export function channelInit(escrow: Address, job: JobParameters, code: Cell): StateInit & { address: Address } {
    const init = { code, data: channelData(escrow, job) };
    return { ...init, address: contractAddress(0, init) };
}

/** What a channel's data cell says now. Throws when the cell is not a channel's. */
export function loadChannelData(data: Cell): JobParameters & { paid: bigint; refundAt: number; escrow: Address } {
    const slice = data.beginParse();
    const { paid, refundAt, notice, voucherKey, payout, escrow, job } = tact.loadChannelData(slice);
    slice.endParse();
    return {
        paid,
        refundAt: Number(refundAt),
        end: Number(refundAt),
        notice: Number(notice),
        voucherKey: numberToBytes(voucherKey),
        payout: numberToBytes(payout),
        escrow,
        job: Number(job),
    };
}

/** The payload of a voucher for this channel. */
export function voucherFor(network: number, channel: Address, cumulative: bigint, count: number): Voucher {
    return { network, channel: channel.hash, cumulative, count };
}

/** The body of a claim; without a voucher, the last claim of a job in which nothing is owed. */
export function claimBody(voucher: SignedVoucher | undefined, { last = false } = {}): Cell {
    if (voucher !== undefined) {
        signedVoucherCheck(voucher, 'voucher');
    }
    const body = beginCell()
        .storeUint(last ? tact.Channel.opcodes.ClaimLast : tact.Channel.opcodes.Claim, 32)
        .storeUint(voucher?.cumulative ?? 0n, 64)
        .storeUint(voucher?.count ?? 0, 32);
    return (voucher === undefined ? body : body.storeBuffer(voucher.signature, 64)).endCell();
}

const RENT_ROOM = 1_000_000n; // nanoTON of what a job has had that rent may have taken
const NEVER_HAD = 2n ** 64n - 1n; // nanoTON; no job has had as much, so the value comes back

/** nanoTON that a job has had, paid or still there, less what rent may take. */
async function hadSoFar(provider: ContractProvider): Promise<bigint> {
    const { balance, state } = await provider.getState();
    if (state.type !== 'active' || !state.data) {
        return NEVER_HAD;
    }
    const had = loadChannelData(Cell.fromBoc(state.data)[0]).paid + balance - RENT_ROOM;
    return had < 0n ? 0n : had;
}

export class Channel extends stateless(tact.Channel) {
    /**
     * The channel that `escrow` opens for `job`; `code` is this checkout's unless the escrow was set up with another.
     */
    static async ofJob(escrow: Address, job: JobParameters, code?: Cell): Promise<Channel> {
        const { address, ...init } = channelInit(escrow, job, code ?? (await channelCode()));
        return new Channel(address, { code: init.code!, data: init.data! });
    }

    /**
     * Adds the whole `value` (nanoTON) to the job. From anyone. The value comes back if the job has ended, even if
     * its payout has deployed it again: the job must have received `signed` nanoTON, which is the amount of the
     * highest voucher. Without `signed`, the chain is asked for what the job has received so far.
     * @throws on chain: ErrLowBalance
     */
    async sendTopUp(provider: ContractProvider, via: Sender, args: { value: bigint; signed?: bigint }) {
        checkFields('TopUp', { value: coins, signed: optional(bigUint(64)) }, args);
        const { value, signed } = args;
        const min = signed ?? (await hadSoFar(provider));
        const body = toCell(tact.storeTopUp({ $$type: 'TopUp', signed: min }));
        await this.send(provider, via, { value }, body.asSlice());
    }

    /**
     * Pays the payout what the voucher says and the channel holds. From anyone who holds a voucher; `last` from the
     * payout only, which also sends the rest to the escrow and ends the account. `value` (nanoTON) at least
     * `getClaimValue()`; what is left of it comes back.
     * @throws on chain: ErrNothingNew, ErrBadSignature, ErrLowValue; the last claim: ErrNotPayout, ErrBadSignature
     */
    async sendClaim(
        provider: ContractProvider,
        via: Sender,
        args: { value: bigint; voucher?: SignedVoucher; last?: boolean },
    ) {
        const checks = { value: coins, voucher: optional(signedVoucherCheck), last: optional(boolean) };
        checkFields('Claim', checks, args);
        const { value, voucher, last = false } = args;
        await this.send(provider, via, { value }, claimBody(voucher, { last }).asSlice());
    }

    /**
     * Sends the rest to the escrow and ends the account. From anyone, from `refundAt` on. `value` (nanoTON) at least
     * `getRefundValue()`; what is left of it comes back.
     * @throws on chain: ErrTooEarly, ErrLowValue
     */
    async sendRefund(provider: ContractProvider, via: Sender, args: { value: bigint }) {
        checkFields('Refund', { value: coins }, args);
        const { value } = args;
        const body = toCell(tact.storeRefund({ $$type: 'Refund' }));
        await this.send(provider, via, { value }, body.asSlice());
    }
}
