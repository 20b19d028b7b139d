/** What the tests of pages share: finding Chromium, opening pages in it, and how checks are run and told. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { findChromium } from '../pack/chromium.mjs';

const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const SERIOUS = ['serious', 'critical'];

/** Calls `run` with a Chromium. Without one, says what to do, and the exit code is 1. */
export async function withChromium(run) {
    const executablePath = findChromium();
    if (executablePath === undefined) {
        console.error(
            'No Chromium was found: install it (Debian: "apt-get install chromium"), or name its path in CHROMIUM',
        );
        process.exitCode = 1;
        return;
    }
    const { chromium } = await import('playwright-core');
    const isRoot = process.getuid?.() === 0;
    const browser = await chromium.launch({ executablePath, args: isRoot ? ['--no-sandbox'] : [] });
    try {
        await run(browser);
    } finally {
        await browser.close();
    }
}

/** Runs each check with `at`, and tells what failed. The exit code is 1 if any did. */
export async function runChecks(checks, at) {
    let failed = 0;
    for (const [name, check] of Object.entries(checks)) {
        const start = performance.now();
        try {
            await check(at);
            console.log(`ok    ${name} (${((performance.now() - start) / 1000).toFixed(1)} s)`);
        } catch (error) {
            failed++;
            console.log(`FAIL  ${name}\n      ${String(error.message).replaceAll('\n', '\n      ')}`);
        }
    }
    const passed = Object.keys(checks).length - failed;
    console.log(`${passed} passed, ${failed} failed; screenshots in ${at.folder}`);
    assert.ok(passed + failed > 0, 'there was no check');
    process.exitCode = failed === 0 ? 0 : 1;
}

/** What the browser complained of. It reports each answer that is no success itself; the page says what it means. */
export function complaintsOf(page, isExpected = () => false) {
    const complaints = [];
    page.on('pageerror', (error) => complaints.push(error.message));
    page.on('console', (message) => {
        const text = message.text();
        if (message.type() === 'error' && !text.startsWith('Failed to load resource') && !isExpected(text)) {
            complaints.push(text);
        }
    });
    return complaints;
}

/**
 * Opens an address in a browser context of its own. Throws at the end if the browser complained, or if anything was
 * asked of a place that is not `isOwn`.
 */
export async function withPage(browser, { address, isOwn, prepare, ...context }, use) {
    const opened = await browser.newContext(context);
    try {
        const page = await opened.newPage();
        const complaints = complaintsOf(page);
        page.on('request', (request) => {
            if (!isOwn(request.url())) complaints.push(request.url());
        });
        await prepare?.(page);
        await page.goto(address);
        await use(page, opened);
        assert.deepEqual(complaints, []);
    } finally {
        await opened.close();
    }
}

/** The page fits, axe finds nothing serious, no text became markup; and a picture of it. */
export async function requireSound(page, folder, name) {
    await requireFitting(page);
    assert.deepEqual(await seriousFindings(page), []);
    assert.equal(await page.evaluate(() => globalThis.hole), undefined);
    await shoot(page, folder, name);
}

/** No part of the page is wider than the window. */
export async function requireFitting(page) {
    const [wide, width] = await page.evaluate(() => [
        globalThis.document.documentElement.scrollWidth,
        globalThis.innerWidth,
    ]);
    assert.ok(wide <= width, `at ${width} px the page is ${wide} px wide`);
}

export async function shoot(page, folder, name) {
    await page.screenshot({ path: join(folder, `${name}.png`), fullPage: true });
}

/** What axe finds that is serious or worse, one line each. The page's rules let no script in, so axe is evaluated. */
export async function seriousFindings(page) {
    await page.evaluate(AXE);
    const { violations } = await page.evaluate(() => globalThis.axe.run());
    return violations
        .filter(({ impact }) => SERIOUS.includes(impact))
        .map(
            ({ id, help, nodes }) =>
                `${id}: ${help} (${nodes
                    .map(({ target }) => target.join(' '))
                    .slice(0, 3)
                    .join('; ')})`,
        );
}
