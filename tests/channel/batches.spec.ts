/** Many jobs in one message of a wallet. */
import { internal, toNano } from '@ton/core';
import { BOUNDS, claimMessages, maxBatch, openMany } from '../../benchmarks/batches';
import { DEPOSIT, OWED, openJobs, PaymentStage, paymentStage } from '../../benchmarks/operations/payments';
import { claimBody, errors } from '@cocoon-market/wrappers';
import { expectConserved, expectRefused, transactionsOn } from '../support/chain';
import { otherKey, valueSent } from '../support/market';
import { MAX_MESSAGES } from '../support/wallet';

const VALUE = toNano('0.05');

describe('Channel: many jobs in one message of a wallet', () => {
    let stage: PaymentStage;
    beforeEach(async () => {
        stage = await paymentStage('2025', { library: true });
    });

    const claimOf = (
        { channel }: Awaited<ReturnType<typeof openJobs>>[number],
        { key, last = false }: { key?: typeof otherKey; last?: boolean } = {},
    ) => {
        const voucher = stage.market.voucher(channel, OWED, key === undefined ? {} : { key });
        return internal({ to: channel.address, value: VALUE, bounce: true, body: claimBody(voucher, { last }) });
    };

    it('claims from 255 with a v5 wallet: its messages are bounded before its bytes', async () => {
        const { jobs, bytes, claimsByBytes, conserved, transactions } = await maxBatch(stage, { last: false });

        expect({ claims: jobs.length, conserved, transactions }).toEqual({
            claims: 255,
            conserved: true,
            transactions: 1 + 2 * 255,
        });
        expect(bytes).toBeLessThan(BOUNDS.bytes);
        expect(claimsByBytes).toBeGreaterThan(255);
    }, 240_000);

    it('closes 255 with a v5 wallet, and no account is left', async () => {
        const { jobs, bytes, conserved, transactions } = await maxBatch(stage, { last: true });

        expect({ claims: jobs.length, conserved, transactions }).toEqual({
            claims: 255,
            conserved: true,
            transactions: 1 + 3 * 255,
        });
        expect(bytes).toBeLessThan(BOUNDS.bytes);
        for (const { channel } of jobs) {
            expect(await stage.market.isGone(channel)).toBe(true);
        }
    }, 240_000);

    it('carries no more than 255 with a v5 wallet', async () => {
        const messages = await claimMessages(stage, await openMany(stage, 4), false);
        const many = Array.from({ length: 256 }, () => messages[0]);

        await expect(stage.payee.getOrder(many)).rejects.toThrow('255');
        expect(await stage.payee.getOrder(many.slice(1))).toBeDefined();
    });

    it('claims from 4 with a v4 wallet, and no more', async () => {
        const { market, payeeV4 } = stage;
        const jobs = await openJobs(stage, 5, { payout: payeeV4.address.hash });

        const result = await expectConserved(market.blockchain, () =>
            payeeV4.sendMessages(jobs.slice(0, 4).map((job) => claimOf(job))),
        );

        for (const { channel } of jobs.slice(0, MAX_MESSAGES.v4)) {
            expect(valueSent(result, channel, payeeV4)).toBeGreaterThanOrEqual(OWED);
        }
        await expect(payeeV4.getOrder(jobs.map((job) => claimOf(job)))).rejects.toThrow('Too many references');
    });

    it.each([{ last: false }, { last: true }])('one that is refused hurts no other ($last)', async ({ last }) => {
        const { market, payee } = stage;
        const jobs = await openJobs(stage, 10, { payout: payee.address.hash });
        const messages = jobs.map((job, i) => claimOf(job, { last, ...(i === 4 ? { key: otherKey } : {}) }));

        const result = await expectConserved(market.blockchain, () => payee.sendMessages(messages));

        const refused = { from: payee.address, to: jobs[4].channel.address, exitCode: errors.ErrBadSignature };
        expectRefused(result, refused);
        expect(await market.balanceOf(jobs[4].channel)).toBeGreaterThanOrEqual(DEPOSIT);
        for (const { channel } of jobs.filter((_, i) => i !== 4)) {
            expect(valueSent(result, channel, payee)).toBeGreaterThanOrEqual(last ? 0n : OWED);
            expect(await market.isGone(channel)).toBe(last);
        }
    });

    it('one whose account has ended hurts no other', async () => {
        const { market, payee } = stage;
        const jobs = await openJobs(stage, 3, { payout: payee.address.hash });
        await payee.sendMessages([claimOf(jobs[1], { last: true })]);

        const result = await expectConserved(market.blockchain, () =>
            payee.sendMessages(jobs.map((job) => claimOf(job))),
        );

        expect(transactionsOn(result, payee.address, jobs[1].channel.address)[0].inMessage?.info).toMatchObject({
            bounced: true,
        });
        for (const { channel } of [jobs[0], jobs[2]]) {
            expect(valueSent(result, channel, payee)).toBeGreaterThan(OWED);
        }
    });
});
