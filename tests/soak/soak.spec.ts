import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { killsOf, randomOf, survivors, victims } from './plan';
import { type Sample, trendOf } from './samples';
import { soak } from './soak';

jest.setTimeout(300_000); // it starts many processes, however busy the machine

describe('The plan of a soak', () => {
    const plan = (seed: number) => killsOf(randomOf(seed), 600_000, 10_000);

    it('is the same for the same seed, and another for another', () => {
        expect(plan(1)).toEqual(plan(1));
        expect(plan(1)).not.toEqual(plan(2));
    });

    it('kills everything, and spares the gateway and a worker in the second half', () => {
        const kills = plan(1);
        expect(new Set(kills.map(({ victim }) => victim))).toEqual(new Set(victims));
        const late = kills.filter(({ at }) => at >= 300_000).map(({ victim }) => victim);
        expect(late.length).toBeGreaterThan(10);
        expect(late.filter((victim) => survivors.includes(victim))).toEqual([]);
    });
});

describe('The trend of a process', () => {
    const samples = (memoryOf: (i: number) => number, handlesOf: (i: number) => number): Sample[] =>
        Array.from({ length: 60 }, (_, i) => ({ at: i, pid: 1, memory: memoryOf(i), handles: handlesOf(i) }));
    const flat = () => 100 << 20;

    it.each([
        ['flat', samples(flat, () => 30), true],
        [
            'growing by 4 MiB a sample',
            samples(
                (i) => (100 + 4 * i) << 20,
                () => 30,
            ),
            false,
        ],
        ['growing by a handle a sample', samples(flat, (i) => 30 + i), false],
        [
            'growing in its first third only',
            samples(
                (i) => (100 + 5 * Math.min(i, 20)) << 20,
                () => 30,
            ),
            true,
        ],
    ])('%s', (_, all, isFlat) => {
        expect(trendOf(all).isFlat).toBe(isFlat);
    });
});

describe('A soak', () => {
    const folder = mkdtempSync(join(tmpdir(), 'soak-'));

    afterAll(() => rmSync(folder, { recursive: true }));

    it('has everything settled and nothing lost in the end, whatever was killed meanwhile', async () => {
        const say = () => undefined;
        const report = await soak({ minutes: 0.25, seed: 7, folder, apps: 3, killEveryMs: 3000, say });

        expect(report.checks.filter(({ breaches }) => breaches.length > 0)).toEqual([]);
        expect(report.load.answered).toBeGreaterThan(0);
        expect(report.checks.length).toBeGreaterThan(10);
    });
});
