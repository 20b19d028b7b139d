/**
 * Drives the page that buys in headless Chromium, against a local network, a market and a worker: the whole way from an
 * empty wallet to the deposit at home, at three widths, and everything that can go wrong on it.
 *
 * npm run test:buy [-- WORDS …]   with words, only checks whose name has one of them. Exit code 1 if anything fails, or
 *                                 if there is no Chromium
 */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { buildPage } from '../../examples/buy-page/build.mjs';
import { localSettings, serve } from '../../examples/buy-page/serve.mjs';
import { findChromium, openBrowser } from '../page/browser.mjs';
import { Visit } from './visit.mjs';
import { wholeWay } from './wholeWay.mjs';
import * as troubles from './troubles.mjs';

const require = createRequire(import.meta.url);
const example = fileURLToPath(new URL('../../examples/buy-page/', import.meta.url));

const SIZES = [
    { width: 360, height: 780, colorScheme: 'light', trouble: 'wallet says no' },
    { width: 1024, height: 800, colorScheme: 'dark', trouble: 'reloads' },
    { width: 1920, height: 1080, colorScheme: 'light', trouble: 'two tabs' },
];

async function run(path) {
    execFileSync(process.execPath, ['packages.mjs'], { cwd: example, stdio: ['ignore', 'ignore', 'inherit'] });
    require('../../tooling/typescript.js');
    const { startBuyMarket } = require('./market.ts');
    const { formatTon } = require('../../wrappers/index.ts');
    const folder = mkdtempSync(join(tmpdir(), 'cocoon-buy-'));
    const market = await startBuyMarket();
    const out = join(folder, 'site');
    const site = await serve(out);
    const settings = { chain: market.stage.network.url, registry: market.registry.toRawString(), model: market.model };
    await buildPage({ url: site.url, settings: localSettings(settings), out, isLocal: true });
    const browser = await openBrowser(path);
    const { close: closeMarket, ...parts } = market;
    const at = { ...parts, browser, folder, formatTon, url: site.url };
    let [passed, failed] = [0, 0];
    const only = process.argv.slice(2);
    const check = async (name, use) => {
        if (only.length > 0 && !only.some((words) => name.includes(words))) return;
        const start = performance.now();
        const visit = new Visit(at);
        try {
            await use(visit);
            await visit.close();
            passed++;
            console.log(`ok    ${name} (${((performance.now() - start) / 1000).toFixed(1)} s)`);
        } catch (error) {
            failed++;
            await visit.shoot(`failed-${failed}`).catch(() => undefined);
            console.log(
                `FAIL  ${name}\n      ${`${visit.problems.join(' ')} ${visit.failures.slice(-5).join(', ')} ${error.stack}`.slice(0, 1500).replaceAll('\n', '\n      ')}`,
            );
            await visit.end();
        }
    };
    try {
        for (const size of SIZES) {
            await check(`the whole way at ${size.width} px, ${size.colorScheme}, with ${size.trouble}`, (visit) =>
                wholeWay(visit, size),
            );
        }
        for (const [name, use] of Object.entries(troubles.checks)) {
            await check(name, use);
        }
    } finally {
        await browser.close();
        await site.close();
        await closeMarket();
    }
    console.log(`screenshots in ${folder}`);
    console.log(`${passed} passed, ${failed} failed`);
    assert.ok(passed + failed > 0);
    process.exitCode = failed === 0 ? 0 : 1;
}

const executable = findChromium();
if (executable === undefined) {
    console.error(
        'No Chromium was found: install it (Debian: "apt-get install chromium"), or name its path in CHROMIUM',
    );
    process.exitCode = 1;
} else {
    await run(executable);
}
