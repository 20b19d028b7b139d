// Bundles the programs that run outside of tests: the package's `cocoon` command into offchain/dist, and what only a
// checkout runs into build/. Code is split, so that a command loads only what it uses. A set of programs is made again
// unless its folder holds exactly what this bundler made of exactly these sources. Lines are kept: a stack names them,
// and an owner can read what runs.
// node tooling/bundle.mjs [SET...]   makes these sets alone, all unless given
import '../offchain/bin/node.js';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join, relative, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import { root } from './files.mjs';

const sets = {
    package: {
        folder: 'offchain/dist',
        entries: { cocoon: 'offchain/cli/index.ts' },
        // Native code, which npm makes for the machine. Everything else is in the bundle.
        external: ['better-sqlite3'],
        licences: true,
    },
    programs: {
        folder: 'build/programs',
        entries: {
            localnet: 'localnet/main.ts',
            demo: 'demo/main.ts',
            play: 'demo/playground.ts',
        },
        // A chain in a process: bundling its emulator takes longer than loading it.
        external: ['better-sqlite3', '@ton/*'],
        licences: false,
    },
    tests: {
        folder: 'build/tests',
        entries: {
            crashingWorker: 'tests/offchain/support/crashingWorker.ts',
            soakBackend: 'tests/soak/backendProcess.ts',
            benchBackend: 'benchmarks/offchain/backendProcess.ts',
            benchProxy: 'benchmarks/offchain/proxyProcess.ts',
            faultyWorker: 'tests/flows/support/faultyWorker.ts',
        },
        external: ['better-sqlite3', '@ton/*'],
        licences: false,
    },
};

export const LICENCES = 'LICENSES.txt';
const own = /^(?!.*node_modules\/)/;

const hashOf = (bytes) => createHash('sha256').update(bytes).digest('hex');

/** What decides the result besides the sources: this file, the installed packages, the versions of packages. */
function settingsHash() {
    const files = ['tooling/bundle.mjs', 'package-lock.json', 'node_modules/.package-lock.json'].map((file) =>
        join(root, file),
    );
    return hashOf(files.map((file) => (existsSync(file) ? hashOf(readFileSync(file)) : 'none')).join());
}

/** Sources by their time and content: a changed time alone makes nothing stale. */
function sourceOf(file) {
    const path = join(root, file);
    const { mtimeMs, size } = statSync(path);
    return { mtimeMs, size, hash: hashOf(readFileSync(path)) };
}

function isSame(file, { mtimeMs, size, hash }) {
    const stat = statSync(join(root, file), { throwIfNoEntry: false });
    if (stat === undefined || stat.size !== size) return false;
    return stat.mtimeMs === mtimeMs || hashOf(readFileSync(join(root, file))) === hash;
}

const stampOf = (name) => join(root, 'build', `.${name}.json`);

function isFresh(name, settings) {
    const { folder } = sets[name];
    try {
        const stamp = JSON.parse(readFileSync(stampOf(name), 'utf8'));
        return (
            stamp.settings === settings &&
            stamp.outputs.every((file) => existsSync(join(root, folder, file))) &&
            Object.entries(stamp.inputs).every(([file, source]) => isSame(file, source))
        );
    } catch {
        return false;
    }
}

/** Our sources find files beside them by `__dirname`, which a bundle has to be told. */
function dirnames(folder) {
    const up = relative(join(root, folder), root).split(sep).join('/');
    return {
        name: 'dirnames',
        setup({ onLoad }) {
            onLoad({ filter: /\.ts$/ }, ({ path }) => {
                const file = relative(root, path).split(sep).join('/');
                if (!own.test(file)) return undefined;
                const contents = readFileSync(path, 'utf8');
                if (!contents.includes('__dirname')) return undefined;
                // In a package the folder above the bundle is the package's, and here it is offchain.
                const from = folder.startsWith('offchain/')
                    ? ['..', relative('offchain', dirname(file))]
                    : [up, dirname(file)];
                const parts = from.map((part) => JSON.stringify(part)).join(', ');
                return { contents: `const __dirname = bundlePath(${parts});\n${contents}`, loader: 'ts' };
            });
        },
    };
}

