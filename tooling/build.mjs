// Compiles the contracts and the floors they are measured against, unless build/ holds exactly what this compiler made of
// exactly these sources.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { projectFiles, root } from './files.mjs';
import { tools } from './tools.mjs';

/** Each set is compiled on its own: the floors are no part of the market. */
const sets = [
    { config: 'tact.config.json', stamp: 'build/.sources', sources: ['contracts/'] },
    {
        config: 'tact.floors.json',
        stamp: 'build/floors/.sources',
        sources: ['contracts/protocol/', 'benchmarks/floors/'],
    },
];

/** Files that the compiler makes of a project and others read: wrappers of its contracts, and their code. */
function madeOf({ name, path, output }) {
    const contracts = readFileSync(join(root, path), 'utf8').matchAll(/^contract (\w+)/gm);
    return Array.from(contracts, ([, contract]) =>
        ['ts', 'code.boc'].map((kind) => join(output, `${name}_${contract}.${kind}`)),
    );
}

/** A fingerprint of compiler, sources and what was made of them; undefined when something is missing. */
function fingerprint({ config, sources }) {
    const { projects } = JSON.parse(readFileSync(join(root, config), 'utf8'));
    const read = projectFiles().filter(
        (file) => file.endsWith('.tact') && sources.some((part) => file.startsWith(part)),
    );
    const made = projects.flatMap(madeOf).flat();
    const hash = createHash('sha256');
    for (const file of ['node_modules/@tact-lang/compiler/package.json', config, ...read, ...made]) {
        if (!existsSync(join(root, file))) return undefined;
        hash.update(file)
            .update('\0')
            .update(readFileSync(join(root, file)))
            .update('\0');
    }
    return hash.digest('hex');
}

/** Returns the compiler's exit code, 0 when there was nothing to do. */
function build(set) {
    const stamp = join(root, set.stamp);
    const now = fingerprint(set);
    if (now !== undefined && existsSync(stamp) && readFileSync(stamp, 'utf8') === now) {
        console.log(`build: ${set.config} is up to date`);
        return 0;
    }
    rmSync(stamp, { force: true });
    const { status } = spawnSync(process.execPath, [tools.tact, '--config', set.config], {
        cwd: root,
        stdio: 'inherit',
    });
    if (status === 0) {
        writeFileSync(stamp, fingerprint(set) ?? '');
    }
    return status ?? 1;
}

process.exitCode = sets.map(build).find((status) => status !== 0) ?? 0;
