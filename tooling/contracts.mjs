// Compiles the contracts and the floors they are measured against. A project is compiled again unless build/ holds
// exactly what this compiler made of exactly its sources.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { root } from './files.mjs';
import { tools } from './tools.mjs';

/** Each is compiled on its own: the floors are no part of the market. */
const configs = ['tact.config.json', 'tact.floors.json'];
const compiler = 'node_modules/@tact-lang/compiler/package.json';

/** The file and all that it imports, from the folder. Imports of the standard library come with the compiler. */
function sourcesOf(folder, path, known = new Set()) {
    if (known.has(path)) return known;
    known.add(path);
    for (const [, imported] of readFileSync(join(folder, path), 'utf8').matchAll(/^import\s+"(\.[^"]+)"/gm)) {
        const file = imported.endsWith('.tact') ? imported : `${imported}.tact`;
        sourcesOf(folder, join(dirname(path), file), known);
    }
    return known;
}

/** Files that the compiler makes of a project and others read: wrappers of its contracts, and their code. */
function madeOf(folder, { name, path, output }) {
    return Array.from(readFileSync(join(folder, path), 'utf8').matchAll(/^contract (\w+)/gm), ([, contract]) =>
        ['ts', 'code.boc'].map((kind) => join(output, `${name}_${contract}.${kind}`)),
    ).flat();
}

const stampOf = (folder, { output }) => join(folder, output, '.sources');

/** A fingerprint of compiler, options, sources and what was made of them; undefined when something is missing. */
function fingerprint(folder, project) {
    const hash = createHash('sha256').update(JSON.stringify(project));
    for (const file of [compiler, ...[...sourcesOf(folder, join(project.path))].sort(), ...madeOf(folder, project)]) {
        const path = join(file === compiler ? root : folder, file);
        if (!existsSync(path)) return undefined;
        hash.update(file).update('\0').update(readFileSync(path)).update('\0');
    }
    return hash.digest('hex');
}

function isFresh(folder, project) {
    const stamp = stampOf(folder, project);
    const now = fingerprint(folder, project);
    return now !== undefined && existsSync(stamp) && readFileSync(stamp, 'utf8') === now;
}

/**
 * Compiles what is stale of the projects of a configuration, and returns their names. The compiler writes to standard
 * error. Throws if it refuses one.
 */
export function compile(config, folder = root) {
    const { projects } = JSON.parse(readFileSync(join(folder, config), 'utf8'));
    const stale = projects.filter((project) => !isFresh(folder, project));
    if (stale.length === 0) return [];
    for (const project of stale) rmSync(stampOf(folder, project), { force: true });
    const names = stale.map(({ name }) => name);
    const { status } = spawnSync(
        process.execPath,
        [tools.tact, '--config', config, ...names.flatMap((name) => ['--project', name])],
        { cwd: folder, stdio: ['ignore', 2, 2] },
    );
    if (status !== 0) throw new Error(`the contracts do not compile: the compiler says above why`);
    for (const project of stale) {
        mkdirSync(join(folder, project.output), { recursive: true });
        writeFileSync(stampOf(folder, project), fingerprint(folder, project) ?? '');
    }
    return names;
}

/** The same for all contracts of this checkout. */
export const compileAll = () => configs.flatMap((config) => compile(config));
