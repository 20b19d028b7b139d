/** Channel, from docs/contracts/channel.md. */
import type { Voucher } from './bodies';
import { Call, max, min, Refusal, refuseIf, signed, State } from './state';
import type { Account, Channel } from './types';

/** What a voucher key signs (docs/protocol.md, Signed payloads). */
export const voucherText = (network: number, channel: Account, cumulative: bigint, count: number) =>
    ['voucher', network, channel, cumulative, count] as const;

/** A voucher of this key for this channel. */
export function voucherOf(state: State, key: string, channel: Account, cumulative: bigint, count: number): Voucher {
    return { cumulative, count, signature: signed(key, ...voucherText(state.network, channel, cumulative, count)) };
}

/** Takes a message; returns the channel, or undefined if the account ended. */
export function onChannel(call: Call, channel: Channel): Channel | undefined {
    const { message, now, prices } = call;
    const { body, from, value } = message;
    refuseIf(channel.library && !call.state.library, '9');
    switch (body.op) {
        case 'none':
            call.absorbs = true;
            return { ...channel, balance: channel.balance + value };
        case 'topUp':
            refuseIf(channel.paid + max(channel.balance, 0n) < body.signed, 'ErrLowBalance'); // a debt counts as none
            call.needs(prices.claimValue);
            call.absorbs = true;
            return { ...channel, balance: channel.balance + value };
        case 'claim': {
            refuseIf(body.cumulative <= channel.paid || channel.balance <= 0n, 'ErrNothingNew');
            requireVoucher(call, channel, body);
            call.needs(prices.claimValue);
            const amount = min(body.cumulative - channel.paid, channel.balance);
            payClaim(call, channel, amount);
            return { ...channel, paid: channel.paid + amount, balance: channel.balance - amount };
        }
        case 'claimLast': {
            refuseIf(from !== channel.payout, 'ErrNotPayout');
            const isNew = body.cumulative > channel.paid && channel.balance > 0n; // otherwise it pays nothing
            if (isNew) {
                requireVoucher(call, channel, body);
            }
            call.needs(prices.claimValue);
            const amount = isNew ? min(body.cumulative - channel.paid, channel.balance) : 0n;
            if (channel.balance > amount) {
                call.pay(channel.escrow, channel.balance - amount);
            }
            call.pass(channel.payout, amount + value, { op: 'none' });
            return undefined;
        }
        case 'leave': {
            refuseIf(from !== channel.escrow, 'ErrNotEscrow');
            call.needs(prices.claimValue);
            call.absorbs = true;
            const refundAt = Math.min(channel.refundAt, now + channel.notice);
            return { ...channel, refundAt, balance: channel.balance + value };
        }
        case 'refund':
            refuseIf(now < channel.refundAt, 'ErrTooEarly');
            call.needs(prices.refundValue);
            if (from === channel.escrow) {
                call.pass(from, max(channel.balance, 0n) + value, { op: 'none' }); // one message carries both
                return undefined;
            }
            if (channel.balance > 0n) {
                call.pay(channel.escrow, channel.balance);
            }
            call.pass(from, value, { op: 'none' });
            return undefined;
        default:
            throw new Refusal(body.op === 'short' ? '9' : '130');
    }
}

function requireVoucher(call: Call, channel: Channel, { cumulative, count, signature }: Voucher): void {
    const text = voucherText(call.state.network, call.self, cumulative, count);
    refuseIf(signature !== signed(channel.voucherKey, ...text), 'ErrBadSignature');
}

/** Another caller pays the fees of a claim out of its value; the payout may have them deducted from the claim. */
function payClaim(call: Call, { payout }: Channel, amount: bigint): void {
    const { from, value } = call.message;
    if (from === payout) {
        call.pass(payout, amount + value, { op: 'none' });
    } else {
        call.pay(payout, amount);
        call.pass(from, value, { op: 'none' });
    }
}
