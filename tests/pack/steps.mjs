/** What `npm run test:pack` and its short form in `npm test` do with the packed wrappers and client. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { cpSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { root } from '../../tooling/files.mjs';
import { npmEnvironment } from '../../tooling/packed.mjs';
import { tools } from '../../tooling/tools.mjs';

const PACKAGE = '@cocoon-market/wrappers';
const CLIENT = '@cocoon-market/client';
const FIXTURES = join(root, 'tests/pack/fixtures');

/** What no program that uses the packages has to install. */
const STRANGERS = /jest|fastify|sandbox|tact|blueprint|func-js|tolk|sqlite|esbuild|typescript|noble|hpke/;

const node = (args, cwd) => execFileSync(process.execPath, args, { cwd, encoding: 'utf8' });
const npm = (args, cwd) => execFileSync('npm', args, { cwd, encoding: 'utf8', env: npmEnvironment() });

/** Installs packed files in an empty folder, with other packages. */
export function install(files, folder, others) {
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, 'package.json'), '{ "private": true }');
    npm(['install', '--no-audit', '--no-fund', '--prefer-offline', '--ignore-scripts', ...files, ...others], folder);
}

/** Nothing is installed with the packages but their peers and what these need. */
export function checkTree(folder) {
    const names =
        npm(['ls', '--all', '--parseable'], folder).match(/(?<=node_modules\/)(?:@[^/\n]+\/)?[^/\n]+$/gm) ?? [];
    const wrong = names.filter((name) => STRANGERS.test(name));
    assert.deepEqual(wrong, [], 'these were installed with the packages');
    const stated = (name) => JSON.parse(readFileSync(join(folder, 'node_modules', name, 'package.json'), 'utf8'));
    assert.equal(stated(PACKAGE).dependencies, undefined, 'the wrappers have dependencies besides their peers');
    assert.deepEqual(stated(CLIENT).dependencies, { [PACKAGE]: stated(PACKAGE).version });
}

const PARTS = ['signed', 'sealed', 'market'].map((part) => `${part}: '${PACKAGE}/${part}'`).join(', ');
const NEEDS = `wrappers: '${PACKAGE}', ${PARTS}, core: '@ton/core'`;
const NEEDS_OF_CLIENT = `client: '${CLIENT}', file: '${CLIENT}/file'`;

/** Runs the probe in Node.js, by `require` or by `import`; returns what it computes. */
export function runProbe(folder, kind, given, { withClient = true } = {}) {
    const needs = withClient ? `${NEEDS}, ${NEEDS_OF_CLIENT}` : NEEDS;
    cpSync(join(FIXTURES, 'probe.js'), join(folder, 'probe.cjs'));
    const load = kind === 'require' ? 'require(name)' : 'await import(name)';
    const lines = [
        kind === 'require'
            ? `const { probe } = require('./probe.cjs');`
            : `import { createRequire } from 'node:module'; const { probe } = createRequire(import.meta.url)('./probe.cjs');`,
        `async function main() {`,
        `    const parts = {};`,
        `    for (const [part, name] of Object.entries({ ${needs} })) parts[part] = ${load};`,
        `    console.log(JSON.stringify(await probe(parts, ${JSON.stringify(given)})));`,
        `}`,
        `main();`,
    ];
    const file = kind === 'require' ? 'run.cjs' : 'run.mjs';
    writeFileSync(join(folder, file), lines.join('\n'));
    return JSON.parse(node([file], folder));
}

/** Ways in which programs resolve types: the compiler's options, and how the file is called. */
export const resolutions = {
    node10: { options: ['--module', 'commonjs', '--moduleResolution', 'node10'], file: 'use.ts' },
    'node16 as CommonJS': { options: ['--module', 'node16', '--moduleResolution', 'node16'], file: 'use.cts' },
    'node16 as ES module': { options: ['--module', 'node16', '--moduleResolution', 'node16'], file: 'use.mts' },
    bundler: { options: ['--module', 'esnext', '--moduleResolution', 'bundler'], file: 'use.ts' },
};

/** Checks types as a program does that checks its libraries too. */
export function checkTypes(folder, { options, file }) {
    checkText(folder, file, readFileSync(join(FIXTURES, 'use.ts'), 'utf8'), { options });
}

