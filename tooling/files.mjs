// The repository's own files: tracked ones and new ones that are not ignored. Without git, a walk of the tree.
import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = join(dirname(fileURLToPath(import.meta.url)), '..');

const notOurs = new Set(['.git', 'node_modules', 'build', 'coverage', 'dist', 'temp']);

/** Paths relative to `base`, with forward slashes, sorted. */
export function projectFiles(base = root) {
    try {
        const listed = execFileSync('git', ['ls-files', '-co', '--exclude-standard', '-z'], {
            cwd: base,
            encoding: 'utf8',
            maxBuffer: 1 << 26,
            stdio: ['ignore', 'pipe', 'ignore'],
        });
        const files = [...new Set(listed.split('\0').filter(Boolean))];
        return files.filter((file) => existsSync(join(base, file))).sort(); // a deleted file stays listed until committed
    } catch {
        return walk(base, '').sort();
    }
}

function walk(base, folder) {
    return readdirSync(join(base, folder), { withFileTypes: true }).flatMap((entry) => {
        const path = folder === '' ? entry.name : `${folder}/${entry.name}`;
        if (entry.isDirectory()) return notOurs.has(entry.name) ? [] : walk(base, path);
        return entry.isFile() ? [path] : [];
    });
}
