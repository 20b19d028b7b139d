/** `ARTIFACTS=dir` runs the suite of the contracts against code that another compiler made. */
import { Cell } from '@ton/core';
import { cpSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const ROOT = join(__dirname, '../..');
// eslint-disable-next-line @typescript-eslint/no-require-imports -- plain JavaScript, as jest loads it
const { withArtifacts } = require('../../tooling/jest/transform.js') as {
    withArtifacts(source: string, path: string, artifacts?: string): string;
};
const generated = (contract: string) => join(ROOT, 'build', contract, `${contract}_${contract}.ts`);
const codeIn = (source: string) => Cell.fromHex(/Cell\.fromHex\('([0-9a-f]+)'\)/.exec(source)![1]);

describe('With ARTIFACTS', () => {
    let artifacts: string;

    beforeAll(() => {
        artifacts = mkdtempSync(join(tmpdir(), 'cocoon-artifacts-'));
        cpSync(join(ROOT, 'build/Library/Library_Library.code.boc'), join(artifacts, 'Channel.code.boc'));
    });

    afterAll(() => rmSync(artifacts, { recursive: true }));

    const read = (contract: string) => readFileSync(generated(contract), 'utf8');

    it('a contract has the code of the file with its name, and the rest of its wrapper', () => {
        const other = withArtifacts(read('Channel'), generated('Channel'), artifacts);

        expect(codeIn(other).equals(codeIn(read('Library')))).toBe(true);
        expect(codeIn(other).equals(codeIn(read('Channel')))).toBe(false);
        expect(other.replace(/fromHex\('\w+'/, '')).toBe(read('Channel').replace(/fromHex\('\w+'/, ''));
    });

    it('a contract whose file is absent is named, and its build is not taken instead', () => {
        expect(() => withArtifacts(read('Node'), generated('Node'), artifacts)).toThrow(
            'ARTIFACTS has no Node.code.boc',
        );
    });

    it.each([
        ['without it', 'Channel', undefined],
        ['contracts that only tests use', 'Probe', '/nowhere'],
    ])('%s: the build stays', (_, contract, folder) => {
        expect(withArtifacts(read(contract), generated(contract), folder)).toBe(read(contract));
    });
});
