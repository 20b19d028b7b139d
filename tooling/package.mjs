// Makes the dist of a package for other programs (wrappers, client, localnet): for Node.js and for browsers, each as
// ESM and CommonJS, and the types. What the browsers get names no module of Node.js. The same sources make the same
// bytes.
import '../offchain/bin/node.js';
import { spawnSync } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, relative, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import { LICENCES, licencesOf } from './bundle.mjs';
import { root } from './files.mjs';
import { tools } from './tools.mjs';

/**
 * The packages by their folder. `entries`: what a program may import, and the source of each; those of `nodeOnly` are
 * not for browsers. `command`: the source of what a user starts. `external`: what the user installs, and everything
 * else is in the files. `own`: sources without a licence of others. `buffer`: what gives a browser its Buffer, a file
 * of the package or another package. `schema`: the wire format for clients in other languages comes with it.
 */
export const packages = {
    wrappers: {
        entries: { index: 'index', market: 'market/index', signed: 'signed/index', sealed: 'sealed' },
        nodeOnly: [],
        external: ['@ton/core', '@ton/crypto'],
        own: /^(wrappers|build|params)\//,
        buffer: './buffer.mjs',
        schema: true,
    },
    client: {
        entries: { index: 'index', file: 'file' },
        nodeOnly: ['file'],
        external: ['@ton/core', '@ton/crypto', '@cocoon-market/wrappers'],
        own: /^(client|offchain)\/(?!.*node_modules\/)/,
        buffer: '@cocoon-market/wrappers/sealed',
    },
    localnet: {
        entries: { index: 'index' },
        nodeOnly: ['index'],
        command: 'main',
        external: ['@ton/core', '@ton/crypto', '@ton/sandbox', '@ton/ton', 'fastify', 'zod'],
        own: /^localnet\/(?!.*node_modules\/)/,
    },
};

const target = 'es2022';
const MODULES = 'modules/';
const FOR_TESTS = ['Probe', 'Foreign']; // contracts that are no part of the market

const posix = (path) => path.split(sep).join('/');

/**
 * Other files for browsers: `node.ts` is read as `web.ts`, and what packages would take of Node.js, if it were Node.js
 * that runs them, is empty.
 */
const forBrowsers = {
    name: 'platform',
    setup({ onLoad, onResolve }) {
        onResolve({ filter: /\/platform\/node$/ }, () => ({ path: join(root, 'wrappers/platform/web.ts') }));
        // The wire between payer and worker, which offchain/link writes for Node.js.
        onResolve({ filter: /^node:crypto$/ }, ({ importer }) =>
            /[/\\]offchain[/\\]link[/\\]/.test(importer)
                ? { path: join(root, 'client/platform/crypto.ts') }
                : undefined,
        );
        // The turns of the event loop in which offchain/process does long work.
        onResolve({ filter: /^node:timers$/ }, ({ importer }) =>
            /[/\\]offchain[/\\]process[/\\]/.test(importer)
                ? { path: join(root, 'client/platform/timers.ts') }
                : undefined,
        );
        onResolve({ filter: /^(node:)?crypto$/ }, () => ({ path: 'crypto', namespace: 'absent' }));
        // Messages of zod in forty languages.
        onResolve({ filter: /locales\/index\.js$/ }, () => ({ path: 'locales', namespace: 'absent' }));
        onLoad({ filter: /./, namespace: 'absent' }, () => ({ contents: 'export const webcrypto = undefined;' }));
    },
};

const isForNodeAlone = (name) =>
    Object.keys(packages[name].entries).every((entry) => packages[name].nodeOnly.includes(entry));

