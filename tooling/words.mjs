// Keeps the spelling dictionary sorted, in lower case and without repeats.
// --check only reports; --unknown prints the words cspell does not know, one per line, for review before adding.
import { spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { root } from './files.mjs';
import { tools } from './tools.mjs';

const path = join(root, '.cspell/words.txt');

if (process.argv.includes('--unknown')) {
    const args = ['lint', '--no-progress', '--no-summary', '--words-only', '--unique', '--dot'];
    const { stdout } = spawnSync(process.execPath, [tools.cspell, ...args], { cwd: root, encoding: 'utf8' });
    const words = stdout.split('\n').filter(Boolean);
    console.log([...new Set(words.map((word) => word.toLowerCase()))].sort().join('\n'));
} else {
    const before = readFileSync(path, 'utf8');
    const lines = before.split('\n').filter((line) => line.trim() !== '');
    const head = lines.filter((line) => line.startsWith('#'));
    const words = lines.filter((line) => !line.startsWith('#')).map((line) => line.trim().toLowerCase());
    const after = [...head, ...[...new Set(words)].sort(), ''].join('\n');
    if (after !== before && process.argv.includes('--check')) {
        console.error('.cspell/words.txt: not lower case, sorted and unique; run npm run check:fix');
        process.exitCode = 1;
    } else if (after !== before) {
        writeFileSync(path, after);
    }
}
