/** A Channel on random inputs: it pays what tests/smt/translation.ts says. */
import { Address, Cell, toNano } from '@ton/core';
import { Blockchain, BlockchainTransaction, createShardAccount, internal } from '@ton/sandbox';
import {
    Channel,
    channelCode,
    claimBody,
    errors,
    forwardFee,
    pricesOf,
    Voucher,
    voucherFor,
} from '@cocoon-market/wrappers';
import fc from 'fast-check';
import { createBlockchain, exitCodeOf, START } from '../support/chain';
import { NETWORK, voucherKey } from '../support/market';
import { bodyWith } from '../support/schema';
import { compare, gasOf, MAX, nanos, numberOf, sentIn } from './compare';
import { bigints } from './numbers';
import { claim, claimByPayout, claimLast, leave, refund, topUp } from './translation';

/** The inputs, and a voucher: of any amount, or close to what the job has had or has paid. */
const jobs = fc
    .record({
        paid: nanos(MAX),
        balance: nanos(2n ** 60n),
        any: nanos(MAX),
        value: nanos(toNano('1'), toNano('0.01')),
        near: nanos(2n, -2n),
        choice: fc.constantFrom('any', 'had', 'paid'),
    })
    .map(({ any, near, choice, ...job }) => {
        const cumulative = { any, had: job.paid + job.balance + near, paid: job.paid + near }[choice];
        return { ...job, cumulative: cumulative < 0n ? 0n : cumulative > MAX ? MAX : cumulative };
    });

describe('A Channel computes as its translation', () => {
    const address = new Address(0, Buffer.alloc(32, 0x11));
    const [escrow, payout, stranger] = [1, 2, 3].map((byte) => new Address(0, Buffer.alloc(32, byte)));
    let blockchain: Blockchain;
    let code: Cell;
    let fee: bigint;

    beforeAll(async () => {
        blockchain = await createBlockchain();
        code = await channelCode();
        fee = forwardFee(pricesOf(blockchain.config).basechain, { cells: 0n, bits: 0n });
    });

    interface Job {
        paid: bigint;
        balance: bigint;
        refundAt?: bigint;
        notice?: bigint;
    }

    /** Sends one message to a channel with these data and this balance. */
    async function send(job: Job, from: Address, value: bigint, body: Cell): Promise<BlockchainTransaction> {
        const { paid, balance, refundAt = BigInt(START), notice = 3600n } = job;
        const keys = { voucherKey: numberOf(voucherKey.publicKey), payout: numberOf(payout.hash) };
        const data = bodyWith('ChannelData', { paid, refundAt, notice, ...keys, escrow });
        await blockchain.setShardAccount(address, createShardAccount({ address, code, data, balance }));
        const contract = await blockchain.getContract(address);
        return (await contract.receiveMessage(internal({ from, to: address, value, body }))) as BlockchainTransaction;
    }

    async function stateOf() {
        const { paid, refundAt } = await blockchain.openContract(new Channel(address)).getChannelState();
        const { balance } = await blockchain.getContract(address);
        return { paid, refundAt, balance };
    }

    const signed = (cumulative: bigint, last = false) => {
        const signature = voucherKey.sign(Voucher.hash(voucherFor(NETWORK, address, cumulative, 1)));
        return claimBody({ cumulative, count: 1, signature }, { last });
    };

    it('of a claim by anyone', async () => {
        await compare(jobs, async (v) => {
            const tx = await send(v, stranger, v.value, signed(v.cumulative));
            const is = claim(bigints, { ...v, gas: gasOf(tx), payoutFee: fee, callerFee: fee });

            expect(exitCodeOf(tx)).toBe(is.accepted ? 0 : Number(errors.ErrNothingNew));
            if (is.accepted) {
                expect(is.done).toBe(true);
                expect(sentIn(tx)).toEqual([
                    { to: payout.toString(), amount: is.payout },
                    { to: stranger.toString(), amount: is.caller },
                ]);
                expect(await stateOf()).toMatchObject({ paid: is.nextPaid, balance: is.after });
            }
        });
    });

    it('of a claim by the payout', async () => {
        await compare(jobs, async (v) => {
            const tx = await send(v, payout, v.value, signed(v.cumulative));
            const is = claimByPayout(bigints, { ...v, gas: gasOf(tx), payoutFee: fee });

            expect(exitCodeOf(tx)).toBe(is.accepted ? 0 : Number(errors.ErrNothingNew));
            if (is.accepted) {
                expect(is.done).toBe(true);
                expect(sentIn(tx)).toEqual([{ to: payout.toString(), amount: is.payout }]);
                expect(await stateOf()).toMatchObject({ paid: is.nextPaid, balance: is.after });
            }
        });
    });

    it('of a last claim', async () => {
        await compare(jobs, async (v) => {
            const tx = await send(v, payout, v.value, signed(v.cumulative, true));
            const is = claimLast(bigints, { ...v, gas: gasOf(tx), payoutFee: fee, escrowFee: fee });

            expect([exitCodeOf(tx), is.done]).toEqual([0, true]);
            expect(sentIn(tx)).toEqual([
                ...(is.escrow > 0n ? [{ to: escrow.toString(), amount: is.escrow }] : []),
                { to: payout.toString(), amount: is.payout },
            ]);
            expect((await blockchain.getContract(address)).balance).toBe(is.after);
        });
    });

    it('of a refund', async () => {
        await compare(jobs, async (v) => {
            const tx = await send(v, stranger, v.value, bodyWith('Refund'));
            const is = refund(bigints, { ...v, gas: gasOf(tx), callerFee: fee, escrowFee: fee });

            expect([exitCodeOf(tx), is.done]).toEqual([0, true]);
            expect(sentIn(tx)).toEqual([
                ...(is.escrow > 0n ? [{ to: escrow.toString(), amount: is.escrow }] : []),
                { to: stranger.toString(), amount: is.caller },
            ]);
            expect((await blockchain.getContract(address)).balance).toBe(is.after);
        });
    });

    it('of a Leave', async () => {
        const now = BigInt(START);
        const times = fc.record({
            refundAt: fc.oneof(nanos(2n ** 32n - 1n), nanos(now + 8n * 86_400n, now)),
            notice: nanos(7n * 86_400n, 3600n),
        });
        await compare(times, async (v) => {
            await send({ paid: 0n, balance: toNano('1'), ...v }, escrow, toNano('0.01'), bodyWith('Leave'));

            expect((await stateOf()).refundAt).toBe(leave(bigints, { ...v, now }).refundAt);
        });
    });

    it('of a top-up', async () => {
        await compare(jobs, async ({ cumulative: named, ...v }) => {
            const tx = await send(v, stranger, v.value, bodyWith('TopUp', { signed: named }));
            const { accepted } = topUp(bigints, { ...v, signed: named });

            expect(exitCodeOf(tx)).toBe(accepted ? 0 : Number(errors.ErrLowBalance));
        });
    });
});
