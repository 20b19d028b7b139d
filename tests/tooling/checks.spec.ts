import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const tooling = join(__dirname, '../../tooling');

/** What `expression` gives in a module of its own: the checks are ES modules, which jest does not load. */
function evaluate(module: string, expression: string): unknown {
    const code = `import * as m from ${JSON.stringify(join(tooling, module))};
        console.log(JSON.stringify(${expression}));`;
    return JSON.parse(execFileSync(process.execPath, ['--input-type=module', '-e', code], { encoding: 'utf8' }));
}

describe('imports between folders', () => {
    const refused = [
        ['tests/flows/a.spec.ts', '../../build/Escrow/Escrow_Escrow'],
        ['scripts/deploy.ts', '../build/Escrow/Escrow_Escrow'],
        ['wrappers/Escrow.ts', '../offchain/chain/reader'],
        ['wrappers/Escrow.ts', '@cocoon-market/localnet'],
        ['offchain/gateway/server.ts', '../worker/jobs'],
        ['offchain/worker/jobs.ts', '../gateway'],
        ['offchain/link/frames.ts', '../worker/jobs'],
        ['offchain/store/store.ts', '../../tests/support/chain'],
        ['localnet/main.ts', '../wrappers/Escrow'],
        ['localnet/main.ts', '../deployments/testnet.json'],
    ];
    const accepted = [
        ['wrappers/Escrow.ts', '../build/Escrow/Escrow_Escrow'],
        ['offchain/gateway/server.ts', '../link/frames'],
        ['offchain/gateway/server.ts', '@cocoon-market/wrappers'],
        ['offchain/cli/main.ts', '../worker/jobs'],
        ['offchain/cli/main.ts', '../../deployments/testnet.json'],
        ['localnet/main.ts', '@ton/sandbox'],
        ['tests/flows/a.spec.ts', '../../localnet/api'],
    ];

    it('run one way', () => {
        const ask = (pairs: string[][]) =>
            evaluate('eslint/layers.mjs', `${JSON.stringify(pairs)}.filter((pair) => m.objection(...pair))`);

        expect(ask(refused)).toEqual(refused);
        expect(ask(accepted)).toEqual([]);
    });
});

describe('dead links', () => {
    it('names missing files and headings, and nothing in code', () => {
        const folder = mkdtempSync(join(tmpdir(), 'links-'));
        writeFileSync(
            join(folder, 'a.md'),
            [
                '# A title: *here* & `there`',
                '[self](#a-title-here--there) [file](b.md) [heading](b.md#two-1) [web](https://example.org/x)',
                '[gone](c.md) ![gone](d.png) [gone](b.md#three)',
                '`[code](e.md)`',
                '```',
                '[code](f.md)',
                '```',
                '[ref]: g.md',
            ].join('\n'),
        );
        writeFileSync(join(folder, 'b.md'), '# Two\n\n## Two\n');

        expect(evaluate('links.mjs', `m.deadLinks(${JSON.stringify(folder)}, ['a.md'])`)).toEqual([
            'a.md:3: no such file: c.md',
            'a.md:3: no such file: d.png',
            'a.md:3: no such heading: b.md#three',
            'a.md:8: no such file: g.md',
        ]);
        rmSync(folder, { recursive: true });
    });
});