/** What CommonJS packages expect of their surroundings, and where this chunk is. */
const BANNER = [
    `import { createRequire as bundleRequire } from 'node:module';`,
    `import { join as bundleJoin } from 'node:path';`,
    `const require = bundleRequire(import.meta.url);`,
    `const bundlePath = (...parts) => bundleJoin(import.meta.dirname, ...parts);`,
].join('\n');

/** The folder of the package that a bundled file is of. */
function packageOf(input) {
    const [found] = /^.*node_modules\/(?:@[^/]+\/)?[^/]+/.exec(input) ?? [];
    return found;
}

/** The licences of all packages bundled into `subject`, in the order of their names. Throws if one states none. */
export function licencesOf(inputs, subject) {
    const folders = [...new Set(inputs.map(packageOf))].filter((folder) => folder !== undefined);
    const sections = folders.map((folder) => {
        const { name, version, license, author } = JSON.parse(readFileSync(join(root, folder, 'package.json'), 'utf8'));
        const file = readdirSync(join(root, folder)).find((each) => /^(license|licence|copying)/i.test(each));
        if (license === undefined && file === undefined) throw new Error(`${name} states no licence`);
        const by = typeof author === 'object' ? author.name : author;
        const text =
            file === undefined
                ? `The package contains no text of its licence.${by ? ` Its author is ${by}.` : ''}`
                : readFileSync(join(root, folder, file), 'utf8').trim();
        return { name: `${name} ${version}`, text: `${name} ${version} (${license ?? 'see below'})\n\n${text}` };
    });
    const ordered = sections.sort((a, b) => (a.name < b.name ? -1 : 1)).map(({ text }) => text);
    return `${subject} contains these packages.\n\n${ordered.join(`\n\n${'-'.repeat(80)}\n\n`)}\n`;
}

/** Under its own name only once it is whole: other processes may read it at any moment. */
function write(path, contents) {
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(`${path}.${process.pid}`, contents);
    renameSync(`${path}.${process.pid}`, path);
}

async function make(name, settings) {
    const { folder, entries, external, licences } = sets[name];
    const { build } = await import('esbuild').catch(() => {
        throw new Error('esbuild is not installed: run "npm ci"');
    });
    const { outputFiles, metafile } = await build({
        absWorkingDir: root,
        entryPoints: entries,
        outdir: folder,
        outExtension: { '.js': '.mjs' },
        chunkNames: '[name]-[hash]',
        bundle: true,
        splitting: true,
        platform: 'node',
        format: 'esm',
        target: 'node20.19',
        external,
        banner: { js: BANNER },
        plugins: [dirnames(folder)],
        metafile: true,
        write: false,
        logLevel: 'warning',
    });
    const inputs = Object.keys(metafile.inputs);
    const files = new Map(
        outputFiles.map(({ path, contents }) => [relative(join(root, folder), path).split(sep).join('/'), contents]),
    );
    if (licences) files.set(LICENCES, licencesOf(inputs, 'The cocoon command'));
    for (const [file, contents] of files) write(join(root, folder, file), contents);
    const stamp = {
        settings,
        outputs: [...files.keys()],
        inputs: Object.fromEntries(inputs.filter((file) => own.test(file)).map((file) => [file, sourceOf(file)])),
    };
    write(stampOf(name), JSON.stringify(stamp));
    for (const file of readdirSync(join(root, folder))) {
        if (/\.(mjs|txt)$/.test(file) && !files.has(file)) rmSync(join(root, folder, file), { force: true });
    }
}

/** Makes those of the named sets that are stale; returns the names of what was made. */
export async function bundle(names = Object.keys(sets)) {
    const settings = settingsHash();
    const stale = names.filter((name) => !isFresh(name, settings));
    for (const name of stale) await make(name, settings);
    return stale;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
    const [, , ...names] = process.argv;
    try {
        await bundle(names.length === 0 ? undefined : names);
    } catch (error) {
        console.error(`bundle: ${error.message}`);
        process.exitCode = 1;
    }
}
