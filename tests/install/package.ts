/** Packs the `cocoon` command as npm does, and installs the file in an empty folder. */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { program } from '../../tooling/programs';

const ROOT = join(__dirname, '../..');
const NAME = '@cocoon-market/cli';
const NATIVE = 'better-sqlite3';

/** Makes the package's file in the folder and returns its path. */
export function pack(folder: string): string {
    program('cocoon'); // built as tests use it; prepack would only find that it is fresh
    const args = ['pack', '--workspace', 'offchain', '--json', '--ignore-scripts', '--pack-destination', folder];
    const [{ filename }] = JSON.parse(npm(args, ROOT)) as [{ filename: string }];
    return join(folder, filename);
}

/** Installs with npm, as an owner does; returns the path of the command. */
export function install(file: string, folder: string): string {
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, 'package.json'), '{}');
    npm(['install', '--no-audit', '--no-fund', '--prefer-offline', file], folder, prebuilt(folder));
    return commandIn(folder);
}

/** Installs without npm and its registry: the package's files, and a link to the native package of this checkout. */
export function unpack(file: string, folder: string): string {
    const own = join(folder, 'node_modules', NAME);
    mkdirSync(own, { recursive: true });
    execFileSync('tar', ['-xzf', file, '-C', own, '--strip-components=1']);
    // The package loads its native code by these two names.
    for (const name of [NATIVE, 'bindings', 'file-uri-to-path']) {
        symlinkSync(join(ROOT, 'node_modules', name), join(folder, 'node_modules', name));
    }
    return commandIn(folder);
}

const commandIn = (folder: string) => join(folder, 'node_modules', NAME, 'bin/cocoon.js');

/**
 * Where the registry's binary of the native package is out of reach, npm compiles it, which takes minutes. This
 * environment gives it the binary of this checkout: `prebuild-install` looks into the folder before it downloads, for a
 * file with the name of the download.
 */
function prebuilt(folder: string): Record<string, string> {
    const binary = 'build/Release/better_sqlite3.node';
    const from = join(ROOT, 'node_modules', NATIVE);
    const { version } = JSON.parse(readFileSync(join(from, 'package.json'), 'utf8')) as { version: string };
    if (!existsSync(join(from, binary))) {
        return {};
    }
    const prebuilds = mkdtempSync(join(folder, 'prebuilds-'));
    const { modules } = process.versions;
    const name = `${NATIVE}-v${version}-node-v${modules}-${process.platform}-${process.arch}.tar.gz`;
    execFileSync('tar', ['-czf', join(prebuilds, name), '-C', from, binary]);
    return { npm_config_better_sqlite3_local_prebuilds: prebuilds };
}

function npm(args: string[], cwd: string, env: Record<string, string> = {}): string {
    // What `npm run` tells its scripts must not reach another npm.
    const outer = Object.entries(process.env).filter(
        ([name]) => !/^npm_(?!config_(registry|cache|userconfig)$)/i.test(name),
    );
    return execFileSync('npm', args, { cwd, env: { ...Object.fromEntries(outer), ...env }, encoding: 'utf8' });
}
