/** What can be told without running the mutants of `npm run mutate:off-chain`. */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

const root = join(__dirname, '../..');

/** What `expression` gives beside these modules, which jest does not load. */
function evaluate(expression: string): unknown {
    const code = `import { readFileSync } from 'node:fs';
        import * as report from ${JSON.stringify(join(__dirname, 'report.mjs'))};
        console.log(JSON.stringify(${expression}));`;
    const args = ['--no-warnings', '--input-type=module', '-e', code];
    return JSON.parse(execFileSync(process.execPath, args, { cwd: root, encoding: 'utf8' }));
}

const source = 'const a = 1;\n    if (a > b) {\n';
const report = (...statuses: string[]) => ({
    files: {
        'a.ts': {
            source,
            mutants: statuses.map((status) => ({
                ...{ status, mutatorName: 'ConditionalExpression', replacement: 'true' },
                location: { start: { line: 2, column: 9 }, end: { line: 2, column: 14 } },
            })),
        },
    },
});

const mutant = {
    ...{ file: 'a.ts', mutator: 'ConditionalExpression', line: 'if (a > b) {', original: 'a > b', replacement: 'true' },
};
const score = (listed: object[], ...statuses: string[]) =>
    evaluate(`report.scoreOf(report.mutantsOf(${JSON.stringify(report(...statuses))}), ${JSON.stringify(listed)})`);

describe('Mutants off chain', () => {
    it('are counted as killed or alive, and a survivor fails the run unless it is listed', () => {
        const killed = Array<string>(38).fill('Killed');

        expect(score([], ...killed, 'Timeout', 'Survived', 'Ignored')).toEqual({
            ...{ killed: 39, survived: 1, percent: 97.5, passed: false },
            unlisted: [{ status: 'Survived', ...mutant }],
        });
        expect(score([mutant], ...killed, 'Timeout', 'Survived')).toMatchObject({ unlisted: [], passed: true });
    });

    it('fail the run when fewer than 95 % are killed, even if all survivors are listed', () => {
        const killed = Array<string>(18).fill('Killed');

        expect(score([mutant], ...killed, 'NoCoverage')).toMatchObject({ percent: (100 * 18) / 19, passed: false });
        expect(score([mutant])).toMatchObject({ percent: 0, passed: false });
    });

    it('that survived while a file was loaded are run again, as no test is known to reach them', () => {
        const { files } = report('Survived', 'Survived', 'NoCoverage', 'Killed');
        const mutants = files['a.ts'].mutants.map((each, i) => ({ ...each, static: i > 0 }));
        const stored = { files: { 'a.ts': { source, mutants } }, testFiles: {} };

        expect(evaluate(`report.withoutStaticSurvivors(${JSON.stringify(stored)})`)).toEqual({
            ...stored,
            files: { 'a.ts': { source, mutants: [mutants[0], mutants[3]] } },
        });
    });

    it('that are listed as survivors have a reason, and their line is still in its file', () => {
        const listed = JSON.parse(readFileSync(join(__dirname, 'survivors.json'), 'utf8')) as object[];
        const stale = (list: object[]) =>
            evaluate(`report.staleEntries(${JSON.stringify(list)}, (file) => readFileSync(file, 'utf8'))`);

        expect(stale(listed)).toEqual([]);
        const known = { ...mutant, file: 'offchain/payer/ledger.ts', line: 'export class Ledger {' };
        expect(stale([{ ...known, reason: 'why' }, known, { ...known, reason: 'why', line: 'gone' }])).toHaveLength(2);
    });
});
