/** One person with a browser of their own: the page, its wallet, and what both said. */
import assert from 'node:assert/strict';
import { complaintsOf, requireSound, shoot } from '../page/browser.mjs';

const WAIT_MS = 20_000;
let visits = 0;

export class Visit {
    constructor(at) {
        Object.assign(this, at);
        this.complaints = []; // of each tab
        this.number = ++visits;
        this.asked = []; // texts of the wallet's dialogs
        this.answer = 'accept';
        this.sentBodies = []; // of every request of the page
        this.failures = []; // answers that are no success, for whoever looks for a fault
        this.console = [];
    }

    /** Opens the page. `before` is run in it before its own scripts; `prepare` with it before it is loaded. */
    async open({ width = 1280, height = 900, colorScheme = 'light', prepare } = {}) {
        this.context = await this.browser.newContext({ viewport: { width, height }, colorScheme });
        this.page = await this.newPage();
        await prepare?.(this.page);
        await this.page.goto(this.url);
        return this.page;
    }

    /** Another tab of the same browser. */
    async newPage() {
        const page = await this.context.newPage();
        page.setDefaultTimeout(WAIT_MS);
        page.on('console', (message) => this.console.push(message.text()));
        // TonConnect falls back to its own list of wallets where the newest cannot be fetched.
        const isExpected = (text) => text.startsWith('[TON_CONNECT_SDK] TypeError: Failed to fetch');
        this.complaints.push(complaintsOf(page, isExpected));
        page.on('dialog', (dialog) => {
            this.asked.push(dialog.message());
            void dialog[this.answer]();
        });
        page.on('response', (response) => {
            if (response.status() >= 400) this.failures.push(`${response.status()} ${response.url()}`);
        });
        page.on('requestfailed', (request) => this.failures.push(`${request.failure()?.errorText} ${request.url()}`));
        page.on('request', (request) => this.sentBodies.push(request.url(), request.postData() ?? ''));
        return page;
    }

    /** Waits until an element shows a text. */
    async says(selector, text) {
        await this.page
            .waitForFunction(
                ([one, words]) =>
                    [...globalThis.document.querySelectorAll(one)].some(
                        (each) => each.checkVisibility() && each.textContent.includes(words),
                    ),
                [selector, text],
                { timeout: WAIT_MS },
            )
            .catch(async () => {
                const found = await this.page.locator(selector).allTextContents();
                const news = await this.page.locator('#state, #news, #pending, .problem').allTextContents();
                throw new Error(
                    `${selector} does not say ${JSON.stringify(text)}, but ${JSON.stringify(found).slice(0, 600)}; ` +
                        `the page says ${JSON.stringify(news.filter((one) => one !== ''))}`,
                );
            });
    }

    /** The amount of a figure, as text. */
    figure(name, within = '#money') {
        return this.page
            .locator(`${within} div`, { has: this.page.getByText(name, { exact: true }) })
            .locator('dd')
            .first()
            .textContent();
    }

    async connect() {
        await this.page.getByRole('button', { name: 'Local wallet' }).click();
        await this.says('#money', 'In your deposit');
    }

    async setUp({ deposit = '3', jobLimit = '1', dayLimit = '2' } = {}) {
        await this.page.fill('#deposit', deposit);
        await this.page.fill('#job-limit', jobLimit);
        await this.page.fill('#day-limit', dayLimit);
        await this.page.click('#set-up-send');
    }

    async openJob(deposit = '0.5') {
        await this.page.fill('#job-deposit', deposit);
        await this.page.click('#job-open');
    }

    async ask(question, { price = '0.2', tokens = '60' } = {}) {
        await this.page.fill('.ask textarea', question);
        await this.page.fill('.ask .price', price);
        await this.page.fill('.ask .tokens', tokens);
        await this.page.click('.ask .main');
    }

    /** The wallet's account, by the key that lies in this browser. */
    async walletAddress() {
        return this.page
            .evaluate(() => globalThis.cocoonLocalWallet.tonconnect.restoreConnection())
            .then(({ payload }) => payload.items[0].address);
    }

    /** Everything that this browser keeps for the page. */
    stored() {
        return this.page.evaluate(
            () =>
                new Promise((resolve, reject) => {
                    const opening = globalThis.indexedDB.open('cocoon-buy');
                    opening.onerror = () => reject(opening.error);
                    opening.onsuccess = () => {
                        const table = opening.result.transaction('values').objectStore('values');
                        const [keys, values] = [table.getAllKeys(), table.getAll()];
                        values.onsuccess = () => {
                            opening.result.close();
                            resolve(keys.result.map((key, i) => [key, values.result[i]]));
                        };
                    };
                }),
        );
    }

    get problems() {
        return this.complaints.flat();
    }

    shoot(name) {
        return shoot(this.page, this.folder, name);
    }

    /** The page fits, axe finds nothing serious, and no text became markup. */
    requireSound(name) {
        return requireSound(this.page, this.folder, name);
    }

    /** Ends the visit; throws if the page failed anywhere in it. */
    async close() {
        assert.deepEqual(this.problems, []);
        await this.end();
    }

    async end() {
        await this.context?.close();
    }
}
