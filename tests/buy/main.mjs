/**
 * Drives the page that buys in headless Chromium, against a local network, a market and a worker: the whole way from an
 * empty wallet to the deposit at home, at three widths, and everything that can go wrong on it.
 *
 * npm run test:buy [-- WORDS …]   with words, only checks whose name has one of them. Exit code 1 if anything fails, or
 *                                 if there is no Chromium
 */
import { execFileSync } from 'node:child_process';
import { mkdtempSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { buildPage } from '../../examples/buy-page/build.mjs';
import { localSettings, serve } from '../../examples/buy-page/serve.mjs';
import { runChecks, withChromium } from '../page/browser.mjs';
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

/** A check as a visit; its problems are told with what failed. */
const visiting = (use) => async (at) => {
    const visit = new Visit(at);
    try {
        await use(visit);
        await visit.close();
    } catch (error) {
        await visit.shoot(`failed-${visit.number}`).catch(() => undefined);
        await visit.end();
        const also = [...visit.problems, ...visit.failures.slice(-5)].join(', ');
        throw new Error(`${also} ${error.stack}`.slice(0, 1500), { cause: error });
    }
};

const wholeWays = SIZES.map((size) => [
    `the whole way at ${size.width} px, ${size.colorScheme}, with ${size.trouble}`,
    (visit) => wholeWay(visit, size),
]);

await withChromium(async (browser) => {
    execFileSync(process.execPath, ['packages.mjs'], { cwd: example, stdio: ['ignore', 'ignore', 'inherit'] });
    require('../../tooling/typescript.js');
    const { startBuyMarket } = require('./market.ts');
    const { formatTon } = require('../../wrappers/index.ts');
    const folder = mkdtempSync(join(tmpdir(), 'cocoon-buy-'));
    const { close, ...market } = await startBuyMarket();
    const out = join(folder, 'site');
    const site = await serve(out);
    try {
        const settings = { chain: market.stage.network.url, registry: market.registry.toRawString() };
        const text = localSettings({ ...settings, model: market.model });
        await buildPage({ url: site.url, settings: text, out, isLocal: true });
        const only = process.argv.slice(2);
        const all = [...wholeWays, ...Object.entries(troubles.checks)].filter(
            ([name]) => only.length === 0 || only.some((words) => name.includes(words)),
        );
        const checks = Object.fromEntries(all.map(([name, use]) => [name, visiting(use)]));
        await runChecks(checks, { ...market, browser, folder, formatTon, url: site.url });
    } finally {
        await site.close();
        await close();
    }
});
