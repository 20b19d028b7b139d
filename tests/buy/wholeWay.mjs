/** From an empty wallet to the deposit at home, and what the chain says of it to the nanoTON. */
import assert from 'node:assert/strict';
import { createRequire } from 'node:module';

const require = createRequire(import.meta.url);

const QUESTION = 'What is a voucher? Xylophone-4711';
const FUNDS = 20_000_000_000n; // nanoTON of the wallet
const DEPOSIT = 3_000_000_000n;

export async function wholeWay(visit, { width, height, colorScheme, trouble }) {
    const { stage, formatTon } = visit;
    const { Address } = require('@ton/core');
    const shot = (name) => visit.requireSound(`${width}-${colorScheme}-${name}`);
    const page = await visit.open({ width, height, colorScheme });

    await visit.says('#connect', 'Local wallet');
    await shot('1-connect');
    await visit.connect();
    await visit.says('#key-state', 'Nothing is deposited yet');
    const wallet = Address.parse(await visit.walletAddress());
    assert.equal(await stage.balanceOf(wallet), FUNDS);

    await page.fill('#deposit', '3');
    await visit.says('#loss', 'at most 2 TON a day (UTC)');
    await visit.says('#loss', 'never more than your deposit of 3 TON');
    await visit.says('#asked', '3.00');
    await shot('2-limits');
    if (trouble === 'wallet says no') {
        visit.answer = 'dismiss';
        await visit.setUp();
        await visit.says('#news', 'You said no in your wallet. Nothing was sent.');
        assert.equal(await page.isVisible('#pending'), false);
        assert.equal(await stage.balanceOf(wallet), FUNDS);
        visit.answer = 'accept';
    }
    await visit.setUp();
    if (trouble === 'reloads') {
        await chainHas(visit, ({ inMessage }) => inMessage?.source === wallet.toRawString());
        await page.reload(); // before the page has seen it
    }
    await visit.says('#key-state', 'may take 1 TON for a job and 2 TON a day');
    const escrow = await escrowOf(wallet);
    assert.equal(await stage.balanceOf(escrow), DEPOSIT);
    assert.equal(await visit.figure('In your deposit'), '3 TON');
    assert.equal(countOf(stage, wallet, escrow), 1, 'the deposit was sent once');
    assert.match(visit.asked.at(-1), /3\.00\d+ TON/);

    await visit.says('#choices', visit.model);
    await visit.says('#choices', '<b id=hole>hi</b');
    if (trouble === 'two tabs') {
        const other = await visit.newPage();
        await other.goto(visit.url);
        await other.waitForFunction(() => globalThis.document.body.textContent.includes('is open in another tab'));
        await other.screenshot({ path: `${visit.folder}/${width}-two-tabs.png` });
        await page.close();
        visit.page = other; // it goes on by itself
        await visit.says('#key-state', 'may take 1 TON for a job');
    }
    await visit.openJob();
    if (trouble === 'reloads') {
        await chainHas(
            visit,
            ({ account, inMessage }) => account === escrow.toRawString() && inMessage?.source === null,
        );
        await visit.page.reload(); // while the order is under way
    }
    await visit.says('.job .job-place', 'Job ');
    assert.equal(await visit.page.locator('.job').count(), 1);
    await shot('3-job');

    await visit.ask(QUESTION);
    await visit.says('.said:last-child .small', 'Receipt checked');
    if (trouble === 'reloads') {
        await visit.ask(QUESTION);
        await visit.says('.said:last-child .small', 'TON');
        await visit.page.reload();
        await visit.says('.job', 'Job ');
        await visit.ask(QUESTION);
        await visit.says('.said:last-child .small', 'Receipt checked');
    }
    await visit.page.click('.papers summary');
    await visit.says('.papers .report', 'Right:');
    await shot('4-answer');
    await changeOneDigit(visit);
    await visit.says('.papers .report', 'Wrong: price: ');
    await shot('5-receipt-changed');

    // No amount of the page differs from what the store and the chain have.
    await visit.page.waitForTimeout(3500); // a reading of the chain, and the voucher of the last answer
    const channel = await channelOf(visit);
    const prices = await pricesOf(visit);
    const cost = prices.reduce((sum, price) => sum + price, 0n);
    assert.ok(cost > 0n);
    assert.equal(await visit.figure('Signed for', '.job'), `${formatTon(cost)} TON`);
    assert.equal(await visit.figure('Not claimed yet', '.job'), `${formatTon(cost)} TON`);
    const held = await stage.balanceOf(channel);

    await visit.page.click('.settle');
    await visit.says('#news', `The job is over: ${formatTon(cost)} TON spent`);
    await visit.says('#ended', 'spent');
    assert.equal((await stage.chain.account(channel)).state, 'uninitialized');
    assert.equal(paidFor(visit, channel, held), cost, 'the provider got what the receipts say');
    assert.equal(countOf(stage, escrow, channel), 1, 'one job was opened');
    await visit.page.click('#ended-jobs summary');
    await visit.says('#ended-jobs .report', 'Right:');
    await shot('6-settled');

    const before = await stage.balanceOf(escrow);
    assert.equal(await visit.figure('In your deposit'), `${formatTon(before)} TON`);
    await visit.page.click('#withdraw');
    await visit.says('#news', 'on its way to your wallet');
    await visit.says('#money', 'Can be withdrawn');
    const [home, kept] = [await stage.balanceOf(wallet), await stage.balanceOf(escrow)];
    const { reserve } = await reserveOf(visit, escrow);
    assert.ok(kept <= reserve && reserve - kept < 100n, 'only the reserve stays, less the rent of seconds');
    const fees = FUNDS - home - kept - cost;
    assert.ok(fees > 0n && fees < 60_000_000n, `${formatTon(fees)} TON of fees`);
    assert.equal(booksOf(stage, [wallet, escrow, channel]), home + kept, 'no coin is lost');
    await shot('7-home');
    await requirePrivate(visit);
}

