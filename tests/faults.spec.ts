/** The table of fault classes against the contracts' constants, and the reports, bonds and outcomes that it names. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import {
    caseOutcomes,
    faultClassCodes,
    faultClasses,
    faultClassOf,
    faultOutcomes,
    isJudged,
    liabilityRules,
    reports,
} from '@cocoon-market/wrappers';

// Those whose value is a plain number.
const folder = join(__dirname, '..', 'contracts', 'protocol');
const source = readdirSync(folder)
    .map((file) => readFileSync(join(folder, file), 'utf8'))
    .join('\n');
const found = [...source.matchAll(/^const (\w+): Int = (\d+);/gm)].map(
    ([, name, value]) => [name, BigInt(value)] as const,
);
const constants: Record<string, bigint | undefined> = Object.fromEntries(found);
const capital = (name: string) => name[0].toUpperCase() + name.slice(1);

/** The constants whose names begin so and go on with one word, by that word. */
function constantsOf(prefix: string): Record<string, bigint> {
    const named = found.filter(([name]) => new RegExp(`^${prefix}[A-Z][a-z]+$`).test(name));
    return Object.fromEntries(named.map(([name, value]) => [name.slice(prefix.length), value]));
}

describe('The table of fault classes', () => {
    it('has each class of the contracts once, by its number and name', () => {
        const rows = Object.values(faultClasses).map(({ name, number }) => [capital(name), BigInt(number)]);

        expect(Object.fromEntries(rows)).toEqual(constantsOf('Class'));
        expect(faultClassCodes.map((code) => faultClassOf(BigInt(faultClasses[code].number)))).toEqual(faultClassCodes);
        expect(faultClassOf(0n)).toBeUndefined();
    });

    it.each(faultClassCodes)('has the shares and factors of %s', (code) => {
        const { name, share, lossTimes } = faultClasses[code];

        expect(share.first).toBe(constants[`${capital(name)}First`]);
        expect(share.repeat).toBe(constants[`${capital(name)}Repeat`]);
        expect(lossTimes).toBe(constants[`${capital(name)}Times`] ?? 0n);
    });

    it('names a report and a bond for each class, and each of them once', () => {
        const names = Object.values(faultClasses).map(({ report }) => report);
        const judged = faultClassCodes.filter(isJudged);

        expect([...names].sort()).toEqual(Object.keys(reports).sort());
        expect(judged).toEqual(['A3', 'B1']);
        expect(judged.map((code) => faultClasses[code].bond)).toEqual(['demandBond', 'wrongBond']);
        expect(faultClassCodes.filter((code) => faultClasses[code].bond !== undefined)).toEqual(judged);
    });

    it('has each way to end in one class, and a bond at stake only where a Dispute judges', () => {
        const ends = faultClassCodes.flatMap((code) => faultClasses[code].outcomes as readonly string[]);

        expect([...new Set(ends)].sort()).toEqual(Object.keys(faultOutcomes).sort());
        for (const code of faultClassCodes) {
            expect(
                faultClasses[code].outcomes.every((end) => (faultOutcomes[end].bond !== 'none') === isJudged(code)),
            ).toBe(true);
        }
    });

    it('has the outcomes of cases and the bounds of receipts', () => {
        const { Duplicate: _, ...closing } = constantsOf('Outcome');
        const named = Object.entries(caseOutcomes).map(([name, number]) => [capital(name), number]);

        expect(Object.fromEntries(named)).toEqual(closing);
        expect(liabilityRules).toMatchObject({ clockSkew: 60, answerSpan: 86_460 });
    });
});
