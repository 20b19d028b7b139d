/** What receipts may cost is counted whole or not at all, so a bounce takes back no more than its message counted. */
import { errors, nodeChanges } from '@cocoon-market/wrappers';
import { toNano } from '@ton/core';
import { caseMarket } from '../support/cases';
import { listingWith, RATE } from '../support/stake';

const SMALL = { share: 2n * RATE, gpus: 2 };

/** A provider with a stake of 3.2e9 TON: what one raise counts is more than the limit. */
async function nearTheLimit() {
    const market = await caseMarket({ rates: [RATE, 10n ** 15n] });
    const { blockchain, provider, owner } = market;
    const via = owner.getSender();
    (await blockchain.getContract(owner.address)).balance = 4n * 10n ** 18n;
    const amount = 32n * 10n ** 17n;
    await provider.sendAddStake(via, { value: amount + toNano('1'), amount });
    const change = nodeChanges.hardware({ ...listingWith().hardware, gpuClass: 1, gpus: 3100 });
    const raise = (number: number, from: typeof SMALL) =>
        provider.sendReplaceHardware(via, { value: toNano('1'), number, codeVersion: 0, ...from, change });
    return { ...market, raise };
}

describe('What receipts of a version may cost', () => {
    it('is not raised beyond 2^64 - 1: the message is refused', async () => {
        const { provider, owner, raise } = await nearTheLimit();
        const before = await provider.getVersionShares(0n);

        const result = await raise(0, SMALL);

        expect(result.transactions).toHaveTransaction({
            from: owner.address,
            to: provider.address,
            exitCode: Number(errors.ErrWrongAmount),
        });
        expect(await provider.getVersionShares(0n)).toEqual(before);
    });

    it('stays what it was after raises of a node that does not exist, and a fault is slashed', async () => {
        const { provider, node, stranger, job, raise } = await nearTheLimit();
        const before = await provider.getVersionShares(0n);
        const { stake } = await provider.getProviderState();

        await raise(99, { share: 0n, gpus: 0 });
        await raise(99, { share: 30n * 10n ** 17n, gpus: 3000 });

        expect(await provider.getVersionShares(0n)).toMatchObject({ slashable: before.slashable });
        const report = job.report.twice(job.result(), job.result({ number: 1, index: 2 }));
        const value = (await node.getValuesFor(report)).twice;
        await node.sendReport(stranger.getSender(), { value, report });
        expect((await provider.getProviderState()).stake).toBeLessThan(stake);
    });
});