/** The files of one platform by their path in dist, ESM and CommonJS, and the sources that they were made of. */
async function programs(esbuild, name, platform) {
    const { entries, nodeOnly, command, external, own, buffer: bufferOf } = packages[name];
    const isWeb = platform === 'web';
    const isMade = (entry) => !isWeb || !nodeOnly.includes(entry);
    const sources = Object.entries({ ...entries, ...(command && { [command]: command }) })
        .filter(([entry]) => isMade(entry))
        .map(([entry, source]) => [entry, join(name, `${source}.ts`)]);
    const hasBuffer = isWeb && bufferOf.startsWith('.');
    const options = {
        absWorkingDir: root,
        outdir: '/',
        outExtension: { '.js': '.mjs' },
        chunkNames: 'chunks/[hash]',
        bundle: true,
        format: 'esm',
        platform: isWeb ? 'browser' : 'node',
        target,
        write: false,
        metafile: true,
        logLevel: 'warning',
    };
    const build = (modules) =>
        esbuild.build({
            ...options,
            entryPoints: Object.fromEntries([...sources, ...modules.map((path) => [`${MODULES}${path}`, path])]),
            splitting: true,
            external: [...external, ...(hasBuffer ? [bufferOf] : [])],
            plugins: isWeb ? [forBrowsers] : [],
        });
    const whole = await build([]);
    // As an entry of its own each module stays a chunk of its own, so that a page loads only modules that it uses.
    const modules = Object.keys(whole.metafile.inputs).filter((path) => own.test(path));
    const made = isForNodeAlone(name) ? whole : await build(modules);
    const outputs = made.outputFiles.filter(({ path }) => !relative('/', path).startsWith(MODULES));
    const buffer = hasBuffer
        ? [await esbuild.build({ ...options, entryPoints: { buffer: `${name}/platform/buffer.ts` } })]
        : [];
    const files = new Map();
    for (const { path, text } of [...outputs, ...buffer.flatMap(({ outputFiles }) => outputFiles)]) {
        const file = posix(relative('/', path));
        const up = file.includes('/') ? '..' : '.';
        const first = hasBuffer ? `${up}/buffer.mjs` : bufferOf;
        // No chunk does anything when it is loaded, and bundlers warn of imports for that alone.
        const plain = text.replace(/^import "[^"]+";\n/gm, '');
        const esm = isWeb && file !== 'buffer.mjs' ? `import "${first}";\n${plain}` : plain;
        // The command is CommonJS alone: it replaces functions inside other packages, which `import` does not allow.
        if (file !== `${command}.mjs`) files.set(`${platform}/${file}`, esm);
        files.set(`${platform}/${file.replace(/\.mjs$/, '.js')}`, await commonJs(esbuild, esm));
    }
    const inputs = [made, ...buffer].flatMap(({ metafile }) => Object.keys(metafile.inputs));
    return { files, inputs };
}

/** The same module as CommonJS. Each file stays a file, so that a class exists once however it is imported. */
async function commonJs(esbuild, esm) {
    const { code } = await esbuild.transform(esm, { format: 'cjs', target, supported: { 'dynamic-import': false } });
    return code.replace(/\brequire\("(\.\.?\/[^"]+)\.mjs"\)/g, 'require("$1.js")');
}

