// Compiles the contracts, unless build/ holds exactly what this compiler made of exactly these sources.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { projectFiles, root } from './files.mjs';
import { tools } from './tools.mjs';

const stamp = join(root, 'build', '.sources');

/** A fingerprint of compiler, sources and what was made of them; undefined when something is missing. */
function fingerprint() {
    const { projects } = JSON.parse(readFileSync(join(root, 'tact.config.json'), 'utf8'));
    const made = projects.flatMap(({ name, output }) =>
        ['ts', 'code.boc'].map((kind) => join(output, `${name}_${name}.${kind}`)),
    );
    const compiler = 'node_modules/@tact-lang/compiler/package.json';
    const sources = projectFiles().filter((file) => file.endsWith('.tact') || file === 'tact.config.json');
    const hash = createHash('sha256');
    for (const file of [compiler, ...sources, ...made]) {
        if (!existsSync(join(root, file))) return undefined;
        hash.update(file)
            .update('\0')
            .update(readFileSync(join(root, file)))
            .update('\0');
    }
    return hash.digest('hex');
}

const now = fingerprint();
if (now !== undefined && existsSync(stamp) && readFileSync(stamp, 'utf8') === now) {
    console.log('build: up to date');
} else {
    rmSync(stamp, { force: true });
    const { status } = spawnSync(process.execPath, [tools.tact, '--config', 'tact.config.json'], {
        cwd: root,
        stdio: 'inherit',
    });
    if (status === 0) {
        writeFileSync(stamp, fingerprint() ?? '');
    }
    process.exitCode = status ?? 1;
}
