/**
 * Bundles the page into static files for any host.
 *
 * node build.mjs --url URL --settings FILE [--out FOLDER]
 *   --url       where the page will be, which wallets show to their owners
 *   --settings  what the page reads as market.json, such as market.example.json
 *   --out       dist unless given
 */
import { cpSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const here = fileURLToPath(new URL('.', import.meta.url));

/** Builds the page. `settings`: the text of market.json; `isLocal` adds the wallet for local networks. */
export async function buildPage({ url, settings, out, isLocal = false }) {
    for (const name of ['client', 'wrappers']) {
        if (!existsSync(join(here, 'node_modules/@cocoon-market', name, 'package.json'))) {
            throw new Error(`@cocoon-market/${name} is not installed: run "npm run packages" first`);
        }
    }
    const { build } = await import('esbuild');
    rmSync(out, { recursive: true, force: true });
    mkdirSync(out, { recursive: true });
    const page = join(here, 'page');
    await build({
        absWorkingDir: here,
        entryPoints: { main: join(page, 'main.js'), ...(isLocal && { wallet: join(here, 'local/wallet.js') }) },
        outdir: out,
        bundle: true,
        minify: true,
        format: 'esm',
        platform: 'browser',
        target: 'es2022',
        legalComments: 'linked',
        tsconfigRaw: '{}', // in a checkout the packages are those in node_modules too
        logLevel: 'warning',
    });
    const html = readFileSync(join(page, 'index.html'), 'utf8');
    const main = '<script type="module" src="./main.js"></script>';
    const local = `<script type="module" src="./wallet.js"></script>\n        ${main}`;
    writeFileSync(join(out, 'index.html'), isLocal ? html.replace(main, local) : html);
    cpSync(join(page, 'page.css'), join(out, 'page.css'));
    cpSync(join(page, 'icon.png'), join(out, 'icon.png'));
    writeFileSync(join(out, 'market.json'), settings);
    const at = new URL(url).href.replace(/\/$/, '');
    const manifest = { url: at, name: 'Cocoon', iconUrl: `${at}/icon.png` };
    writeFileSync(join(out, 'tonconnect-manifest.json'), JSON.stringify(manifest, null, 4));
}

export const DEFAULT_OUT = join(here, 'dist');

if (process.argv[1] === fileURLToPath(import.meta.url)) {
    try {
        const { values } = parseArgs({
            options: {
                url: { type: 'string' },
                settings: { type: 'string' },
                out: { type: 'string', default: DEFAULT_OUT },
            },
        });
        const { url, settings, out } = values;
        if (url === undefined || settings === undefined) throw new Error('--url and --settings are needed');
        await buildPage({ url, settings: readFileSync(settings, 'utf8'), out });
        console.log(`The page is in ${out}`);
    } catch (error) {
        console.error(`build: ${error.message}`);
        process.exitCode = 1;
    }
}
