/** The benchmark of gateway and worker runs, and what it counts is within its bounds. Speed is not measured here. */
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { textOf } from '../../benchmarks/offchain/backend';
import { endAll } from '../../demo/processes';
import { entryOf, readOffchain } from '../../benchmarks/offchain/history';
import { load } from '../../benchmarks/offchain/load';
import { turnOf } from '../../benchmarks/offchain/measure';
import { readSpeedPage, speedPageWith } from '../../benchmarks/offchain/page';
import { ratiosOf } from '../../benchmarks/offchain/report';
import { runBench } from '../../benchmarks/offchain/run';
import { offchainText } from '../../benchmarks/offchain/table';
import { offchainTargets, reachOffchain } from '../../benchmarks/offchain/targets';

describe('The benchmark of gateway and worker', () => {
    afterAll(endAll); // after a test that was too slow

    it('measures everyone, and counts commits and bytes of a stream', async () => {
        const report = await runBench({ rounds: 1, scale: 0.02, openJobs: [1, 50], paceMs: 1, say: () => undefined });

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
        expect(Object.keys(report.query.cpuMsBy)).toEqual(['gateway', 'worker']);
        expect(report.query.commits.worker).toBeGreaterThan(0);
        const { measured: stored } = entryOf(report, 'a test');
        expect(stored!.perStream.commits.gateway).toBeCloseTo(report.perStream.commits.gateway, 2);
        expect(stored!.vouchers).toHaveLength(2);
        expect(Object.keys(ratiosOf(report))).toEqual(
            expect.arrayContaining(['paidOverPlainAt32', 'vouchersOverVerified']),
        );
        expect(offchainText(report)).toContain('must ≥ 0.5');
    }, 240_000);

    it('has a history whose entries say why, and what they measured', () => {
        const names = offchainTargets.map(({ ratio }) => ratio);
        for (const { reason, date, rounds } of readOffchain()) {
            expect(reason).not.toBe('');
            expect(date).toMatch(/^\d{4}-\d{2}-\d{2}$/);
            expect(rounds).toBeGreaterThanOrEqual(3);
        }
        for (const { ratios } of readOffchain().filter(({ measured }) => measured !== undefined)) {
            expect(Object.keys(ratios)).toEqual(expect.arrayContaining(names));
        }
    });

    it('has its newest figures in the decision about speed, each with whether it is reached', () => {
        const page = readSpeedPage();

        expect(page).toBe(speedPageWith(page, readOffchain().at(-1)!));
        expect(page).toMatch(/^\| paid streams over plain, 32 at once .*\| +(yes|no) \|$/m);
    });

    it('lets each contestant begin a round in turn', () => {
        const rounds = [0, 1, 2, 3].map((round) => turnOf(['ours', 'plain', 'portkey'], round).join(' '));

        expect(rounds).toEqual([
            'ours plain portkey',
            'plain portkey ours',
            'portkey ours plain',
            'ours plain portkey',
        ]);
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

describe('Answers that are compared', () => {
    let server: Server;
    let content = '';
    beforeAll(async () => {
        server = createServer((_, response) => response.end(JSON.stringify({ choices: [{ message: { content } }] })));
        await once(server.listen(0, '127.0.0.1'), 'listening');
    });
    afterAll(() => server.close());

    const ask = async (text: string) => {
        content = text;
        const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`;
        return load({ url, concurrency: 1, requests: 1, chunks: 3, stream: false });
    };

    it('have the text of the model server', async () => {
        expect(textOf(3)).toBe(' word1 word2 word3');
        await expect(ask(' word1 word2 word3')).resolves.toMatchObject({ firstTokenMs: [expect.any(Number)] });
    });

    it.each([' word1 word3 word2', ' word1 word1 word3', ' word1 word2', ' word1 word2 word3 '])(
        'are refused when they are "%s"',
        async (text) => {
            await expect(ask(text)).rejects.toThrow('not the 3 words');
        },
    );
});
