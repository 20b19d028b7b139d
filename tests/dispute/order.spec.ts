/** The order of results: what is before what, and that none has index 0; and what is none, whatever its length. */
import { toNano } from '@ton/core';

import { errors, tags } from '@cocoon-market/wrappers';
import { caseMarket, expectRejected, report, slashesIn, useCases } from '../support/cases';
import { expectRefused } from '../support/chain';
import { signedReceipt } from '../support/keys';

const market = useCases(() => caseMarket());
const { ErrMalformed, ErrNoFault } = errors;

describe('Honest results that are not neighbours', () => {
    it.each([
        ['1 and 3', 3, 3n],
        ['1 and 1', 1, 1n],
    ])('%s show no excess by what lies between', async (_, index, times) => {
        const { job } = market();
        const before = job.result();
        const price = before.readBigUInt64BE(4 + 32 + 4 + 4 + 32 + 16);
        const result = job.result({ number: 9, index, cumulative: times * price });

        await expectRejected(market(), 'excess', job.report.excess(result, before), ErrNoFault);
    });

    it('2 beside 1, a nanoTON above, do', async () => {
        const { job } = market();
        const before = job.result();
        const price = before.readBigUInt64BE(4 + 32 + 4 + 4 + 32 + 16);
        const honest = job.result({ number: 2, index: 2, cumulative: 2n * price });
        const above = job.result({ number: 2, index: 2, cumulative: 2n * price + 1n });

        await expectRejected(market(), 'excess', job.report.excess(honest, before), ErrNoFault);
        expect(slashesIn(await report(market(), 'excess', job.report.excess(above, before)))).toHaveLength(1);
    });
});

describe('A result of index 0', () => {
    it('that says more than its price is owed shows an excess', async () => {
        const { job } = market();
        const body = job.report.excess(job.result({ index: 0, cumulative: toNano('1') }));

        expect(slashesIn(await report(market(), 'excess', body))).toHaveLength(1);
    });

    it('answers no demand with a voucher of count 0; one of index and count 1 does', async () => {
        const { job, stranger } = market();
        await report(market(), 'demand', job.report.demand(job.accept()));
        const dispute = await job.dispute('A3');
        const value = await dispute.getCloseValue();
        const post = (index: number) =>
            dispute.sendVoucher(stranger.getSender(), {
                value,
                result: job.result({ index }),
                voucher: job.voucher(index),
            });

        expectRefused(await post(0), { to: dispute.address, exitCode: ErrMalformed });
        await post(1);
        expect((await dispute.getCaseState()).outcome).toBe(0n);
    });
});

describe('What the key of a job signed in the form of a receipt, with another tag,', () => {
    /** The same receipt under another tag, signed by the same key. */
    const underTag = (receipt: Buffer, tag: number) => {
        const payload = Buffer.from(receipt.subarray(0, -64));
        payload.writeUInt32BE(tag);
        return signedReceipt(payload, market().job.receiptKey);
    };

    it('is no result that bills too much', async () => {
        const { job } = market();
        const result = underTag(job.result({ cumulative: toNano('1') }), tags.TagVerdict);

        await expectRejected(market(), 'excess', job.report.excess(result), ErrMalformed);
    });

    it('is no accept that can be demanded', async () => {
        const { job } = market();

        const body = job.report.demand(underTag(job.accept(), tags.TagVerdict));

        await expectRejected(market(), 'demand', body, ErrMalformed);
    });

    it('is no result that answers a demand', async () => {
        const { job, stranger } = market();
        await report(market(), 'demand', job.report.demand(job.accept()));
        const dispute = await job.dispute('A3');
        const value = await dispute.getCloseValue();

        const result = underTag(job.result(), tags.TagVerdict);
        const sent = await dispute.sendVoucher(stranger.getSender(), { value, result, voucher: job.voucher(1) });

        expectRefused(sent, { to: dispute.address, exitCode: ErrMalformed });
    });
});