/** The types by their path in dist: one tree, and for each entry a file of either kind that names it. */
function types(name) {
    const { entries } = packages[name];
    const folder = join(root, 'build/.types');
    rmSync(folder, { recursive: true, force: true });
    const args = ['--declaration', '--emitDeclarationOnly', '--noEmit', 'false', '--incremental', 'false'];
    const where = ['--rootDir', '.', '--outDir', folder, '--stripInternal'];
    const sources = [...Object.values(entries).map((source) => `${source}.ts`), 'webcrypto.d.ts'];
    const config = join(root, 'build/.types.json');
    const files = sources.map((source) => `../${source === 'webcrypto.d.ts' ? 'wrappers' : name}/${source}`);
    writeFileSync(config, JSON.stringify({ extends: '../tsconfig.json', include: [], files }));
    const { status, stdout } = spawnSync(process.execPath, [tools.tsc, '-p', config, ...args, ...where], {
        cwd: root,
        encoding: 'utf8',
    });
    if (status !== 0) throw new Error(`types of ${name}: ${stdout}`);
    const found = new Map();
    for (const each of readdirSync(folder, { recursive: true, encoding: 'utf8' })) {
        const file = posix(each);
        if (!file.endsWith('.d.ts')) continue;
        const text = readFileSync(join(folder, each), 'utf8');
        if (name !== 'wrappers' && !file.startsWith(`${name}/`)) continue;
        const path = file.startsWith(`${name}/`)
            ? file.slice(name.length + 1)
            : file.replace(/^build\/\w+\//, 'contracts/');
        const moved = text.replace(/(['"])((?:\.\.\/)+)build\/\w+\/(\w+)\1/g, (_, quote, up, name) => {
            const shorter = up.slice(3);
            return `${quote}${shorter === '' ? './' : shorter}contracts/${name}${quote}`;
        });
        found.set(`types/${path}`, moved);
    }
    const shown = name === 'wrappers' ? found : reachable(found, Object.values(entries));
    for (const [entry, source] of Object.entries(entries)) {
        for (const kind of ['ts', 'mts']) shown.set(`${entry}.d.${kind}`, `export * from './types/${source}.js';\n`);
    }
    return shown;
}

/** The types that a program sees, from those of the entries on. Throws if they name a file that is not packed. */
function reachable(types, sources) {
    const shown = new Map();
    const queue = sources.map((source) => `types/${source}.d.ts`);
    for (let path = queue.pop(); path !== undefined; path = queue.pop()) {
        if (shown.has(path)) continue;
        const text = types.get(path);
        if (text === undefined) throw new Error(`a public type needs ${path}, which is not packed`);
        shown.set(path, text);
        for (const [, other] of text.matchAll(/(?:from|import\()\s*'(\.[^']+)'/g)) {
            queue.push(posix(join(dirname(path), `${other.replace(/\.js$/, '')}.d.ts`)));
        }
    }
    return shown;
}

/** The TL-B, the ABI of each contract and the vectors of signed payloads, by their path in dist. */
function schemaFiles() {
    const read = (path) => readFileSync(join(root, path), 'utf8');
    const { projects } = JSON.parse(read('tact.config.json'));
    const contracts = projects.map(({ name }) => name).filter((name) => !FOR_TESTS.includes(name));
    const vectors = readdirSync(join(root, 'tests/vectors')).sort();
    return new Map([
        ['schema/schema.tlb', read('docs/schema.tlb')],
        ...contracts.map((name) => [`schema/abi/${name}.json`, read(`build/${name}/${name}_${name}.abi`)]),
        ...vectors.map((file) => [`schema/vectors/${file}`, read(`tests/vectors/${file}`)]),
    ]);
}

/** Under its own name only once it is whole: another process may read it at any moment. */
function write(path, contents) {
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(`${path}.${process.pid}`, contents);
    renameSync(`${path}.${process.pid}`, path);
}

/** `types: false` leaves the types out, which take most of the time. */
export async function makePackage(name, dist, { types: withTypes = true } = {}) {
    const esbuild = await import('esbuild');
    const platforms = isForNodeAlone(name) ? ['node'] : ['node', 'web'];
    const made = await Promise.all(platforms.map((platform) => programs(esbuild, name, platform)));
    const files = new Map([...made.flatMap((each) => [...each.files]), ...(withTypes ? types(name) : [])]);
    const others = made.flatMap(({ inputs }) => inputs).filter((file) => !packages[name].own.test(file));
    if (others.length > 0) files.set(LICENCES, licencesOf(others, `@cocoon-market/${name}`));
    if (packages[name].schema) schemaFiles().forEach((contents, file) => files.set(file, contents));
    for (const [file, contents] of files) write(join(dist, file), contents);
    for (const entry of readdirSync(dist, { recursive: true, withFileTypes: true })) {
        const path = join(entry.parentPath, entry.name);
        if (entry.isFile() && !files.has(posix(relative(dist, path)))) rmSync(path, { force: true });
    }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
    try {
        const names = process.argv.length > 2 ? process.argv.slice(2) : ['wrappers'];
        for (const name of names) await makePackage(name, join(root, name, 'dist'));
    } catch (error) {
        console.error(`package: ${error.message}`);
        process.exitCode = 1;
    }
}
