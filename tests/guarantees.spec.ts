import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { guaranteesOfReadme, guaranteesPage, PAGE } from '../tooling/guaranteesPage';
import { tables } from './access';
import { guarantees, NamedTest } from './guarantees';
import { properties } from './smt/properties';
import { titlesIn } from './support/titles';

const ROOT = join(__dirname, '..');
const all = Object.values(guarantees);

describe('The page of guarantees', () => {
    it('has every guarantee of the README, and no other', () => {
        const numbers = [...guaranteesOfReadme().keys()];

        expect(Object.keys(guarantees).map(Number)).toEqual(numbers);
        expect(numbers.length).toBeGreaterThan(7);
    });

    it('names for each guarantee a test of each of its parts, and no test twice', () => {
        const named = all.flatMap(({ parts }) => parts.flatMap(({ tests }) => tests));
        const repeated = (values: string[]) => values.filter((value, i) => values.indexOf(value) !== i);

        expect(all.filter(({ parts }) => parts.length === 0)).toEqual([]);
        expect(all.flatMap(({ parts }) => parts).filter(({ tests }) => tests.length === 0)).toEqual([]);
        expect(repeated(named.map(({ file, test }) => `${file} ${test}`))).toEqual([]);
    });

    it('names tests that exist, by titles that are theirs alone', () => {
        const named = all.flatMap(({ parts }) => parts.flatMap(({ tests }) => tests));
        const titles = new Map<string, RegExp[]>();
        named.forEach(({ file }) => titles.set(file, titles.get(file) ?? titlesIn(file)));
        const exists = ({ file, test }: NamedTest) =>
            titles.get(file)!.filter((title) => title.test(test)).length === 1;

        expect(named.filter((each) => !exists(each))).toEqual([]);
    });

    it('names rows of the access table that exist', () => {
        const rows = new Map(tables.map(({ contract, rows: each }) => [contract, Object.keys(each)]));
        const missing = all.flatMap(({ access }) =>
            Object.entries(access).flatMap(([contract, messages]) =>
                messages.filter((message) => {
                    const own = rows.get(contract) ?? [];
                    return !own.some((row) => row === message || row.startsWith(`${message}: `));
                }),
            ),
        );

        expect(missing).toEqual([]);
    });

    it('names properties that are proved', () => {
        const proved = all.flatMap((guarantee) => guarantee.proved);

        expect(proved.filter((text) => !properties.some(({ says }) => says === text))).toEqual([]);
    });

    it('names predicates that their files have, and functions that somebody calls', () => {
        const missing = all.flatMap(({ watched }) =>
            Object.entries(watched).flatMap(([file, names]) => {
                const path = join(ROOT, file);
                const source = readFileSync(path, 'utf8');
                const beside = readdirSync(dirname(path)).filter((name) => /(?<!\.spec)\.ts$/.test(name));
                const texts = beside.map((name) => readFileSync(join(dirname(path), name), 'utf8')).join('\n');
                const isCalled = (name: string) => texts.split(new RegExp(`(?<!function )\\b${name}\\(`)).length > 1;
                const exists = (name: string) =>
                    source.includes(`'${name}'`) || (source.includes(`function ${name}(`) && isCalled(name));
                return names.filter((name) => !exists(name));
            }),
        );

        expect(missing).toEqual([]);
    });

    it('is what npm run generate makes of the list', () => {
        expect(readFileSync(PAGE, 'utf8')).toBe(guaranteesPage());
    });
});
