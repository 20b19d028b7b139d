import { execFileSync } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

const hook = join(__dirname, '../../tooling/commit.mjs');

describe('commit hook', () => {
    let repository: string;

    function git(...args: string[]): string {
        const inherited = Object.entries(process.env).filter(([name]) => !name.startsWith('GIT_'));
        return execFileSync('git', args, {
            cwd: repository,
            encoding: 'utf8',
            env: { ...Object.fromEntries(inherited), GIT_CONFIG_NOSYSTEM: '1' },
            stdio: ['ignore', 'pipe', 'pipe'],
        });
    }

    function write(path: string, text: string): void {
        mkdirSync(dirname(join(repository, path)), { recursive: true });
        writeFileSync(join(repository, path), text);
    }

    const read = (path: string) => readFileSync(join(repository, path), 'utf8');
    const committed = (path: string) => git('show', `HEAD:${path}`);

    beforeEach(() => {
        repository = mkdtempSync(join(tmpdir(), 'commit-hook-'));
        git('init', '--quiet');
        git('config', 'user.name', 'test');
        git('config', 'user.email', 'test@example.org');
        git('config', 'core.hooksPath', 'hooks');
        write('hooks/pre-commit', `#!/bin/sh\nnode '${hook}'\n`);
        write('hooks/post-commit', `#!/bin/sh\nnode '${hook}' --after\n`);
        for (const name of ['pre-commit', 'post-commit']) chmodSync(join(repository, 'hooks', name), 0o755);
        write('.gitignore', 'hooks/\n');
        git('add', '.gitignore');
        git('commit', '--quiet', '-m', 'first');
    });

    afterEach(() => rmSync(repository, { recursive: true }));

    it('formats what is staged, in the commit and in the working tree', () => {
        write('a.ts', 'const a = "1"\n');
        write('contracts/a.tact', 'fun a(): Int { return 1; }\n');
        git('add', '.');
        git('commit', '-m', 'format');

        expect(committed('a.ts')).toBe("const a = '1';\n");
        expect(read('a.ts')).toBe("const a = '1';\n");
        expect(committed('contracts/a.tact')).toBe('fun a(): Int {\n    return 1;\n}\n');
        expect(git('status', '--short')).toBe('');
    });

    it('formats only the files named on the command line and leaves a clean index', () => {
        write('named.ts', 'const a = "1"\n');
        write('staged.ts', 'const b = "2"\n');
        git('add', '.');
        git('commit', '-m', 'only one', '--', 'named.ts');

        expect(committed('named.ts')).toBe("const a = '1';\n");
        expect(read('staged.ts')).toBe('const b = "2"\n');
        expect(git('status', '--short')).toBe('A  staged.ts\n');

        write('named.ts', 'const a = "3"\n');
        git('commit', '-m', 'change it', '--', 'named.ts');

        expect(committed('named.ts')).toBe("const a = '3';\n");
        expect(git('status', '--short')).toBe('A  staged.ts\n');
    });

    it('formats with commit --all', () => {
        write('a.ts', "const a = '1';\n");
        git('add', '.');
        git('commit', '-m', 'add');
        write('a.ts', 'const a = "2"\n');
        git('commit', '--all', '-m', 'change');

        expect(committed('a.ts')).toBe("const a = '2';\n");
        expect(git('status', '--short')).toBe('');
    });

    it('leaves unstaged changes of a partly staged file alone', () => {
        write('a.ts', 'const a = "1"\n');
        git('add', '.');
        write('a.ts', 'const a = "1"\nconst later = "2"\n');
        git('commit', '-m', 'a part');

        expect(committed('a.ts')).toBe("const a = '1';\n");
        expect(read('a.ts')).toBe('const a = "1"\nconst later = "2"\n');
        expect(git('status', '--short')).toBe(' M a.ts\n');
    });

    it('commits text that does not parse as it is', () => {
        write('a.ts', 'const = ;\n');
        git('add', '.');
        git('commit', '-m', 'broken');

        expect(committed('a.ts')).toBe('const = ;\n');
    });
});
