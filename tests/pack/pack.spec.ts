/** The short form of `npm run test:pack`: the package without types, npm's registry and a browser. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { AnswerSealer } from '../../offchain/link/sealing';

const ROOT = join(__dirname, '../..');
const sealer = new AnswerSealer(Buffer.alloc(32, 10), 1, Buffer.alloc(16, 11));
const GIVEN = {
    nodeKey: '09'.repeat(32),
    answer: sealer.seal(Buffer.from('hi'), { final: true }).toString('hex'),
};

jest.setTimeout(120_000);

/** Runs lines of an ES module that may use the tools of this checkout. */
function run(lines: string[], cwd: string): string {
    const file = join(cwd, 'task.mjs');
    writeFileSync(file, lines.join('\n'));
    return execFileSync(process.execPath, [file], { cwd, encoding: 'utf8' });
}

const importOf = (path: string) => JSON.stringify(pathToFileURL(join(ROOT, path)).href);

describe('The packed wrappers', () => {
    const folder = mkdtempSync(join(tmpdir(), 'cocoon-pack-'));
    const installed = join(folder, 'node_modules/@cocoon-market/wrappers');

    beforeAll(() => {
        mkdirSync(join(folder, 'node_modules/@ton'), { recursive: true });
        mkdirSync(installed, { recursive: true });
        for (const name of ['@ton/core', '@ton/crypto']) {
            symlinkSync(join(ROOT, 'node_modules', name), join(folder, 'node_modules', name));
        }
        writeFileSync(join(installed, 'package.json'), readFileSync(join(ROOT, 'wrappers/package.json')));
        writeFileSync(join(folder, 'package.json'), '{}');
        run(
            [
                `import { makePackage } from ${importOf('tooling/package.mjs')};`,
                `await makePackage('wrappers', ${JSON.stringify(join(installed, 'dist'))}, { types: false });`,
            ],
            folder,
        );
    });
    afterAll(() => rmSync(folder, { recursive: true, force: true }));

    const probe = (kind: 'require' | 'import') =>
        JSON.parse(
            run(
                [
                    `import { runProbe } from ${importOf('tests/pack/steps.mjs')};`,
                    `console.log(JSON.stringify(runProbe(${JSON.stringify(folder)}, '${kind}', ${JSON.stringify(GIVEN)}, {`,
                    `    withClient: false,`,
                    `})));`,
                ],
                folder,
            ),
        ) as { same: Record<string, unknown> };

    it('do the same by require and by import, outside of this checkout', () => {
        const [required, imported] = [probe('require').same, probe('import').same];

        expect(imported).toEqual(required);
        expect(required).toMatchObject({ receipt: true, altered: false, equal: true, oneClass: true });
        expect(required.refusal).toContain('Voucher.count must be a whole number from 0 to 4294967295, got nothing');
    });

    it('name no file of this checkout, nothing of tests, and for browsers no module of Node.js', () => {
        const found = run(
            [
                `import { strangers } from ${importOf('tooling/packed.mjs')};`,
                `console.log(JSON.stringify(strangers(${JSON.stringify(installed)})));`,
            ],
            folder,
        );

        expect(JSON.parse(found)).toEqual([]);
    });

    it('hold the wire format for clients in other languages', () => {
        const read = (file: string) =>
            readFileSync(require.resolve(`@cocoon-market/wrappers/schema/${file}`, { paths: [folder] }), 'utf8');
        const abi = JSON.parse(read('abi/Channel.json')) as { name: string };

        expect(read('schema.tlb')).toBe(readFileSync(join(ROOT, 'docs/schema.tlb'), 'utf8'));
        expect(read('vectors/payloads.json')).toBe(readFileSync(join(ROOT, 'tests/vectors/payloads.json'), 'utf8'));
        expect(abi.name).toBe('Channel');
    });

    it('are the same bytes when they are made again', () => {
        const again = join(folder, 'again');
        run(
            [
                `import { makePackage } from ${importOf('tooling/package.mjs')};`,
                `await makePackage('wrappers', ${JSON.stringify(again)}, { types: false });`,
            ],
            folder,
        );

        expect(execFileSync('diff', ['-r', join(installed, 'dist'), again], { encoding: 'utf8' })).toBe('');
    });
});
