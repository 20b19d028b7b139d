/** A2: results that bill too much. */
import { toNano } from '@ton/core';

import { errors } from '@cocoon-market/wrappers';
import { priceOf } from '../../wrappers/price';
import {
    aside,
    caseMarket,
    expectRejected,
    expectSlashed,
    expectNoSlash,
    NodeJob,
    partsOf,
    report,
    slashesIn,
    useCases,
} from '../support/cases';
import { expectRefused } from '../support/chain';
import { expectSolvent, HOUR, RATE } from '../support/stake';

const SHARE = 2n * RATE;
const EVIDENCE = 120 * HOUR;
const market = useCases(() => caseMarket());
const { ErrNoFault, ErrExpired, ErrTooEarly, ErrLowValue, ErrMalformed, ErrNoShare, ErrBadSignature, ErrWrongJob } =
    errors;
const valuesOf = () => market().node.getReportValues(0n, 0n);
const COUNTS = { prompt: 1000, cached: 0, completion: 500, reasoning: 0 };
const fair = () => priceOf(COUNTS, market().job.terms.rates);

describe('ReportExcess', () => {
    it.each([
        ['a price above its counts', () => market().job.result({ price: fair() + 1n })],
        ['a cumulative above the price at index 1', () => market().job.result({ cumulative: fair() + 1n })],
    ])('takes %s by a nanoTON, and refuses it without', async (_, result) => {
        const { job } = market();

        await expectRejected(market(), 'excess', job.report.excess(job.result()), ErrNoFault);
        const sent = await report(market(), 'excess', job.report.excess(result()));

        expect(slashesIn(sent)).toMatchObject([
            { class: 2, node: 0, amounts: { amount: (await valuesOf()).minSlash, victim: 1n } },
        ]);
    });

    it('counts tokens of every kind at their rates, to the nanoTON', async () => {
        const { job } = market();
        const all = { prompt: 1000, cached: 400, completion: 500, reasoning: 700 };
        const price = priceOf(all, job.terms.rates);

        await expectRejected(market(), 'excess', job.report.excess(job.result({ ...all, price })), ErrNoFault);
        const more = job.result({ ...all, price: price + 1n });
        expect(slashesIn(await report(market(), 'excess', job.report.excess(more)))).toHaveLength(1);
    });

    it('counts a hundred million tokens at their rate, to the nanoTON', async () => {
        const { job } = market();
        const result = (more: bigint) => {
            const price = 100n * job.terms.rates.prompt + more; // a rate is for a million
            return job.result({ prompt: 100_000_000, cached: 0, completion: 0, reasoning: 0, price });
        };

        await expectRejected(market(), 'excess', job.report.excess(result(0n)), ErrNoFault);
        expect(slashesIn(await report(market(), 'excess', job.report.excess(result(1n))))).toHaveLength(1);
    });

    it('takes a cumulative above that of the result before by a nanoTON, and refuses it without', async () => {
        const { job } = market();
        const second = (more: bigint) => job.result({ number: 2, index: 2, cumulative: 2n * fair() + more });

        await expectRejected(market(), 'excess', job.report.excess(second(0n), job.result()), ErrNoFault);
        expect(slashesIn(await report(market(), 'excess', job.report.excess(second(1n), job.result())))).toHaveLength(
            1,
        );
    });

    it('takes a price above the ceiling of its accept by a nanoTON, and refuses it without', async () => {
        const { job } = market();
        const accept = (less: bigint) => job.accept({ ceiling: fair() - less });

        await expectRejected(market(), 'excess', job.report.excess(job.result(), accept(0n)), ErrNoFault);
        expect(slashesIn(await report(market(), 'excess', job.report.excess(job.result(), accept(1n))))).toHaveLength(
            1,
        );
    });

    it.each([
        ['the accept of another query', () => market().job.accept({ number: 2, ceiling: 1n }), ErrNoFault],
        ['a result that is not the one before', () => market().job.result({ number: 2, index: 2 }), ErrNoFault],
        ['the result itself', () => market().job.result({ cumulative: toNano('1') }), ErrNoFault],
        ['a fail', () => market().job.fail(), ErrMalformed],
    ])('refuses %s beside it', async (_, beside, exitCode) => {
        const { job } = market();

        await expectRejected(
            market(),
            'excess',
            job.report.excess(job.result({ cumulative: toNano('1') }), beside()),
            exitCode,
        );
    });

    it('refuses a cumulative far above the price at any other index, which proves nothing alone', async () => {
        const { job } = market();

        await expectRejected(
            market(),
            'excess',
            job.report.excess(job.result({ index: 2, cumulative: toNano('1') })),
            ErrNoFault,
        );
    });

    it('refuses receipts of another job or key beside it', async () => {
        const { job, victim } = market();
        const other = new NodeJob(market(), Buffer.alloc(32, 6), victim.address);
        const result = job.result({ number: 2, index: 2, cumulative: toNano('1') });

        await expectRejected(market(), 'excess', job.report.excess(result, other.result()), ErrWrongJob);
        await expectRejected(market(), 'excess', job.report.excess(result, other.accept()), ErrWrongJob);
        await expectRejected(
            market(),
            'excess',
            job.report.excess(result, job.result({}, job.voucherKey)),
            ErrBadSignature,
        );
    });

    it('slashes three times the excess where that is more than the least, and pays the excess back', async () => {
        const { job } = market();
        const excess = toNano('1');
        const body = job.report.excess(job.result({ price: fair() + excess }));

        await expectSlashed(
            market(),
            () => report(market(), 'excess', body),
            partsOf(3n * excess, excess, (await valuesOf()).cost),
        );
        await expectSolvent(market());
    });

    it('takes no more than the share, half of which goes to the victim', async () => {
        const { job, node } = market();
        const body = job.report.excess(job.result({ price: (1n << 64n) - 1n }));

        const parts = partsOf(SHARE, 1n << 64n, (await valuesOf()).cost);
        await expectSlashed(market(), () => report(market(), 'excess', body), parts);

        expect(parts.victim).toBe(SHARE / 2n);
        expect((await node.getNodeRecord()).excessAt).toBe(BigInt(market().blockchain.now!));
        expect((await node.getEndedKey(0n)).slashed).toBe(SHARE);
        const more = new NodeJob(market(), Buffer.alloc(32, 6), market().victim.address);
        await expectRejected(market(), 'excess', more.report.excess(more.result({ price: toNano('1') })), ErrNoShare);
    });

    it('counts once per index of a result: a second report finds the first, and comes back with its value', async () => {
        const { job, node, stranger, provider } = market();
        await report(market(), 'excess', job.report.excess(job.result({ price: toNano('1') })));
        const before = await node.getNodeRecord();
        market().blockchain.now! += HOUR;
        const other = job.result({ number: 9, price: toNano('0.9') });
        const value = toNano('2');

        const at = await stranger.getBalance();
        await expectNoSlash(market(), () => report(market(), 'excess', job.report.excess(other), { value }));

        expect(at - (await stranger.getBalance())).toBeLessThan(toNano('0.25'));
        expect(await node.getNodeRecord()).toEqual(before);
        expect((await provider.getStanding()).frozen).toBe(0n);
    });

    it('takes a twentieth at least for receipts dated after the last slash, however often an older fault is shown again', async () => {
        const { blockchain, victim } = market();
        const jobs = [6, 7, 8].map((byte) => new NodeJob(market(), Buffer.alloc(32, byte), victim.address));
        const excess = (job: NodeJob, finishedAt: number) =>
            job.report.excess(job.result({ price: fair() + 1n, finishedAt }));
        const slashedAt = blockchain.now!;
        await report(market(), 'excess', excess(jobs[0], slashedAt));
        blockchain.now! += HOUR;
        await report(market(), 'excess', excess(jobs[0], slashedAt));
        await report(market(), 'excess', excess(jobs[0], slashedAt));
        const amountOf = async (job: NodeJob, date: number) =>
            slashesIn(await report(market(), 'excess', excess(job, date)))[0].amounts.amount;
        const { minSlash: least } = await valuesOf();
        const twentieth = SHARE / 20n;
        const repeat = twentieth > least ? twentieth : least;

        expect(await amountOf(jobs[2], slashedAt + 1)).toBe(repeat);
        expect(await amountOf(jobs[1], slashedAt)).toBe(least);
    });

    it('counts until the last second of its window, and from its date on', async () => {
        const { job, blockchain } = market();
        const date = blockchain.now! + 10;
        const body = job.report.excess(job.result({ price: toNano('1'), finishedAt: date }));

        blockchain.now = date - 1;
        await expectRejected(market(), 'excess', body, ErrTooEarly);
        await aside(market(), date + EVIDENCE + 1, () => expectRejected(market(), 'excess', body, ErrExpired));
        blockchain.now = date + EVIDENCE;
        expect(slashesIn(await report(market(), 'excess', body))).toHaveLength(1);
    });

    it('comes back with its value when the code is not the one the provider follows', async () => {
        const { job, node, codes, stranger, provider } = market();
        const wrong = { ...market(), codes: { ...codes, dispute: codes.node } };
        const body = new NodeJob(wrong, job.channel, market().victim.address).report.excess(
            job.result({ price: toNano('1') }),
        );
        const at = await stranger.getBalance();

        await expectNoSlash(market(), () => report(market(), 'excess', body, { value: toNano('2') }));

        expect(at - (await stranger.getBalance())).toBeLessThan(toNano('0.3'));
        expect((await node.getNodeRecord()).slashed).toBe(0n);
        expect((await provider.getStanding()).frozen).toBe(0n);
        expect(
            slashesIn(await report(market(), 'excess', job.report.excess(job.result({ price: toNano('1') })))),
        ).toHaveLength(1);
    });

    it('refuses a value far below its own', async () => {
        const { job } = market();
        const body = job.report.excess(job.result({ price: toNano('1') }));
        const { excess } = await market().node.getValuesFor(body);

        await expectRejected(market(), 'excess', body, ErrLowValue, { value: (excess * 9n) / 10n });
    });

    it('leaves a tombstone that is closed, guilty, and can be cleared a month later', async () => {
        const { job, blockchain, stranger } = market();
        const body = job.report.excess(job.result({ price: toNano('1') }));
        await report(market(), 'excess', body);
        const dispute = await job.dispute('A2', 1);

        expect(await dispute.getCaseState()).toMatchObject({
            state: 2n,
            outcome: 1n,
            clearAt: BigInt(blockchain.now! + 31 * 24 * HOUR),
            bond: 0n,
        });
        blockchain.now! += 31 * 24 * HOUR - 1;
        const early = await dispute.sendClear(stranger.getSender(), { value: toNano('0.1') });
        expectRefused(early, { to: dispute.address, exitCode: ErrTooEarly });
        blockchain.now! += 1;
        const before = await stranger.getBalance();
        await dispute.sendClear(stranger.getSender(), { value: toNano('0.1') });
        expect((await blockchain.getContract(dispute.address)).accountState?.type ?? 'uninit').toBe('uninit');
        expect(await stranger.getBalance()).toBeGreaterThan(before - toNano('0.01'));
    });
});
