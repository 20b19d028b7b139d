/** Long commands refuse a wrong flag before they do anything, in words and without a stack. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';

const ROOT = join(__dirname, '../..');

/** What a command prints to both streams, and its exit code. */
async function run(file: string, ...flags: string[]): Promise<{ code: number; out: string; error: string }> {
    const args = ['-r', './tooling/typescript.js', file, ...flags];
    const child = spawn(process.execPath, args, { cwd: ROOT, stdio: ['ignore', 'pipe', 'pipe'] });
    const [[code], out, error] = await Promise.all([once(child, 'exit'), text(child.stdout), text(child.stderr)]);
    return { code: code as number, out, error };
}

describe('A long command', () => {
    const usages = {
        'tests/cluster/main.ts': 'npm run test:cluster -- ',
        'tests/signatures/main.ts': 'npm run test:signatures -- ',
        'tooling/coverage.ts': 'npm run coverage -- ',
    };

    it('says that it does not have a flag', async () => {
        const runs = await Promise.all(Object.keys(usages).map((file) => run(file, '--nonsense')));

        for (const { code, out, error } of runs) {
            expect([code, out]).toEqual([2, '']);
            expect(error).toContain("Unknown option '--nonsense'");
            expect(error).not.toContain('    at '); // of a stack
        }
        Object.values(usages).forEach((usage, i) => expect(runs[i].error).toContain(usage));
    });

    it('shows its flags', async () => {
        const runs = await Promise.all(Object.keys(usages).map((file) => run(file, '--help')));

        expect(runs.map(({ code, error }) => [code, error])).toEqual(runs.map(() => [0, '']));
        Object.values(usages).forEach((usage, i) => expect(runs[i].out).toContain(usage));
    });

    it('says which number a flag takes', async () => {
        const { code, error } = await run('tests/cluster/main.ts', '--rounds', 'x');

        expect([code, error.split('\n')[0]]).toEqual([2, 'cluster: --rounds is a number from 1 on, not "x"']);
    });
});