describe('conventions', () => {
    const glossary = '# Glossary\n\n## Retired words\n\n- `there`: `balance`\n- `*Most`, `most*`: the prefix `max`\n';
    /** What each of these trees breaks; one process for all of them. */
    const breachesOf = (...trees: Record<string, string>[]) => {
        const whole = JSON.stringify(trees.map((files) => ({ 'docs/glossary.md': glossary, ...files })));
        return evaluate(
            'conventions.mjs',
            `${whole}.map((tree) => m.breaches(Object.keys(tree), (file) => tree[file]))`,
        ) as string[][];
    };

    it('refuse a retired word as a name in TypeScript and in Tact, and not as a word in a text', () => {
        const [found] = breachesOf({
            'wrappers/a.ts':
                "export const there = 'there';\nfunction f({ stepMost }: { stepMost: number }) {}\nalmost();\n",
            'contracts/a.tact': 'fun f(there: Int): Int {\n    let x: Int = 1; // there\n    return x;\n}\n',
        });

        expect(found).toEqual([
            'wrappers/a.ts:1 "there" is retired: `balance` (docs/glossary.md)',
            'wrappers/a.ts:2 "stepMost" is retired: the prefix `max` (docs/glossary.md)',
            'wrappers/a.ts:2 "stepMost" is retired: the prefix `max` (docs/glossary.md)',
            'contracts/a.tact:1 "there" is retired: `balance` (docs/glossary.md)',
        ]);
    });

    it('refuse a retired word as the key of an object and as a state', () => {
        const [found] = breachesOf({ 'wrappers/a.ts': "send({ there: 1 });\ntype State = 'open' | 'there';\n" });

        expect(found).toEqual([
            'wrappers/a.ts:1 "there" is retired: `balance` (docs/glossary.md)',
            'wrappers/a.ts:2 "there" is retired: `balance` (docs/glossary.md)',
        ]);
    });

    it('refuse a glossary whose retired words cannot be read', () => {
        expect(breachesOf({ 'docs/glossary.md': '# Glossary\n' })).toEqual([
            ['docs/glossary.md:1 lists no retired words: the check reads them under "## Retired words"'],
        ]);
    });

    it('refuse two exported types of one name, except in tests', () => {
        const type = 'export interface Job {}\n';

        expect(breachesOf({ 'wrappers/a.ts': type, 'deploy/b.ts': type, 'tests/c.ts': type })).toEqual([
            ['wrappers/a.ts:1 exports the type "Job", as deploy/b.ts does'],
        ]);
    });

    it('refuse imports in a circle, through an index too', () => {
        const [found] = breachesOf({
            'wrappers/a.ts': "import { b } from './b';\n",
            'wrappers/b/index.ts': "export { c } from './c';\n",
            'wrappers/b/c.ts': "import type { a } from '../a';\n",
            'wrappers/d.ts': "import { b } from './b';\n",
        });

        expect(found).toEqual([
            'wrappers/a.ts:1 imports in a circle: wrappers/a.ts -> wrappers/b/index.ts -> wrappers/b/c.ts -> wrappers/a.ts',
        ]);
    });

    it('refuse a file of 351 lines, unless it says why, and take one of 350', () => {
        const lines = (count: number) => 'a();\n'.repeat(count);
        const [long, reasoned] = breachesOf(
            { 'wrappers/a.ts': lines(350), 'wrappers/b.ts': lines(351) },
            { 'wrappers/b.ts': `// Longer than 350 lines because it is one list.\n${lines(351)}` },
        );

        expect(long).toEqual([expect.stringContaining('wrappers/b.ts:1 has 351 lines, of 350')]);
        expect(reasoned).toEqual([]);
    });

    it('refuse prose that names a test or another source that does not exist, except in the changelog', () => {
        const prose = 'See `tests/a.spec.ts`, `tests/gone.spec.ts`, tests/b/c.ts, `other/tests/x.ts` and `npm/d.js`.\n';
        const [found] = breachesOf({
            'README.md': prose,
            'docs/a.md': `\n${prose}`,
            'CHANGELOG.md': prose,
            'tests/a.spec.ts': '',
        });

        expect(found).toEqual([
            'README.md:1 names tests/gone.spec.ts, which does not exist',
            'README.md:1 names tests/b/c.ts, which does not exist',
            'docs/a.md:2 names tests/gone.spec.ts, which does not exist',
            'docs/a.md:2 names tests/b/c.ts, which does not exist',
        ]);
    });

    it('refuse 121 characters of prose or comment, and take 120, a table too, code and a lone link', () => {
        const words = (length: number) => `${'a '.repeat(length / 2 - 1)}${length % 2 === 0 ? 'aa' : 'aaa'}`;
        const trees: Record<string, string>[] = [
            { 'a.md': `${words(120)}\n${words(121)}\n|${words(120)}|\n` },
            { 'a.md': `\`\`\`\n${words(200)}\n\`\`\`\n- ${'a'.repeat(200)}\n` },
            { 'wrappers/a.ts': `// ${words(117)}\n` },
            { 'wrappers/a.ts': `// ${words(118)}\n` },
        ];

        expect(breachesOf(...trees).map(({ length }) => length)).toEqual([2, 0, 0, 1]);
    });
});
