/**
 * Drives the gateway's page in headless Chromium: against a running gateway with a local network and a worker, and with
 * the data of a busy one. Screenshots of three widths, light and dark, go into a temporary folder.
 *
 * npm run test:page   exit code 1 if anything fails, or if there is no Chromium
 */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { requireSound, runChecks, seriousFindings, shoot, withChromium, withPage } from './browser.mjs';
import { busy } from './busy.mjs';

const require = createRequire(import.meta.url);
const WIDTHS = [360, 768, 1280];
const COCOON = new URL('../../offchain/bin/cocoon.js', import.meta.url).pathname;

/** Opens the page; throws at the end if a script failed, or anything was asked of another host. */
const openPage = ({ browser, pageUrl }, { width = 1280, colorScheme = 'light', prepare }, use) => {
    const isOwn = (asked) => asked.startsWith(pageUrl) || asked.startsWith('data:');
    const viewport = { width, height: 900 };
    return withPage(browser, { address: pageUrl, isOwn, prepare, viewport, colorScheme }, use);
};

const post = (url, body) =>
    fetch(url, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) });
const withText = (page, id, text) =>
    page.waitForFunction(([one, words]) => document.getElementById(one).textContent.includes(words), [id, text], {
        timeout: 15_000,
    });
const serveBusy = (page) => page.route('**/page/data', (route) => route.fulfill({ json: busy }));

const checks = {
    'a new gateway has money, a node, and no jobs': async (at) => {
        await openPage(at, {}, async (page) => {
            await withText(page, 'state', 'Running');
            await withText(page, 'money', '80');
            await withText(page, 'jobs', 'No job yet');
            await withText(page, 'nodes', '1 of 1 node');
            await shoot(page, at.folder, 'new-1280');
        });
    },
    'a question shows as job, spend, speed and count, without the page being loaded again': async (at) => {
        await openPage(at, {}, async (page) => {
            await withText(page, 'state', 'Running');
            const messages = [{ role: 'user', content: 'What is a voucher?' }];
            const body = { model: at.model, messages, max_tokens: 30 };
            assert.equal((await post(`${at.baseUrl}/chat/completions`, body)).status, 200);
            assert.equal((await post(`${at.baseUrl}/chat/completions`, { ...body, model: 'none' })).status, 404);
            await withText(page, 'jobs', 'open');
            await withText(page, 'by-model', at.model);
            await withText(page, 'nodes', 'tokens/s');
            await withText(page, 'errors', 'model_not_found');
            const text = await page.textContent('body');
            assert.ok(!text.includes('What is a voucher') && !text.includes('signature over'));
        });
    },
    'the page has rules that keep out scripts of others': async ({ pageUrl }) => {
        const { headers } = await fetch(pageUrl);
        assert.match(headers.get('content-security-policy'), /default-src 'none'; script-src 'self';/);
        const foreign = { headers: { 'sec-fetch-site': 'cross-site' } };
        assert.equal((await fetch(`${pageUrl}page/data`, foreign)).status, 403);
    },
    ...Object.fromEntries(
        WIDTHS.flatMap((width) =>
            ['light', 'dark'].map((colorScheme) => [
                `at ${width} px, ${colorScheme}, everything fits and axe finds nothing serious`,
                async (at) => {
                    for (const [name, prepare] of [['live'], ['busy', serveBusy]]) {
                        await openPage(at, { width, colorScheme, prepare }, async (page) => {
                            await withText(page, 'state', 'Running');
                            await page.click('summary');
                            await requireSound(page, at.folder, `${name}-${width}-${colorScheme}`);
                        });
                    }
                },
            ]),
        ),
    ),
    'a keyboard reaches the skip link, the buttons and the tables': async (at) => {
        await openPage(at, {}, async (page) => {
            await withText(page, 'state', 'Running');
            const reached = [];
            for (let i = 0; i < 4; i++) {
                await page.keyboard.press('Tab');
                reached.push(await page.evaluate(() => document.activeElement.textContent.trim()));
            }
            assert.deepEqual(reached.slice(0, 3), ['Skip to the content', 'Pause', 'Spend by day as a table']);
            await page.focus('#pause');
            await page.keyboard.press('Enter');
            assert.equal(await page.textContent('#pause'), 'Resume');
        });
    },
    'the page works while the chain does not answer': async (at) => {
        const params = { method: 'getAddressInformation', disturbance: { kind: 'down', status: 502 }, times: 10_000 };
        const disturb = (times) => post(at.chainUrl, { method: 'localnet_disturb', params: { ...params, times } });
        assert.equal((await disturb(1000)).status, 200);
        try {
            await openPage(at, {}, async (page) => {
                await page.waitForFunction(() => !document.getElementById('problem').hidden, undefined, {
                    timeout: 60_000,
                });
                await withText(page, 'money', 'Balance');
                await withText(page, 'jobs', 'open');
                await shoot(page, at.folder, 'chain-down-1280');
            });
        } finally {
            await disturb(0);
        }
    },
    'with keys it asks for one, takes a wrong one not, and shows a key its own spend': async (at) => {
        const url = new URL(at.baseUrl).origin;
        const cocoon = (...args) =>
            execFileSync(process.execPath, [COCOON, ...args, '--url', url], { encoding: 'utf8' });
        const { secret } = JSON.parse(cocoon('keys', 'create', '--name', 'web', '--daily', '1', '--json'));
        await openPage(at, { width: 360 }, async (page) => {
            await withText(page, 'state', 'Needs a key');
            assert.equal(await page.isVisible('#sections'), false);
            assert.deepEqual(await seriousFindings(page), []);
            await shoot(page, at.folder, 'door-360');
            await page.fill('#key', 'sk-cocoon-wrong');
            await page.keyboard.press('Enter');
            await withText(page, 'door-problem', 'is not one of this gateway');
            await page.fill('#key', secret);
            await page.keyboard.press('Enter');
            await withText(page, 'day', 'Your daily budget');
            await withText(page, 'by-model', 'Nothing was spent');
            await page.click('#forget');
            await withText(page, 'state', 'Needs a key');
        });
    },
};

await withChromium(async (browser) => {
    require('../../tooling/typescript.js');
    const { startPlayground } = require('../../demo/lasting.ts');
    const { endAll } = require('../../demo/processes.ts');
    const folder = mkdtempSync(join(tmpdir(), 'cocoon-page-'));
    const running = await startPlayground({ folder: undefined, port: 0 }, (step) => console.log(`${step} …`));
    try {
        await runChecks(checks, { browser, folder, ...running.playground });
    } finally {
        await running.close();
        endAll();
    }
});
