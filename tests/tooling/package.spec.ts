/** The package `@cocoon-market/cli`: what npm packs of it, and what it needs of others. */
import { execFileSync, spawnSync } from 'node:child_process';
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { builtinModules } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { program } from '../../tooling/programs';

interface Manifest {
    version: string;
    engines: { node: string };
    dependencies: Record<string, string>;
}

const ROOT = join(__dirname, '../..');
const read = (file: string) => readFileSync(join(ROOT, file), 'utf8');
const manifestOf = (file: string) => JSON.parse(read(file)) as Manifest;

describe('The package of the cocoon command', () => {
    let cocoon: string;
    beforeAll(() => {
        cocoon = program('cocoon');
    });

    it('has the version, the licence and the versions of Node.js of the repository', () => {
        const [ours, whole] = [manifestOf('offchain/package.json'), manifestOf('package.json')];

        expect([ours.version, ours.engines]).toEqual([whole.version, whole.engines]);
        expect(read('offchain/LICENSE')).toBe(read('LICENSE'));
        const printed = execFileSync(process.execPath, [cocoon, '--version'], { encoding: 'utf8' });
        expect(printed).toBe(`${whole.version}\n`);
    });

    it('depends on one native package, and its code imports nothing else', () => {
        const { dependencies } = manifestOf('offchain/package.json');
        const imported = readdirSync(join(ROOT, 'offchain/dist'))
            .filter((file) => file.endsWith('.mjs'))
            .flatMap((file) =>
                Array.from(read(`offchain/dist/${file}`).matchAll(/^(?:import|\} from).*?["']([^"'./][^"']*)["'];$/gm)),
            )
            .map(([, name]) => name.replace(/^node:/, ''))
            .filter((name) => !builtinModules.includes(name));

        expect(Object.keys(dependencies)).toEqual(['better-sqlite3']);
        expect(new Set(imported)).toEqual(new Set(['better-sqlite3']));
    });

    it('loads little before it knows the command', () => {
        const loaded = new Set<string>();
        const load = (file: string) => {
            if (!loaded.has(file)) {
                loaded.add(file);
                const imports = read(`offchain/dist/${file}`).matchAll(
                    /^(?:import|\} from).*?["']\.\/([^"']+)["'];$/gm,
                );
                Array.from(imports, ([, imported]) => load(imported));
            }
        };
        load('cocoon.mjs');
        const bytes = [...loaded].reduce((sum, file) => sum + read(`offchain/dist/${file}`).length, 0);

        // Measured at 134 KB, most of it commander: "cocoon --help" takes a sixth of a second.
        expect(bytes).toBeLessThan(300_000);
    });

    it('contains the bundle, the pages, the model and the vocabularies, and no source or secret', () => {
        const pack = ['pack', '--workspace', 'offchain', '--dry-run', '--json', '--ignore-scripts'];
        const [{ files }] = JSON.parse(execFileSync('npm', pack, { cwd: ROOT, encoding: 'utf8' })) as [
            { files: { path: string }[] },
        ];
        const paths = files.map(({ path }) => path);

        expect(paths).toEqual(
            expect.arrayContaining([
                'LICENSE',
                'README.md',
                'backend/embedded/weights/weights.safetensors',
                'bin/cocoon.js',
                'bin/node.js',
                'dist/LICENSES.txt',
                'dist/cocoon.mjs',
                'gateway/page/index.html',
                'package.json',
                'settings.md',
                'tokens/vocabularies/qwen.merges.br',
            ]),
        );
        expect(paths.filter((path) => /\.ts$|\.sqlite|key\.json/.test(path))).toEqual([]);
    });

    it('names the licence of each package in the bundle', () => {
        const licences = read('offchain/dist/LICENSES.txt');

        for (const name of ['@ton/core', 'fastify', 'kysely', 'undici', 'zod']) {
            expect(licences).toMatch(new RegExp(`^${name} \\d+\\.\\d+\\.\\d+ \\(`, 'm'));
        }
    });

    it('says what to do where nothing was built', () => {
        const folder = mkdtempSync(join(tmpdir(), 'cocoon-package-'));
        try {
            cpSync(join(ROOT, 'offchain/bin'), join(folder, 'bin'), { recursive: true });
            cpSync(join(ROOT, 'offchain/package.json'), join(folder, 'package.json'));
            const { status, stderr } = spawnSync(process.execPath, ['bin/cocoon.js'], {
                cwd: folder,
                encoding: 'utf8',
            });

            expect([status, stderr]).toEqual([
                1,
                'cocoon: The program is not built: run "npm run build" in its checkout\n',
            ]);
        } finally {
            rmSync(folder, { recursive: true });
        }
    });
});
