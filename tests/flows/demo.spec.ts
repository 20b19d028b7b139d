/** `npm run demo` as a newcomer varies it. */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { program } from '../../tooling/programs';

const ROOT = join(__dirname, '../..');

jest.setTimeout(180_000);

const demo = (...args: string[]) =>
    spawnSync(process.execPath, [program('demo'), ...args], {
        cwd: ROOT,
        encoding: 'utf8',
    });

describe('The demo', () => {
    it('ends with one query, whose price is worth its claim, and every nanoTON accounted for', () => {
        const { status, stdout, stderr } = demo('--queries', '1', '--json');

        expect([status, stderr]).toEqual([0, '']);
        const report = JSON.parse(stdout) as { queries: number; paid: number; letGo: number; conserved: boolean };
        expect(report).toMatchObject({ queries: 1, letGo: 0, conserved: true });
        expect(report.paid).toBeGreaterThan(1_600_000); // nanoTON: what a last claim costs at these prices
    });

    it.each([
        [['--queries', '0'], '--queries is a number from 1 to 1000, not "0"'],
        [['--prices', 'tenfold'], '--prices is one of 2025, 2026, not "tenfold"'],
        [['--query', '1'], "Unknown option '--query'"],
        [['hello'], "Unexpected argument 'hello'"],
    ])('refuses %j with exit code 1 and the reason', (args, reason) => {
        const { status, stdout, stderr } = demo(...args);

        expect([status, stdout]).toEqual([1, '']);
        expect(stderr).toContain(reason);
    });
});
