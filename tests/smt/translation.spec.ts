/**
 * The translation of the contracts' money arithmetic: it quotes the lines that exist, and the properties hold for
 * inputs at random. `npm run prove` asks a solver whether they hold for all.
 */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { RUNS, SEED } from './compare';
import { bigints } from './numbers';
import { mutated, properties } from './properties';
import { basisPoints, expressions, functions, lines, MAX_REWARD, REWARD_BASIS_POINTS } from './translation';

const ROOT = join(__dirname, '..', '..');

const sourceOf = (file: string) => readFileSync(join(ROOT, file), 'utf8');

/** The code of a function without comments and line ends, to its last brace. */
function functionIn(file: string, starts: string): string {
    const source = sourceOf(file);
    const from = source.indexOf(starts);
    const indent = /^ */.exec(starts)![0];
    const to = source.indexOf(`\n${indent}}\n`, from);
    return from < 0 || to < 0
        ? ''
        : source
              .slice(from, to)
              .replace(/\/\/.*$/gm, '')
              .replace(/\s+/g, ' ');
}

describe('The translation', () => {
    it.each(Object.entries(lines))('quotes a line of the contracts for %s', (_, { file, text }) => {
        expect(sourceOf(file)).toContain(text);
    });

    it.each(Object.entries(functions))('is of %s as it is, with nothing added', (_, { file, starts, sha256 }) => {
        const text = functionIn(file, starts);

        expect({ text, sha256: createHash('sha256').update(text).digest('hex') }).toEqual({ text, sha256 });
    });

    it('quotes only lines of those functions', () => {
        const texts = Object.values(functions).map(({ file, starts }) => functionIn(file, starts));
        const loose = Object.values(lines).filter(({ text }) => !texts.some((each) => each.includes(text)));

        expect(loose).toEqual([]);
    });

    it('has the constants of slashes and rewards', () => {
        const source = sourceOf('contracts/protocol/faults.tact');

        expect(source).toContain(`const RewardBasisPoints: Int = ${REWARD_BASIS_POINTS};`);
        const points = { A1: 'Twice', A2: 'Excess', A3: 'Silent', B1: 'Wrong' };
        for (const [faultClass, name] of Object.entries(points)) {
            const [first, repeat] = basisPoints[faultClass as keyof typeof points];
            expect(source).toContain(`const ${name}First: Int = ${first};`);
            expect(source).toContain(`const ${name}Repeat: Int = ${repeat};`);
        }
        expect(source).toContain('const ExcessTimes: Int = 3;');
        expect(source).toContain('const SilentTimes: Int = 2;');
        expect(source).toContain(`const MaxReward: Int = ${MAX_REWARD / 10n ** 9n} * 1000000000;`);
    });
});

describe('The properties', () => {
    it.each(properties)('hold for inputs at random: $says', ({ inputs, of }) => {
        const ranges = Object.entries(inputs).map(([name, [min, max]]) => [name, fc.bigInt({ min, max })]);

        fc.assert(
            fc.property(fc.record(Object.fromEntries(ranges) as Record<string, fc.Arbitrary<bigint>>), (v) => {
                const { assumed, holds } = of(bigints, v, expressions);
                return !assumed || holds;
            }),
            { seed: SEED, numRuns: RUNS * 3 },
        );
    });

    it('each have a mutant, which changes one line', () => {
        const without = properties.filter(({ mutants }) => mutants.length === 0);
        const changed = properties.flatMap(({ mutants }) =>
            mutants.map((mutant) => {
                const others = Object.entries(mutated(mutant)).filter(
                    ([name, is]) => expressions[name as keyof typeof lines] !== is,
                );
                return others.length;
            }),
        );

        expect(without).toEqual([]);
        expect(changed.filter((count) => count !== 1)).toEqual([]);
    });
});
