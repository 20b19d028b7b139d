/** `npm run mutate`: each operator makes the changes that it says, and each change names one place. */
import { Expression, getAstFactory, getParser } from '@tact-lang/compiler';
import { campaign, Results, shuffled } from '../../tooling/proof/campaign';
import { Mutant, mutantsOf, Operator, withMutant } from '../../tooling/proof/mutants';
import { breaches, reportOf, Survivor } from '../../tooling/proof/report';

const FILE = 'contracts/some.tact';
/** In the sources below, names and numbers are integers. */
const typeOf = ({ kind }: Expression) => (['id', 'number'].includes(kind) ? 'Int' : undefined);

function mutants(text: string): Mutant[] {
    const { items } = getParser(getAstFactory()).parse({ path: FILE, code: text, origin: 'user' });
    return mutantsOf(FILE, text, items, typeOf);
}

/** What becomes of the statements of a function by an operator. */
function changed(operator: Operator, statements: string): string[] {
    const [before, after] = ['fun f() {\n', '\n}'];
    const text = before + statements + after;
    return mutants(text)
        .filter((mutant) => mutant.operator === operator)
        .map((mutant) => withMutant(text, mutant).slice(before.length, -after.length));
}

describe('The operator', () => {
    it.each<[Operator, string, string[]]>([
        ['comparison', 'return a < b;', ['return a <= b;', 'return a >= b;']],
        ['comparison', 'return a >= b;', ['return a > b;', 'return a < b;']],
        ['comparison', 'return (a) == (b);', ['return (a) != (b);']],
        ['comparison', 'return a && b;', ['return a || b;']],
        ['comparison', 'return both(a, b);', ['return either(a, b);']],
        ['comparison', 'return true;', ['return false;']],
        ['arithmetic', 'return a + b;', ['return a - b;']],
        ['arithmetic', 'return a / b;', ['return a * b;']],
        ['arithmetic', 'return min(a, b);', ['return max(a, b);']],
        ['arithmetic', 'a += b;', ['a -= b;']],
        ['constant', 'return 7;', ['return 8;', 'return 6;']],
        ['constant', 'return 0;', ['return 1;']],
        ['constant', 'return 0xc0c00501;', ['return 3233809666;']],
        [
            'mode',
            'send(SendRemainingValue | SendIgnoreErrors);',
            ['send(SendRemainingValue);', 'send(SendIgnoreErrors);'],
        ],
        ['mode', 'send(ReserveExact);', ['send(0);']],
        ['guard', 'throwUnless(1, a);', ['']],
        ['guard', 'self.requireOwner();', ['']],
        ['argument', 'return f(a, b, c);', ['return f(b, a, c);', 'return f(a, c, b);']],
        ['argument', 'return S { a, b: c };', ['return S { a: c, b: a };']],
        ['argument', 'return f(a, g(b));', []],
        ['argument', 'throwUnless(a, b);', []],
        ['statement', 'a = b;', ['']],
        ['statement', 'a += b;', ['']],
        ['statement', 'sendOn(a);', ['']],
        ['statement', 'return;', ['']],
        ['statement', 'splitCode();', []],
        ['width', 'return a.loadUint(32);', ['return a.loadUint(33);']],
        ['width', 'return b.storeUint(a, 256);', ['return b.storeUint(a, 255);']],
    ])('%s changes %s', (operator, statements, expected) => {
        expect(changed(operator, statements)).toEqual(expected);
    });

    it('width widens fields and the keys of maps', () => {
        const text = 'struct S { a: Int as uint32; b: Int as coins; c: map<Int as uint8, Int>; d: Int as uint256; }';

        expect(mutants(text).map((mutant) => withMutant(text, mutant))).toEqual([
            text.replace('uint32', 'uint64'),
            text.replace('coins', 'uint128'),
            text.replace('uint8', 'uint16'),
        ]);
    });

    it.each<[Operator, string, string[]]>([
        ['mode', '80 INT SENDRAWMSG // 80 INT SENDRAWMSG', ['64', '16']],
        ['guard', 'XCTOS 1037 THROWIF', ['DROP']],
        ['constant', '107 INT STZEROES', ['108', '106']],
        ['comparison', 'SBITREFS OR EQUAL', ['AND', 'NEQ']],
    ])('%s changes the assembly %s', (operator, assembly, expected) => {
        const made = mutants(`asm fun f() {\n${assembly}\n}`).filter((mutant) => mutant.operator === operator);

        expect(made.map(({ to }) => to)).toEqual(expected);
    });
});

describe('A mutant', () => {
    it('has a name that stays when other lines move', () => {
        const text = 'fun f() {\n    a = 1;\n    b = 1;\n}';
        const names = (source: string) => mutants(source).map(({ id }) => id);

        expect(names(`\n\n${text}`)).toEqual(names(text));
        expect(new Set(names(text)).size).toBe(names(text).length);
    });

    it('has a name of its own where its line is there twice', () => {
        const made = mutants('fun f() {\n    a = b;\n    a = b;\n}').map(({ id }) => id);

        expect(made).toEqual([made[0], `${made[0]} | 2`]);
    });

    it('comes at a place that the seed decides', () => {
        const list = Array.from({ length: 50 }, (_, i) => i);

        expect(shuffled(list, 1)).toEqual(shuffled(list, 1));
        expect(shuffled(list, 1)).not.toEqual(shuffled(list, 2));
        expect(shuffled(list, 1).sort((a, b) => a - b)).toEqual(list);
    });
});

describe('The report', () => {
    const made = mutants('fun f() {\n    return a + b * c - d;\n}');
    const result = (outcome: Results[string]['outcome']) => ({
        outcome,
        operator: 'arithmetic' as const,
        line: 2,
        ms: 1,
    });
    const results = Object.fromEntries(
        made.map(({ id }, i) => [id, result((['killed', 'survived', 'same'] as const)[i])]),
    );
    const survivor: Survivor = { contract: 'Channel', mutant: made[1].id, equivalent: false, reason: 'none' };

    it('counts killed ones of those that are another contract', () => {
        const { tried, same, killed, survived, percent } = reportOf('Channel', made, results, []);

        expect({ tried, same, killed, survived, percent }).toEqual({
            ...{ tried: 3, same: 1, killed: 1, survived: 1, percent: 50 },
        });
    });

    it('leaves out survivors that are listed as equivalent', () => {
        const { percent } = reportOf('Channel', made, results, [{ ...survivor, equivalent: true }]);

        expect(percent).toBe(100);
    });

    it('names survivors without a reason, and a contract with too many of them', () => {
        const report = reportOf('Channel', made, results, []);

        expect(breaches([report], []).length).toBe(2);
        expect(breaches([report], [survivor])).toEqual(['Channel: 50 % of its mutants are killed']);
        expect(breaches([{ ...report, percent: 95 }], [survivor])).toEqual([]);
    });

    it('asks nothing about mutants whose end is known', async () => {
        const known = await campaign('Channel', made, { limit: 9, workers: 0, results: { ...results }, say: () => {} });

        expect(known).toEqual(results);
    });
});
