// npm run check:fix: rewrites what `npm run check` would complain about and a machine can fix.
import { spawnSync } from 'node:child_process';
import { root } from './files.mjs';
import { tools } from './tools.mjs';

const steps = [
    [tools.tactFmt, '--write', 'contracts'],
    [tools.eslint, '--fix', '.'],
    ['tooling/words.mjs'],
    [tools.prettier, '--write', '--log-level', 'warn', '.'],
];
for (const step of steps) {
    const { status } = spawnSync(process.execPath, step, { cwd: root, stdio: ['ignore', 'inherit', 'inherit'] });
    if (status !== 0) process.exitCode = 1;
}
