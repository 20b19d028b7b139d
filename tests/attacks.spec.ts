import { readFileSync } from 'node:fs';
import { judge, notStopped, TestOutcome, summary } from '../tooling/attacks';
import { attacksPage, PAGE } from '../tooling/attacksPage';
import { attacks, inapplicable, sources } from './attacks';
import { titlesIn } from './support/titles';

describe('Attacks', () => {
    it('each name one test that exists', () => {
        const names = new Map<string, RegExp[]>();
        for (const { file } of attacks) {
            names.set(file, names.get(file) ?? titlesIn(file));
        }

        const wrong = attacks.filter(
            ({ file, test }) => names.get(file)!.filter((name) => name.test(test)).length !== 1,
        );

        expect(wrong.map(({ file, test }) => `${file}: ${test}`)).toEqual([]);
    });

    it('are each listed once, with a test of their own', () => {
        for (const values of [
            attacks.map(({ attack }) => attack),
            attacks.map(({ file, test }) => `${file} ${test}`),
        ]) {
            expect(values.filter((value, i) => values.indexOf(value) !== i)).toEqual([]);
        }
    });

    it('try every weakness of Cocoon, or say why not', () => {
        const named = [...attacks, ...inapplicable].map(({ source }) => source).join('; ');
        const weaknesses = ['1b', ...Array.from({ length: 14 }, (_, i) => `${i + 1}`)];

        expect(weaknesses.filter((number) => !new RegExp(`Cocoon weakness ${number}\\b`).test(named))).toEqual([]);
    });

    it('come from sources that the page explains', () => {
        const starts = Object.keys(sources).map((name) => new RegExp(`^${name}\\b`));
        const parts = [...attacks, ...inapplicable].flatMap(({ source }) => source.split('; '));

        expect(parts.filter((part) => !starts.some((start) => start.test(part)))).toEqual([]);
    });

    it('are on the page that is generated from them by npm run generate', () => {
        expect(readFileSync(PAGE, 'utf8')).toBe(attacksPage());
    });
});

describe('npm run attacks', () => {
    const list = ['one', 'two', 'three', 'four'].map((test) => ({ ...attacks[0], file: 'a.spec.ts', test }));

    it('counts an attack as stopped only when its one test ran and passed', () => {
        const outcomes: TestOutcome[] = [
            { file: 'a.spec.ts', name: 'one', status: 'passed' },
            { file: 'a.spec.ts', name: 'two', status: 'failed' },
            { file: 'a.spec.ts', name: 'three', status: 'pending' },
            { file: 'b.spec.ts', name: 'four', status: 'passed' },
        ];

        const verdicts = judge(list, outcomes);

        expect(verdicts.map(({ outcome }) => outcome)).toEqual(['stopped', 'failed', 'skipped', 'missing']);
        expect(summary(verdicts)).toBe('4 attacks, 1 stopped, 1 skipped, 1 failed, 1 missing');
        expect(judge([list[0]], [outcomes[0], outcomes[0]])[0].outcome).toBe('missing');
    });

    it('names at its end what was not stopped', () => {
        const outcomes = list.map(({ file, test }) => ({ file, name: test, status: 'passed' }));
        outcomes[1].status = 'failed';

        expect(notStopped(judge(list, outcomes))).toEqual([`failed: ${list[1].attack} Test: a.spec.ts: two`]);
    });

    it('ends with one line when all were stopped', () => {
        const outcomes = list.map(({ file, test }) => ({ file, name: test, status: 'passed' }));

        expect(notStopped(judge(list, outcomes))).toEqual([]);
        expect(summary(judge(list, outcomes))).toBe('4 attacks, 4 stopped, 0 skipped');
    });
});
