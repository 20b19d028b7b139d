/** A provider that shows small faults of itself does not shield large ones: victims are paid up to the key's share. */
import { toNano } from '@ton/core';

import { readHistoryMessage } from '@cocoon-market/wrappers';
import { caseMarket, expectNoSlash, NodeJob, report, slashesIn, useCases } from '../support/cases';
import { transactionsOn } from '../support/chain';
import { expectSolvent, RATE } from '../support/stake';

const SHARE = 2n * RATE;
const DUPLICATE = 3; // docs/contracts/dispute.md
const REPORT_GAP = 300; // seconds between two reports of one fault, see topup.spec.ts
const market = useCases(() => caseMarket());
const later = () => (market().blockchain.now! += REPORT_GAP);

const jobOf = (byte: number) => new NodeJob(market(), Buffer.alloc(32, byte), market().victim.address);

const excess = async (job: NodeJob, args: Parameters<NodeJob['result']>[0], beside?: Buffer) =>
    slashesIn(await report(market(), 'excess', job.report.excess(job.result(args), beside)));

const twice = async (job: NodeJob, price: bigint, date = job.now) => {
    const body = job.report.twice(job.result({ price, finishedAt: date }), job.fail({ signedAt: date }));
    return slashesIn(await report(market(), 'twice', body));
};

const fair = () =>
    market()
        .job.result()
        .readBigUInt64BE(4 + 32 + 4 + 4 + 32 + 16);

afterEach(async () => {
    await expectSolvent(market());
    expect(await market().provider.getStanding()).toMatchObject({ frozen: 0n, cases: 0n });
});

describe('A small A2 that a provider shows of itself', () => {
    it('of another result leaves the large one of the job to its victim', async () => {
        const { job } = market();
        await excess(job, { price: fair() + 1n });

        const [{ amounts }] = await excess(job, { number: 2, index: 2, price: fair() + toNano('1') });

        expect(amounts).toMatchObject({ amount: toNano('3'), victim: toNano('1') });
    });

    it('of the same index, by other bytes, leaves what the large one is more', async () => {
        const { job } = market();
        const [first] = await excess(job, { price: fair() + 1n });
        later();

        const [{ amounts }] = await excess(job, { number: 2, price: fair() + toNano('1') });

        expect(first.amounts.victim).toBe(1n);
        expect(amounts.victim).toBe(toNano('1') - 1n);
        expect(amounts.amount + first.amounts.amount).toBeGreaterThanOrEqual(toNano('3'));
    });

    it('of the same result, by its counts alone, leaves what the result before it shows', async () => {
        const { job } = market();
        const before = job.result();
        const counts = { number: 2, index: 2, finishedAt: job.now };
        const large = { ...counts, price: fair() + 1n, cumulative: 2n * fair() + toNano('1') };
        const [first] = await excess(job, large);
        later();

        const [{ amounts }] = await excess(job, large, before);

        expect(first.amounts.victim + amounts.victim).toBe(toNano('1') - 1n);
    });

    it('shown again, no larger, takes nothing', async () => {
        const { job } = market();
        const body = job.report.excess(job.result({ price: fair() + toNano('1') }));
        await report(market(), 'excess', body);
        later();

        await expectNoSlash(market(), () => report(market(), 'excess', body));
    });

    it('shown again, no larger, is told as a duplicate of no slash', async () => {
        const { job, provider } = market();
        const body = job.report.excess(job.result({ price: fair() + toNano('1') }));
        await report(market(), 'excess', body);

        const again = await report(market(), 'excess', body);

        const told = transactionsOn(again, provider.address, (await job.dispute('A2')).address);
        expect(told.map(({ inMessage }) => readHistoryMessage(inMessage!.body))).toMatchObject([
            { name: 'CaseClosed', outcome: DUPLICATE, slash: 0n },
        ]);
    });
});

describe('A dummy A1 that a provider shows of itself', () => {
    it('in another job leaves the victims of the ended key what its share still bears', async () => {
        const dummy = await twice(jobOf(6), 0n);
        expect(dummy[0].amounts.amount).toBe(SHARE / 5n);
        expect((await market().node.getNodeState()).receiptKey).toBe(0n);

        const [{ amounts }] = await twice(market().job, toNano('1'));

        expect(amounts).toMatchObject({ amount: SHARE / 5n, victim: toNano('1') });
        expect((await market().node.getEndedKey(0n)).slashed).toBe((2n * SHARE) / 5n);
    });

    it('in the same job leaves what the real one lost more', async () => {
        const date = market().job.now;
        await twice(market().job, 0n);
        later();

        const [{ amounts }] = await twice(market().job, toNano('1'), date);

        expect(amounts).toMatchObject({ amount: toNano('2'), victim: toNano('1') });
    });

    it('counts once per job where nothing more was lost', async () => {
        const date = market().job.now;
        await twice(market().job, toNano('1'));
        later();

        expect(await twice(market().job, toNano('1'), date)).toEqual([]);
    });

    it('and as many as there are cost the key its share in sum, no more', async () => {
        const amounts: bigint[] = [];
        for (let byte = 10; byte < 15; byte++) {
            amounts.push((await twice(jobOf(byte), 0n))[0].amounts.amount);
        }

        expect(amounts.reduce((sum, amount) => sum + amount, 0n)).toBe(SHARE);
        expect((await market().node.getEndedKey(0n)).slashed).toBe(SHARE);
    });
});
