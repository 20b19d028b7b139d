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