/** Checks the types of a program in the same way. */
export function checkText(folder, file, text, { options }) {
    writeFileSync(join(folder, file), text);
    const rules = ['--noEmit', '--strict', '--target', 'es2022', '--lib', 'es2022,dom', '--types', 'node'];
    try {
        node([tools.tsc, ...rules, ...options, file], folder);
    } catch (error) {
        throw new Error(String(error.stdout).slice(0, 2_000), { cause: error });
    }
}

const PAGE = [
    `import * as wrappers from '${PACKAGE}';`, // first, because it brings the Buffer that @ton/core wants
    `import * as signed from '${PACKAGE}/signed';`,
    `import * as sealed from '${PACKAGE}/sealed';`,
    `import * as market from '${PACKAGE}/market';`,
    `import * as client from '${CLIENT}';`,
    `import * as core from '@ton/core';`,
    `import { probe } from './probe.cjs';`,
    `globalThis.run = (given) => probe({ wrappers, signed, sealed, market, client, core }, given);`,
].join('\n');

const HTML = '<!doctype html><meta charset="utf-8"><title>page</title><script type="module" src="./page.js"></script>';

/** Writes the sources of a page that runs the probe; returns its entry. */
function pageSources(folder) {
    cpSync(join(FIXTURES, 'probe.js'), join(folder, 'probe.cjs'));
    writeFileSync(join(folder, 'page.js'), PAGE);
    writeFileSync(join(folder, 'index.html'), HTML);
    return join(folder, 'page.js');
}

/** Bundles a page with esbuild; returns the folder. Warnings are errors. */
export async function bundleWithEsbuild(folder) {
    const { build } = await import('esbuild');
    const outdir = join(folder, 'of-esbuild');
    const entryPoints = [pageSources(folder)];
    const options = { bundle: true, format: 'esm', platform: 'browser', target: 'es2022', logLevel: 'silent' };
    const { warnings } = await build({ entryPoints, outdir, absWorkingDir: folder, minify: true, ...options });
    assert.deepEqual(
        warnings.map(({ text }) => text),
        [],
    );
    writeFileSync(join(outdir, 'index.html'), HTML);
    return outdir;
}

/** Bundles the same page with vite; returns the folder. */
export async function bundleWithVite(folder) {
    pageSources(folder);
    const require = createRequire(join(root, 'tests/pack/package.json'));
    const { build } = await import(require.resolve('vite'));
    const warnings = [];
    const logger = { info() {}, warn: (text) => warnings.push(text), warnOnce: (text) => warnings.push(text) };
    const customLogger = { ...logger, error: logger.warn, clearScreen() {}, hasErrorLogged: () => false };
    await build({
        root: folder,
        customLogger: { ...customLogger, hasWarned: false },
        build: { outDir: 'of-vite', chunkSizeWarningLimit: 4_000 },
    });
    const external = warnings.filter((text) => /externalized|cocoon-market/.test(text) && !/@ton\/crypto/.test(text));
    assert.deepEqual(external, []);
    return join(folder, 'of-vite');
}

/** Serves a folder while `use` runs with its address. WebCrypto needs a secure context, which loopback is. */
export async function serving(folder, use) {
    const kinds = { html: 'text/html', js: 'text/javascript', css: 'text/css' };
    const server = createServer(({ url }, response) => {
        const path = url === '/' ? 'index.html' : url.slice(1).split('?')[0];
        try {
            const body = readFileSync(join(folder, path));
            response.writeHead(200, { 'content-type': kinds[path.split('.').at(-1)] ?? 'text/plain' }).end(body);
        } catch {
            response.writeHead(404).end();
        }
    });
    await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
    try {
        return await use(`http://127.0.0.1:${server.address().port}/`);
    } finally {
        server.close();
    }
}

/** Runs the probe in a page of Chromium; returns what it computes. */
export async function runInPage(url, executablePath, given) {
    const require = createRequire(join(root, 'tests/pack/package.json'));
    const { chromium } = require('playwright-core');
    const isRoot = process.getuid?.() === 0;
    const browser = await chromium.launch({ executablePath, args: isRoot ? ['--no-sandbox'] : [] });
    try {
        const page = await browser.newPage();
        const errors = [];
        page.on('pageerror', (error) => errors.push(error.message));
        await page.goto(url);
        await page
            .waitForFunction(() => typeof globalThis.run === 'function', undefined, { timeout: 20_000 })
            .catch(() => {
                throw new Error(`the page did not load: ${errors.join('; ')}`);
            });
        return await page.evaluate((each) => globalThis.run(each), given);
    } finally {
        await browser.close();
    }
}
