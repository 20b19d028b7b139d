/** A node whose receipts have cost all that they may is struck for silence all the same. */
import { toNano } from '@ton/core';

import { caseMarket, NodeJob, report, slashesIn, useCases } from '../support/cases';
import { DAY, pairOf, RATE } from '../support/stake';

const SHARE = 2n * RATE;
const market = useCases(() => caseMarket());

/** A job by the node's key, all of whose share one report may ask for. */
function jobOf(byte: number): NodeJob {
    const receiptKey = pairOf('receipt');
    const terms = { receiptKey: receiptKey.publicKey, step: SHARE };
    const job = new NodeJob(market(), Buffer.alloc(32, byte), market().victim.address, terms);
    return Object.assign(job, { receiptKey });
}

async function decide(job: NodeJob) {
    const dispute = await job.dispute('A3');
    const value = await dispute.getCloseValue();
    return dispute.sendDecide(market().stranger.getSender(), { value });
}

it('A provider that uses up its own share before three demands are decided goes to jail by them', async () => {
    const { provider } = market();
    const jobs = [1, 2, 3].map(jobOf);
    for (const job of jobs) {
        await report(market(), 'demand', job.report.demand(job.accept()));
    }
    const price = toNano('1000');
    const own = jobOf(4);
    const forged = await report(market(), 'excess', own.report.excess(own.result({ price, cumulative: price })));
    expect(slashesIn(forged).map(({ amounts }) => amounts.amount)).toEqual([SHARE]);
    market().blockchain.now! += DAY + 1;

    for (const job of jobs) {
        await decide(job);
    }

    expect(await provider.getStanding()).toMatchObject({ strikes: 3n, cases: 0n, frozen: 0n });
    expect((await provider.getStanding()).jailedUntil).toBeGreaterThan(0n);
});
