/**
 * Packs wrappers, client and localnet, installs the files in empty folders, and uses them as other programs do: types,
 * `require`, `import`, both ends of the range of @ton/core, bundles of esbuild and vite, and a page in headless
 * Chromium. The program of the client's README buys at a market on this machine, and the programs of the local
 * network's README run.
 *
 * npm run test:pack   exit code 1 if anything fails, or if there is no Chromium
 */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pack } from '../../tooling/packed.mjs';
import { findChromium } from './chromium.mjs';
import * as readme from './readme.mjs';
import * as steps from './steps.mjs';

const require = createRequire(import.meta.url);
const LOWEST = '0.60.0';
const HIGHEST = '0.63.1';
const LOWEST_OF_LOCALNET = '0.63.0';
const TYPES = '@types/node@20';

require('../../tooling/typescript.js');
const {
    acceptSession,
    AnswerSealer,
    encryptionKey,
    openRequest,
    querySecret,
} = require('../../offchain/link/sealing.ts');

async function main() {
    const chromium = findChromium();
    if (chromium === undefined) throw new Error('There is no Chromium: install it, or name it with CHROMIUM');
    const folder = mkdtempSync(join(tmpdir(), 'cocoon-pack-'));
    const key = await encryptionKey(Buffer.alloc(32, 8));
    const answer = new AnswerSealer(Buffer.alloc(32, 10), 1, Buffer.alloc(16, 11)).seal(Buffer.from('hi'), {
        final: true,
    });
    const given = { nodeKey: key.publicKey.toString('hex'), answer: answer.toString('hex') };
    let failed = 0;
    const step = async (name, check) => {
        const start = performance.now();
        try {
            await check();
            console.log(`ok    ${name} (${((performance.now() - start) / 1000).toFixed(1)} s)`);
        } catch (error) {
            failed++;
            console.log(`FAIL  ${name}\n      ${String(error.message).replaceAll('\n', '\n      ')}`);
        }
    };

    let expected;
    /** The same values as everywhere, and a query that the node opens. */
    const agrees = async ({ same, sealed, bought }) => {
        expected ??= same;
        assert.deepEqual(same, expected);
        assert.deepEqual([same.receipt, same.altered, same.equal, same.oneClass], [true, false, true, true]);
        assert.deepEqual(
            [same.right, same.wrong, same.opened, same.agreed],
            [true, ['signature', 'number'], 'hi', true],
        );
        const { escrow } = same;
        assert.deepEqual(bought, { escrow, code: 'over_limit', name: 'ClientError', jobs: 0, stored: 'stored' });
        assert.match(same.refusal, /^Voucher\.count must be a whole number/);
        const [enc, salt, text] = [sealed.enc, sealed.salt, sealed.sealed].map((each) => Buffer.from(each, 'hex'));
        const session = await acceptSession(key, enc, { job: Buffer.alloc(32, 3), wire: 'cocoon-market/2' });
        assert.equal(openRequest(querySecret(session, 1, salt), 1, text).toString(), '{"model":"m"}');
    };

    try {
        const files = ['wrappers', 'client'].map((name) => pack(folder, name));
        const app = join(folder, 'app');
        await step('install in an empty folder', () => steps.install(files, app, [TYPES]));
        await step('bring no server, test or compiler', () => steps.checkTree(app));
        for (const [name, how] of Object.entries(steps.resolutions)) {
            await step(`have types for ${name}`, () => steps.checkTypes(app, how));
        }
        for (const kind of ['require', 'import']) {
            await step(`work by ${kind}`, () => agrees(steps.runProbe(app, kind, given)));
        }
        for (const version of [LOWEST, HIGHEST]) {
            const other = join(folder, version);
            await step(`work with @ton/core ${version}`, async () => {
                steps.install(files, other, [`@ton/core@${version}`, TYPES]);
                await agrees(steps.runProbe(other, 'require', given));
                await agrees(steps.runProbe(other, 'import', given));
                steps.checkTypes(other, steps.resolutions.bundler);
            });
        }
        const buyer = join(folder, 'buyer');
        await step("open, pay, verify and settle with the program of the client's README", async () => {
            const { module, commonjs } = readme.programs();
            steps.install(files, buyer, ['@ton/ton@16.3.0', TYPES]);
            steps.checkText(buyer, 'buy.mts', module, steps.resolutions['node16 as ES module']);
            await readme.withMarket(async (market) => {
                await readme.buy(buyer, 'buy.mjs', module, market);
                await readme.buy(buyer, 'buy.cjs', commonjs, market);
            });
        });
        const localnet = pack(folder, 'localnet');
        for (const [versions, others] of [
            ['the peers that npm chooses', []],
            [`@ton/core ${LOWEST_OF_LOCALNET}`, [`@ton/core@${LOWEST_OF_LOCALNET}`]],
        ]) {
            await step(`run the local network by its README, with ${versions}`, async () => {
                const { pay, ask } = readme.networkPrograms();
                const tests = join(folder, `tests-${others.length}`);
                steps.install([localnet], tests, [...others, TYPES]);
                for (const text of [pay, ask]) {
                    steps.checkText(tests, 'use.mts', text, steps.resolutions['node16 as ES module']);
                }
                await readme.payOnNetwork(tests, pay);
                await readme.askNetwork(tests, ask);
            });
        }
        for (const [name, bundle] of [
            ['esbuild', steps.bundleWithEsbuild],
            ['vite', steps.bundleWithVite],
        ]) {
            await step(`run in Chromium, bundled with ${name}`, async () => {
                const site = await bundle(app);
                await agrees(await steps.serving(site, (url) => steps.runInPage(url, chromium, given)));
            });
        }
    } finally {
        if (failed === 0) rmSync(folder, { recursive: true, force: true });
        else console.log(`the folder stays: ${folder}`);
    }
    process.exitCode = failed === 0 ? 0 : 1;
}

main().catch((error) => {
    console.error(error.message);
    process.exitCode = 1;
});
