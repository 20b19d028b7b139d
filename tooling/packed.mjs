// Packs wrappers, client and localnet as npm does and looks at what a user would get: the rules of publint and of "Are
// the types wrong", no file that names this repository, no module of Node.js for browsers, and the size of what a page
// loads.
import '../offchain/bin/node.js';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { root } from './files.mjs';

/** KB after minifying and gzip, without the peers and the wrappers: what a page loads that imports all of an entry. */
const LIMITS = { wrappers: { index: 140, market: 135, signed: 35, sealed: 35 }, client: { index: 95 }, localnet: {} };

/** Packs a package, the wrappers unless it is named, into a folder; returns the path of the file. */
export function pack(folder, name = 'wrappers') {
    const args = ['pack', '--workspace', name, '--json', '--pack-destination', folder];
    const output = execFileSync('npm', args, { cwd: root, encoding: 'utf8', env: npmEnvironment() });
    const [{ filename }] = JSON.parse(output);
    return join(folder, filename);
}

/** What `npm run` tells its scripts must not reach another npm. */
export function npmEnvironment() {
    const isOwn = ([name]) => !/^npm_(?!config_(registry|cache|userconfig)$)/i.test(name);
    return Object.fromEntries(Object.entries(process.env).filter(isOwn));
}

/** Unpacks a packed file; returns the folder of the package. */
export function unpack(file, folder) {
    execFileSync('tar', ['-xzf', file, '-C', folder]);
    return join(folder, 'package');
}

/** Kilobytes that a page loads for an entry. */
export async function sizeOf(folder, entry) {
    const { build } = await import('esbuild');
    const { outputFiles } = await build({
        entryPoints: [join(folder, `dist/web/${entry}.mjs`)],
        bundle: true,
        format: 'esm',
        platform: 'browser',
        minify: true,
        write: false,
        external: ['@ton/*', '@cocoon-market/*'],
    });
    return gzipSync(outputFiles[0].contents, { level: 9 }).length / 1000;
}

/**
 * Lines of files that name what only a checkout or only Node.js has. A package that depends on the sandbox is a network
 * for tests, which keeps its state in files.
 */
export function strangers(folder) {
    const files = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
    const { dependencies = {} } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
    const isForTests = '@ton/sandbox' in dependencies;
    return files.flatMap(({ parentPath, name }) => {
        const path = join(parentPath, name);
        const file = relative(folder, path);
        if (!file.startsWith('dist')) return [];
        const text = readFileSync(path, 'utf8');
        const found = [];
        if (/\.ts$/.test(name) && !/\.d\.ts$/.test(name)) found.push('is TypeScript');
        if (/from ['"](?:\.\.\/)+build\/|__dirname/.test(text)) found.push('needs a checkout');
        if (!isForTests && text.includes('readFileSync')) found.push('reads files');
        if (!isForTests && /sandbox|Probe_Probe|Foreign_Foreign/.test(text)) found.push('has what only tests use');
        if (
            /^dist\/web/.test(file) &&
            /(?:from|import|require)\s*\(?\s*['"](?:node:|crypto|buffer|util|stream)/.test(text)
        )
            found.push('needs Node.js');
        return found.map((reason) => `${file} ${reason}`);
    });
}

async function breaches(name, file, folder) {
    const [{ publint }, { formatMessage }, types] = await Promise.all([
        import('publint'),
        import('publint/utils'),
        import('@arethetypeswrong/core'),
    ]);
    const tarball = readFileSync(file);
    const bytes = tarball.buffer.slice(tarball.byteOffset, tarball.byteOffset + tarball.length);
    const { messages, pkg } = await publint({ pack: { tarball: bytes }, strict: true });
    const analysis = await types.checkPackage(types.createPackageFromTarballData(new Uint8Array(tarball)));
    const unpacked = unpack(file, folder);
    const sizes = await Promise.all(
        Object.entries(LIMITS[name]).map(async ([entry, limit]) => ({
            entry,
            limit,
            size: await sizeOf(unpacked, entry),
        })),
    );
    for (const { entry, limit, size } of sizes) console.log(`${name} ${entry}: ${size.toFixed(1)} KB, of ${limit}`);
    return [
        ...messages.map((message) => `publint: ${formatMessage(message, pkg)}`),
        ...(analysis.problems ?? [{ kind: 'has no types' }]).map((problem) => `types: ${JSON.stringify(problem)}`),
        ...strangers(unpacked),
        ...sizes.filter(({ limit, size }) => size > limit).map(({ entry }) => `${entry} is larger than allowed`),
    ];
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
    const folder = mkdtempSync(join(tmpdir(), 'cocoon-packed-'));
    try {
        const found = [];
        for (const name of Object.keys(LIMITS)) {
            const own = mkdtempSync(join(folder, `${name}-`));
            found.push(...(await breaches(name, pack(own, name), own)));
        }
        found.forEach((breach) => console.error(breach));
        process.exitCode = found.length === 0 ? 0 : 1;
    } finally {
        rmSync(folder, { recursive: true, force: true });
    }
}
