// Compiles the contracts and the floors they are measured against, and bundles the programs (bundle.mjs). A project is
// compiled again unless build/ holds exactly what this compiler made of exactly its sources.
import '../offchain/bin/node.js';
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { bundle } from './bundle.mjs';
import { root } from './files.mjs';
import { tools } from './tools.mjs';

/** Each is compiled on its own: the floors are no part of the market. */
const configs = ['tact.config.json', 'tact.floors.json'];
const compiler = 'node_modules/@tact-lang/compiler/package.json';

const read = (path) => readFileSync(join(root, path), 'utf8');

/** The file and all that it imports, from the root. Imports of the standard library come with the compiler. */
function sourcesOf(path, known = new Set()) {
    if (known.has(path)) return known;
    known.add(path);
    for (const [, imported] of read(path).matchAll(/^import\s+"(\.[^"]+)"/gm)) {
        const file = imported.endsWith('.tact') ? imported : `${imported}.tact`;
        sourcesOf(join(dirname(path), file), known);
    }
    return known;
}

/** Files that the compiler makes of a project and others read: wrappers of its contracts, and their code. */
function madeOf({ name, path, output }) {
    return Array.from(read(path).matchAll(/^contract (\w+)/gm), ([, contract]) =>
        ['ts', 'code.boc'].map((kind) => join(output, `${name}_${contract}.${kind}`)),
    ).flat();
}

const stampOf = ({ output }) => join(root, output, '.sources');

/** A fingerprint of compiler, options, sources and what was made of them; undefined when something is missing. */
function fingerprint(project) {
    const files = [compiler, ...[...sourcesOf(join(project.path))].sort(), ...madeOf(project)];
    const hash = createHash('sha256').update(JSON.stringify(project));
    for (const file of files) {
        if (!existsSync(join(root, file))) return undefined;
        hash.update(file)
            .update('\0')
            .update(readFileSync(join(root, file)))
            .update('\0');
    }
    return hash.digest('hex');
}

function isFresh(project) {
    const now = fingerprint(project);
    return now !== undefined && existsSync(stampOf(project)) && readFileSync(stampOf(project), 'utf8') === now;
}

/** Returns the compiler's exit code, 0 when there was nothing to do. */
function build(config) {
    const stale = JSON.parse(read(config)).projects.filter((project) => !isFresh(project));
    if (stale.length === 0) {
        console.log(`build: ${config} is up to date`);
        return 0;
    }
    for (const project of stale) rmSync(stampOf(project), { force: true });
    const names = stale.flatMap(({ name }) => ['--project', name]);
    const { status } = spawnSync(process.execPath, [tools.tact, '--config', config, ...names], {
        cwd: root,
        stdio: 'inherit',
    });
    if (status === 0) {
        for (const project of stale) {
            mkdirSync(join(root, project.output), { recursive: true });
            writeFileSync(stampOf(project), fingerprint(project) ?? '');
        }
    }
    return status ?? 1;
}

process.exitCode = configs.map(build).find((status) => status !== 0) ?? 0;
if (process.exitCode === 0) {
    const made = await bundle();
    console.log(made.length === 0 ? 'build: programs are up to date' : `build: bundled ${made.join(' and ')}`);
}
