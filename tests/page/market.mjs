/**
 * Drives the market page in headless Chromium: a market with real contracts, days of traffic and hostile listings, at
 * three widths, light and dark. Screenshots go into a temporary folder.
 *
 * npm run test:market   exit code 1 if anything fails, or if there is no Chromium
 */
import assert from 'node:assert/strict';
import { mkdtempSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { requireSound, runChecks, withChromium, withPage } from './browser.mjs';

const require = createRequire(import.meta.url);
const WIDTHS = [360, 1024, 1920];
const SCHEMES = ['light', 'dark'];
const HEIGHT = 900;
const MAX_SCRIPT = 100 * 1024; // bytes

async function start() {
    require('../../tooling/typescript.js');
    const { makeBusyMarket, MODELS, addHugeTexts } = require('../indexer/support/busyMarket.ts');
    const { TestIndex } = require('../indexer/support/index.ts');
    const { makeMarketServer } = require('../../offchain/marketPage/server.ts');
    const folder = mkdtempSync(join(tmpdir(), 'cocoon-market-page-'));
    console.log('a market with 12 days of traffic …');
    const { world, providers } = await makeBusyMarket({ days: 12 });
    const now = world.net.now();
    const store = join(folder, 'index.db');
    const index = await TestIndex.open(world, { store, now: () => now });
    await index.pass();
    await addHugeTexts(index.store, world, providers[0], now);
    const servers = [];
    const serve = async (options) => {
        const server = makeMarketServer({ store, now: () => now + 4, freshMs: 0, ...options });
        servers.push(server);
        return server.listen({ port: 0 });
    };
    const close = async () => {
        await Promise.all(servers.map((server) => server.close()));
        await index.close();
        await world.close();
    };
    const url = await serve({ models: ['a model that nobody sells'] });
    const first = providers[0].provider.address.toString({ testOnly: false });
    const hostile = providers[2].provider.address.toString({ testOnly: false });
    const paths = {
        ...{ market: '/', providers: '/providers', nodes: '/nodes', models: '/models', jobs: '/jobs', days: '/days' },
        ...{ demand: '/demand', definitions: '/definitions', slashes: '/slashes', provider: `/providers/${first}` },
        ...{ hostile: `/nodes/${hostile}/1`, huge: `/nodes/${first}/9`, model: `/models/${MODELS[0]}` },
        job: `/jobs/${world.jobs[4].channel.address.toRawString()}`,
    };
    return { folder, url, serve, paths, now, store, close };
}

/** Opens a path; throws at the end if anything was asked of another host, or if there was a cookie or a script. */
const openPath = ({ browser, url }, { path = '/', width = 1024, colorScheme = 'light', scripts = true }, use) => {
    let scriptBytes = 0;
    const prepare = (page) =>
        page.on('response', async (response) => {
            if (response.request().resourceType() === 'script') scriptBytes += (await response.body()).length;
        });
    const isOwn = (asked) => asked.startsWith(url);
    const viewport = { width, height: HEIGHT };
    const options = { address: url + path, isOwn, prepare, viewport, colorScheme, javaScriptEnabled: scripts };
    return withPage(browser, options, async (page, context) => {
        await use(page);
        assert.ok(scriptBytes <= MAX_SCRIPT, `${scriptBytes} bytes of script`);
        assert.deepEqual(await context.cookies(), []);
    });
};

const checks = {
    ...Object.fromEntries(
        WIDTHS.flatMap((width) =>
            SCHEMES.map((colorScheme) => [
                `at ${width} px, ${colorScheme}, every page fits and axe finds nothing serious`,
                async (at) => {
                    for (const [name, path] of Object.entries(at.paths)) {
                        await openPath(at, { path, width, colorScheme }, (page) =>
                            requireSound(page, at.folder, `${name}-${width}-${colorScheme}`).catch((error) => {
                                throw new Error(`${path}: ${error.message}`);
                            }),
                        );
                    }
                },
            ]),
        ),
    ),
    'the first screen says whether the market lives and what it pays, also without scripts': async (at) => {
        for (const width of WIDTHS) {
            await openPath(at, { width, scripts: false }, async (page) => {
                for (const text of ['The market is alive', 'Paid today', 'Jobs settled today', 'GPUs for rent']) {
                    const box = await page.getByText(text, { exact: true }).first().boundingBox();
                    assert.ok(box.y + box.height < HEIGHT, `${text} is at ${box.y} px of ${HEIGHT} at ${width} px`);
                }
                assert.ok(Number(await page.locator('.big data').first().getAttribute('value')) > 0);
            });
        }
    },
    'a name that is a script is text': async (at) => {
        await openPath(at, { path: at.paths.hostile }, async (page) => {
            assert.ok((await page.textContent('main')).includes('<script>hole = true</script>'));
            assert.ok((await page.textContent('main')).includes('[U+202E]'));
            assert.equal(await page.locator('script').count(), 0);
        });
    },
    'a keyboard reaches the skip link, and the search finds the history of a job': async (at) => {
        await openPath(at, { path: '/jobs' }, async (page) => {
            await page.keyboard.press('Tab');
            assert.equal(await page.evaluate(() => document.activeElement.textContent), 'Skip to the content');
            await page.fill('#address', 'not an address');
            await page.keyboard.press('Enter');
            await page.getByText('This index has no job at that address.').waitFor();
            await page.fill('#address', at.paths.job.slice('/jobs/'.length));
            await page.keyboard.press('Enter');
            await page.getByText('The client opened it, with this deposit').waitFor();
        });
    },
    'a heading of a number leads to its definition': async (at) => {
        await openPath(at, {}, async (page) => {
            await page.getByRole('link', { name: 'Earned by a GPU a day' }).click();
            await page.locator('#perGpuDay:target').waitFor();
        });
    },
    'a stale index and an absent one are said plainly': async (at) => {
        const stale = await at.serve({ now: () => at.now + 7 * 3600 });
        const absent = await at.serve({ store: join(at.folder, 'none.db') });
        for (const [name, url, words] of [
            ['stale', stale, 'The chain was last read 7 hours ago'],
            ['absent', absent, 'There is no index yet'],
        ]) {
            for (const width of [360, 1024]) {
                await openPath({ ...at, url }, { width }, async (page) => {
                    await page.getByText(words).first().waitFor();
                    await requireSound(page, at.folder, `${name}-${width}`);
                });
            }
        }
    },
};

await withChromium(async (browser) => {
    const at = await start();
    try {
        await runChecks(checks, { browser, ...at });
    } finally {
        await at.close();
    }
});
