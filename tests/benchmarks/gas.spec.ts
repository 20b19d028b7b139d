/** The figures of `npm run bench:gas`: true to the balances at every price level, and none changed unnoticed. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { changes, changeText, entryOf, figuresOf, latest, readHistory } from '../../benchmarks/history';
import { BOUNDS, creditUsed } from '../../benchmarks/batches';
import { LevelReport, reportOf, SECTIONS } from '../../benchmarks/report';
import { paymentStage } from '../../benchmarks/operations/payments';
import { CREDIT } from '../../benchmarks/scale/report';
import { reach } from '../../benchmarks/targets';
import { PriceLevel } from '../support/chain';

const HOW = 'to write them down: npm run bench:gas -- --record "what changed"';

describe('Figures of every operation', () => {
    const reports = new Map<PriceLevel, LevelReport>();
    const reportAt = (level: PriceLevel) => reports.get(level)!;

    beforeAll(async () => {
        for (const level of ['2025', '2026', 'tenfold'] as const) {
            reports.set(level, await reportOf(level));
        }
    }, 300_000);

    it.each(['2025', '2026', 'tenfold'] as const)('fees equal the drop in the balances, prices of %s', (level) => {
        const { operations, plain } = reportAt(level);
        const rows = [...Object.entries(operations), ...Object.entries(plain.operations)];

        expect(rows.filter(([, { conserved }]) => !conserved).map(([name]) => name)).toEqual([]);
        for (const [, { paid, fees }] of rows) {
            expect(Object.values(paid).reduce((sum, amount) => sum + amount, 0n)).toBe(fees);
        }
    });

    it.each(['2025', '2026', 'tenfold'] as const)('a job leaves nothing behind, prices of %s', (level) => {
        expect(reportAt(level).leftAfterJob).toBe(0n);
    });

    it('reach what they must, but for one that docs/decisions/002-gas.md explains', () => {
        const missed = reach(reportAt('2025')).filter(({ reached }) => !reached);

        expect(missed.map(({ row }) => row)).toEqual(["a payee's claim in the channel, over its floor"]);
    });

    it('lie above their floors', () => {
        const rows = Object.entries(reportAt('2025').operations);

        expect(rows.filter(([, { contractGas, floorGas }]) => contractGas <= floorGas).map(([name]) => name)).toEqual(
            [],
        );
    });

    it('are those of docs/contracts/dispute.md, which is right to a twentieth', () => {
        const page = readFileSync(join(__dirname, '..', '..', 'docs', 'contracts', 'dispute.md'), 'utf8');
        const rows = Array.from(page.matchAll(/^\| (.+?) +\| \w+ +\| +([\d.]+) \| +([\d.]+) \|$/gm));
        const said = new Map(rows.map(([, title, ...mTons]) => [title, mTons.map(Number)]));

        const steps = Object.entries(SECTIONS['Faults and cases']);
        expect([...said.keys()]).toEqual(steps.map(([, { title }]) => title));
        for (const [name, { title }] of steps) {
            const today = (['2025', '2026'] as const).map(
                (level) => Number(reportAt(level).operations[name].fees) / 1e6,
            );
            const away = said.get(title)!.map((figure, at) => Math.abs(figure / today[at] - 1));
            expect({ title, today, wrong: away.filter((part) => part > 0.05) }).toEqual({ title, today, wrong: [] });
        }
    });

    it('are those that docs/operations.md tells a deployer, to a twentieth and to its last digit', () => {
        const guide = readFileSync(join(__dirname, '..', '..', 'docs', 'operations.md'), 'utf8');
        const rows = Array.from(guide.matchAll(/^\|[^|]+\| `(\w+)` +\| ([\d.]+) +\| ([\d.]+) +\|/gm));

        const wrong = rows.flatMap(([, name, today, before]) =>
            [['2026', today, 0.00005] as const, ['2025', before, 0.0005] as const]
                .map(([level, said, rounded]) => ({ name, level, said: Number(said), rounded }))
                .map((row) => ({ ...row, is: Number(reportAt(row.level).operations[name].fees) / 1e9 }))
                .filter(({ said, is, rounded }) => Math.abs(said - is) > is * 0.05 + rounded),
        );
        expect(rows.length).toBeGreaterThan(10);
        expect(wrong).toEqual([]);
    });

    it('count the gas that an order of any size uses until it is accepted, as docs/scale.md does', async () => {
        const { open1, open2, open3, open4 } = await creditUsed(await paymentStage('2025', { library: true }));

        expect([open1, open2, open3, open4]).toEqual(Array(4).fill(CREDIT.used));
        expect(BOUNDS.credit).toBe(CREDIT.lent);
    });

    it('are those of the newest entries of benchmarks/gas.json', () => {
        const changed = changes(latest(readHistory()), figuresOf(reportAt('2025'), reportAt('2026')));

        expect(changed.length === 0 ? [] : [...changed.map(changeText), HOW]).toEqual([]);
    });
});

describe('The history of figures', () => {
    const figures = {
        gas: { claim: 9000, open: 8000 },
        fees: { claim: 5 },
        fees2026: { claim: 1 },
        floors: {},
        cells: { Channel: 20 },
        bits: {},
    };
    const first = entryOf(changes(latest([]), figures), '2026-11-22', 'first');

    it('begins with all figures, and goes on with those that changed', () => {
        const today = { ...figures, gas: { claim: 8900, open: 8000 }, bits: { Channel: 3000 } };

        const next = entryOf(changes(latest([first]), today), '2026-11-23', 'cheaper claims');

        expect(next).toEqual({
            date: '2026-11-23',
            reason: 'cheaper claims',
            gas: { claim: 8900 },
            bits: { Channel: 3000 },
        });
        expect(latest([first, next])).toEqual(today);
    });

    it('takes away what is measured no more', () => {
        const today = { ...figures, gas: { claim: 9000 } };

        const next = entryOf(changes(latest([first]), today), '2026-11-23', 'orders of one job only');

        expect(next.gas).toEqual({ open: null });
        expect(latest([first, next])).toEqual(today);
    });

    it('has a date and a reason in every entry, in the order of dates', () => {
        const history = readHistory();

        for (const { date, reason } of history) {
            expect(date).toMatch(/^\d{4}-\d{2}-\d{2}$/);
            expect(reason.length).toBeGreaterThan(0);
        }
        expect(history.map(({ date }) => date)).toEqual(history.map(({ date }) => date).sort());
    });
});
