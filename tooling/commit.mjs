// The commit hook. Formats what is about to be committed, and nothing else:
// the text in the index, which for `git commit -- <paths>` holds just those paths on top of HEAD. A file whose copy in
// the working tree is the same as in the index is formatted there too; one with further, unstaged changes is left as
// it is. Text that does not parse is committed unformatted with a warning: `npm run check` is where that fails.
//
// With `git commit -- <paths>` git prepares the index that stays after the commit before this hook runs, so it still
// holds the unformatted text; --after (the post-commit hook) moves those entries on to what was committed.
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

const top = git(['rev-parse', '--show-toplevel']).trim();
const note = resolve(top, git(['rev-parse', '--git-path', 'cocoon-formatted']).trim()); // from one hook to the other

function git(args, input) {
    return execFileSync('git', args, { encoding: 'utf8', input, maxBuffer: 1 << 26, stdio: ['pipe', 'pipe', 'pipe'] });
}

/** Runs what needs the index, which another git may hold for a moment. Says whether it worked. */
async function patiently(action) {
    for (let attempt = 1; ; attempt++) {
        try {
            action();
            return true;
        } catch (error) {
            if (attempt === 20) {
                console.warn(`commit hook: the index was not updated: ${String(error.message).split('\n')[0]}`);
                return false;
            }
            await sleep(100);
        }
    }
}

async function before() {
    rmSync(note, { force: true }); // of a commit that was given up
    const { formatted } = await import('./formatters.mjs');
    const entries = git(['diff', '--cached', '--raw', '--no-renames', '--no-abbrev', '--diff-filter=AM', '-z'])
        .split('\0:')
        .filter(Boolean);
    const changed = [];
    for (const entry of entries) {
        const [meta, path] = entry.replace(/^:/, '').split('\0');
        const [, mode, , old] = meta.split(' ');
        if (!mode.startsWith('100')) continue; // a link or a submodule
        let text, tidy;
        try {
            tidy = await formatted(path, () => (text = git(['cat-file', 'blob', old])));
        } catch (error) {
            console.warn(`commit hook: ${path} not formatted: ${String(error.message).split('\n')[0]}`);
        }
        if (tidy === undefined || tidy === text) continue;
        const file = join(top, path);
        const same = existsSync(file) && readFileSync(file, 'utf8') === text;
        const object = git(['hash-object', '-w', '--stdin'], tidy).trim();
        changed.push({ mode, object, old, path });
        if (same) writeFileSync(file, tidy);
    }
    if (changed.length === 0) return;
    const lines = changed.map(({ mode, object, path }) => `${mode} ${object}\t${path}\0`).join('');
    if (!(await patiently(() => git(['update-index', '-z', '--index-info'], lines)))) return;
    writeFileSync(note, JSON.stringify(changed));
    console.log(`commit hook: formatted ${changed.map(({ path }) => path).join(', ')}`);
}

async function after() {
    if (!existsSync(note)) return;
    const changed = JSON.parse(readFileSync(note, 'utf8'));
    rmSync(note);
    for (const { mode, object, old, path } of changed) {
        await patiently(() => {
            const staged = git(['ls-files', '-s', '-z', '--', path]).split(' ')[1];
            if (staged === old) git(['update-index', '--cacheinfo', `${mode},${object},${path}`]);
        });
    }
}

await (process.argv.includes('--after') ? after() : before());