/** Waits for a transaction. */
async function chainHas({ stage }, isIt) {
    for (let i = 0; i < 2000 && !stage.network.transactions.some(isIt); i++)
        await new Promise((resolve) => setTimeout(resolve, 5));
}

/** Nothing of questions is kept or logged, and no key leaves the browser. */
async function requirePrivate(visit) {
    const stored = await visit.stored();
    const text = JSON.stringify(stored);
    assert.ok(!text.includes('Xylophone'), 'the store has no question');
    assert.ok(!visit.console.join('\n').includes('Xylophone'), 'the console has no question');
    assert.ok(!visit.sentBodies.join('\n').includes('Xylophone'), 'no question leaves unsealed');
    const seeds = stored.flatMap(([key, value]) =>
        key.endsWith('/spend-key')
            ? [value]
            : key.includes('/job/') && value.includes('"seed"')
              ? [JSON.parse(value).seed]
              : [],
    );
    assert.ok(seeds.length >= 2);
    for (const seed of seeds) {
        assert.match(seed, /^[0-9a-f]{64}$/);
        assert.ok(!visit.sentBodies.join('\n').includes(seed), 'no key leaves the browser');
    }
}

async function escrowOf(wallet) {
    const { Escrow } = require('../../wrappers/index.ts');
    return (await Escrow.ofOwner(wallet)).address;
}

async function reserveOf({ stage }, escrow) {
    const { Escrow } = require('../../wrappers/index.ts');
    return { reserve: await stage.chain.open(Escrow.fromAddress(escrow)).getReserve() };
}

/** The account of the newest job in the store. */
async function channelOf(visit) {
    const { Address } = require('@ton/core');
    const jobs = (await visit.stored()).filter(([key]) => /\/job\/[0-9a-f]{64}$/.test(key));
    return Address.parseRaw(`0:${JSON.parse(jobs.at(-1)[1]).channel}`);
}

/** nanoTON of every result in the store. */
async function pricesOf(visit) {
    return (await visit.stored()).flatMap(([key, value]) => {
        const { entry } = /\/query\/\d+$/.test(key) ? JSON.parse(value) : {};
        return entry ? [BigInt(entry.price)] : [];
    });
}

/** Changes a digit of the price in the receipt that is shown. */
async function changeOneDigit(visit) {
    const { Result } = require('../../wrappers/index.ts');
    const area = visit.page.locator('.papers .receipt textarea').last();
    const hex = await area.inputValue();
    const bytes = Buffer.from(hex, 'hex');
    const { price } = Result.decode(bytes.subarray(0, Result.bytes));
    const at = bytes.indexOf(Buffer.from(price.toString(16).padStart(16, '0'), 'hex'));
    assert.ok(at > 0);
    bytes[at + 7] ^= 1;
    await area.fill(bytes.toString('hex'));
    await visit.page.locator('.papers .receipt button').last().click();
}

const messagesOf = ({ network }) =>
    network.transactions.flatMap(({ account, inMessage }) => (inMessage === null ? [] : [{ account, ...inMessage }]));

/** How many messages with an opcode one account got from another. */
const countOf = (stage, from, to) =>
    messagesOf(stage).filter(({ account, source }) => account === to.toRawString() && source === from.toRawString())
        .length;

/** nanoTON that the last transaction of a channel took for the provider. */
function paidFor({ stage, seller }, channel, held) {
    const last = stage.network.transactions.filter(({ account }) => account === channel.toRawString()).at(-1);
    const hot = seller.hot.address.toRawString();
    const home = last.outMessages
        .filter(({ destination }) => destination !== hot)
        .reduce((sum, { value }) => sum + value, 0n);
    return held - last.storageFees - home;
}

/** What these accounts must have by their messages and fees: what came in from others, less what went out. */
function booksOf({ network }, accounts) {
    const own = accounts.map((each) => each.toRawString());
    let sum = 0n;
    for (const { account, inMessage, outMessages, totalFees } of network.transactions) {
        if (!own.includes(account)) continue;
        sum += (inMessage?.value ?? 0n) - totalFees;
        sum -= outMessages.reduce((all, { value, forwardFee }) => all + value + forwardFee, 0n);
    }
    return sum;
}
