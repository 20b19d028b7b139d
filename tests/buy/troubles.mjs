/** What goes wrong on the way: the chain, the wallet, the worker, and strangers. */
import assert from 'node:assert/strict';

const NOTICE = 3600; // seconds
const VALID = 6 * 60 + 1; // seconds after which a message of the wallet cannot arrive any more

const post = (url, method, params) =>
    fetch(url, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ jsonrpc: '2.0', id: 1, method, params }),
    });

const withSettings = (change) => (page) =>
    page.route('**/market.json', async (route) => {
        const settings = await (await route.fetch()).json();
        await route.fulfill({ json: change(settings) });
    });

/** Moves the clock of the page. */
const movePage = ({ page }, seconds) => page.clock.setSystemTime(Date.now() + seconds * 1000);

export const checks = {
    'a chain that does not answer is told, and the page goes on when it does': async (visit) => {
        const { url } = visit.stage.network;
        const disturbance = { kind: 'down', status: 502 };
        const disturb = (times) =>
            post(url, 'localnet_disturb', { method: 'getAddressInformation', disturbance, times });
        await disturb(1000);
        try {
            await visit.open();
            await visit.says('#state', 'The chain does not answer');
            await visit.requireSound('chain-absent');
        } finally {
            await disturb(0);
        }
        await visit.page.click('#retry');
        await visit.says('#connect', 'Local wallet');
    },
    'a chain of another network is told, and nothing is offered': async (visit) => {
        const other = ({ market, ...rest }) => ({ ...rest, market: { ...market, globalId: -239 } });
        await visit.open({ prepare: withSettings(other) });
        await visit.says('#state', 'The record is of mainnet (-239), and the endpoint is of testnet (-3)');
        assert.equal(await visit.page.isVisible('#connect'), false);
    },
    'settings that are wrong are named': async (visit) => {
        await visit.open({ prepare: withSettings(({ market }) => ({ market })) });
        await visit.says('#state', 'market.json has no "endpoint"');
    },
    'a wallet on another network is refused before anything is signed': async (visit) => {
        await visit.open();
        await visit.says('#connect', 'Local wallet');
        await visit.page.evaluate(() => {
            const bridge = globalThis.cocoonLocalWallet.tonconnect;
            const connect = bridge.connect;
            bridge.connect = async () => {
                const event = await connect();
                event.payload.items[0].network = '-239';
                return event;
            };
        });
        await visit.page.getByRole('button', { name: 'Local wallet' }).click();
        await visit.says('#state', 'Your wallet is on mainnet, and this market is on testnet');
        assert.equal(await visit.page.isVisible('#columns'), false);
        await visit.page.click('#disconnect');
        await visit.says('#connect', 'Local wallet');
    },
    'a wallet that never answers blocks nothing for ever, and is not asked twice': async (visit) => {
        await visit.open({ prepare: (page) => page.clock.install() });
        await visit.connect();
        await visit.page.evaluate(() => {
            globalThis.cocoonLocalWallet.tonconnect.send = () => new Promise(() => undefined);
        });
        await visit.setUp();
        await visit.says('#pending', 'Your wallet was asked for the deposit and the limits, 3.00');
        assert.equal(await visit.page.isDisabled('#set-up-send'), true);
        await visit.requireSound('wallet-silent');
        await visit.page.reload();
        await visit.says('#pending', 'Your wallet was asked for the deposit');
        assert.equal(await visit.page.isDisabled('#set-up-send'), true);
        await movePage(visit, VALID);
        await visit.says('#news', 'did not send the deposit and the limits in time. Nothing was sent');
        assert.equal(await visit.page.isEnabled('#set-up-send'), true);
    },
    'limits that do not fit together are told before the wallet is asked': async (visit) => {
        await visit.open();
        await visit.connect();
        for (const [limits, words] of [
            [{ jobLimit: '5' }, 'Limit of a day: it must cover one job'],
            [{ jobLimit: '0' }, 'Limit of a job: with 0 TON'],
            [{ deposit: 'many' }, 'Deposit: write an amount in TON'],
            [{ deposit: '0.1' }, 'Deposit: one job could take 1 TON'],
        ]) {
            await visit.setUp(limits);
            await visit.says('#set-up-problem', words);
        }
        assert.deepEqual(visit.asked, []);
        await visit.requireSound('limits-wrong');
    },
    'a worker that is gone takes nothing: the job is left, and all comes home': async (visit) => {
        await visit.open({ prepare: (page) => page.clock.install() });
        await visit.connect();
        await visit.setUp();
        await visit.says('#key-state', 'may take 1 TON for a job');
        await visit.page.check('input[name=choice] >> nth=1'); // of the stranger, whose worker does not run
        await visit.openJob();
        await visit.says('#job-problem', 'does not answer');
        await visit.page.check('input[name=choice] >> nth=0');
        await visit.openJob();
        await visit.says('.job .job-place', 'Job ');
        await visit.worker.end('SIGKILL');
        await visit.ask('Is anybody there?');
        await visit.says('.ask .problem', 'does not answer');
        assert.equal(await visit.page.inputValue('.ask textarea'), 'Is anybody there?');
        await visit.page.click('.settle');
        await visit.says('.action-problem', 'does not answer');
        await visit.requireSound('worker-gone');
        await visit.page.click('.leave');
        await visit.says('.job-note', 'The rest can come home from');
        await visit.page.reload();
        await visit.says('.job-note', 'The rest can come home from');
        visit.stage.network.advance(NOTICE + 60);
        await movePage(visit, NOTICE + 60);
        await visit.page.click('.refund');
        await visit.says('#news', 'The job is over: 0 TON spent');
        assert.ok(Number.parseFloat(await visit.figure('In your deposit')) > 2.99);
    },
    'keys of the keyboard reach and use everything': async (visit) => {
        await visit.open();
        await visit.says('#connect', 'Local wallet');
        const { page } = visit;
        const focused = () => page.evaluate(() => globalThis.document.activeElement.textContent.trim());
        await page.keyboard.press('Tab');
        assert.equal(await focused(), 'Skip to the content');
        for (let i = 0; i < 5 && (await focused()) !== 'Local wallet'; i++) await page.keyboard.press('Tab');
        assert.equal(await focused(), 'Local wallet');
        await page.keyboard.press('Enter');
        await visit.says('#money', 'In your deposit');
    },
    'the page does not work inside another page, which could make a person click on it': async (visit) => {
        await visit.open();
        const around = `${visit.url}around.html`;
        const body = '<iframe src="./" width="900" height="900"></iframe>';
        await visit.page.route(around, (route) => route.fulfill({ contentType: 'text/html', body }));
        await visit.page.goto(around);
        const [, frame] = visit.page.frames();
        await frame.waitForFunction(() =>
            globalThis.document.getElementById('state')?.textContent.includes('does not work inside another page'),
        );
        assert.equal(await frame.isVisible('#connect'), false);
    },
    'the page lets in no script of others': async (visit) => {
        const html = await (await fetch(visit.url)).text();
        assert.match(html, /default-src 'none'; script-src 'self'; style-src 'self';/);
        assert.doesNotMatch(html, /<script>|onclick=|style=/);
    },
};
