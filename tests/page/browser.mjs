/** Finds Chromium, and opens pages in it. */
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';

const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const SERIOUS = ['serious', 'critical'];

export { findChromium } from '../pack/chromium.mjs';

/** Starts the browser. */
export async function openBrowser(executablePath) {
    const { chromium } = await import('playwright-core');
    const isRoot = process.getuid?.() === 0;
    return chromium.launch({ executablePath, args: isRoot ? ['--no-sandbox'] : [] });
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
