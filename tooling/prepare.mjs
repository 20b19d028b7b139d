// Runs after `npm ci` and `npm install`: compiles the contracts and installs the commit hook.
// Never fails an installation: `npm run build` is the step that must succeed, and tests and checks run it themselves.
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { root } from './files.mjs';
import { tools } from './tools.mjs';

if (existsSync(tools.tact)) {
    const built = spawnSync(process.execPath, [join(root, 'tooling', 'build.mjs')], { cwd: root, encoding: 'utf8' });
    if (built.status !== 0) {
        console.warn(`prepare: the contracts do not compile; see npm run build\n${built.stdout}${built.stderr}`);
    }
} else {
    console.warn('prepare: no compiler (an installation without development tools); contracts not built');
}

const automated = process.env.CI !== undefined || process.env.HUSKY === '0';
if (!automated && existsSync(join(root, '.git'))) {
    try {
        const { default: husky } = await import('husky');
        const problem = husky();
        if (problem) console.warn(`prepare: no commit hook: ${problem}`);
    } catch {
        console.warn('prepare: no commit hook (husky is not installed)');
    }
}
