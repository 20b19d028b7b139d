/** The benchmark of gateway and worker runs, and what it counts is within its bounds. Speed is not measured here. */
import { endAll } from '../../demo/processes';
import { readOffchain } from '../../benchmarks/offchain/history';
import { ratiosOf } from '../../benchmarks/offchain/report';
import { runBench } from '../../benchmarks/offchain/run';
import { offchainText } from '../../benchmarks/offchain/table';
import { offchainTargets, reachOffchain } from '../../benchmarks/offchain/targets';

describe('The benchmark of gateway and worker', () => {
    afterAll(endAll); // after a test that was too slow

    it('measures everyone, and counts commits and bytes of a stream', async () => {
        const report = await runBench({ rounds: 1, scale: 0.02, openJobs: [1, 50], say: () => undefined });

        const [streams, ...others] = report.cases;
        const measured = streams.rows.map(({ contestant, concurrency }) => `${contestant} ${concurrency}`);
        expect(measured).toEqual(expect.arrayContaining(['ours 1', 'plain 1', 'ours 8', 'ours 32', 'plain 32']));
        expect(others).toHaveLength(2);
        const rows = report.cases.flatMap((one) => one.rows);
        expect(rows.filter(({ perSecond, cpuMs }) => !(perSecond.min > 0 && cpuMs.min >= 0))).toEqual([]);

        // With each stream: number and voucher, ending; accept and voucher, result. A slow machine posts the vouchers,
        // which is one more at both, and now and then either stores something else.
        expect(report.perStream.commits.gateway).toBeLessThan(3.5);
        expect(report.perStream.commits.worker).toBeLessThan(3.5);
        expect(report.perStream.wireBytesPerToken).toBeLessThan(110);
        expect(report.vouchers.map(({ jobs }) => jobs)).toEqual([1, 50]);
        expect(Object.keys(ratiosOf(report))).toEqual(
            expect.arrayContaining(['paidOverPlainAt32', 'vouchersOverVerify']),
        );
        expect(offchainText(report)).toContain('must ≥ 0.5');
    }, 240_000);

    it('has a history whose entries say why, and what they measured', () => {
        const names = offchainTargets.map(({ ratio }) => ratio);
        for (const { reason, date, ratios, rounds } of readOffchain()) {
            expect(reason).not.toBe('');
            expect(date).toMatch(/^\d{4}-\d{2}-\d{2}$/);
            expect(rounds).toBeGreaterThanOrEqual(3);
            expect(Object.keys(ratios)).toEqual(expect.arrayContaining(names));
        }
    });

    it.each([
        [{ paidOverPlainAt32: 0.5 }, true],
        [{ paidOverPlainAt32: 0.499 }, false],
        [{}, false],
    ])('reaches a number to reach with %p: %p', (ratios, expected) => {
        const target = reachOffchain(ratios).find(({ ratio }) => ratio === 'paidOverPlainAt32');
        expect(target?.reached).toBe(expected);
    });

    it.each([
        [{ addedFirstTokenMs: 4 }, true],
        [{ addedFirstTokenMs: 4.01 }, false],
    ])('reaches a number not to exceed with %p: %p', (ratios, expected) => {
        const target = reachOffchain(ratios).find(({ ratio }) => ratio === 'addedFirstTokenMs');
        expect(target?.reached).toBe(expected);
    });
});
