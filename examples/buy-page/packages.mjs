/**
 * Until the two packages are published: packs them in the checkout around this folder, as npm does, and unpacks them
 * into node_modules. After that a page is built as in any other project.
 */
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const here = fileURLToPath(new URL('.', import.meta.url));
const checkout = fileURLToPath(new URL('../../', import.meta.url));

const folder = mkdtempSync(join(tmpdir(), 'cocoon-packages-'));
try {
    for (const name of ['wrappers', 'client']) {
        const args = ['pack', '--workspace', name, '--json', '--pack-destination', folder];
        const env = Object.fromEntries(
            Object.entries(process.env).filter(([key]) => !/^npm_(?!config_(registry|cache|userconfig)$)/i.test(key)),
        );
        const [{ filename }] = JSON.parse(
            execFileSync('npm', args, { cwd: checkout, encoding: 'utf8', env, stdio: ['ignore', 'pipe', 'ignore'] }),
        );
        const target = join(here, 'node_modules/@cocoon-market', name);
        rmSync(target, { recursive: true, force: true });
        mkdirSync(target, { recursive: true });
        execFileSync('tar', ['-xzf', join(folder, filename), '-C', target, '--strip-components=1']);
        console.log(`@cocoon-market/${name} is installed`);
    }
} catch (error) {
    console.error(`packages: ${error.message}`);
    process.exitCode = 1;
} finally {
    rmSync(folder, { recursive: true, force: true });
}
