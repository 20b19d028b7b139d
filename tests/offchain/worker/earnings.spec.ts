import { workerCommand } from '../../../offchain/cli/worker';
import { serveAdmin } from '../../../offchain/worker';
import { ECHO } from '../support/backend';
import { TestClient } from '../support/client';
import { type Fixture, type Overrides, startFixture, TOKEN } from '../support/worker';
import { writeFileSync } from 'node:fs';

let fixture: Fixture;

afterEach(() => fixture.stop());

const DAY = 86_400;
const soon: Overrides = { claim: { seconds: 1000, threshold: '1' } };
const withJob = () => TestClient.withJob(fixture.worker.url, fixture.chain, { end: fixture.chain.now() + 30 * DAY });
const clientOf = ({ terms }: TestClient) => `0:${terms.escrow.toString('hex')}`;

/** Channels are read often enough that what they paid is confirmed. */
async function confirm(): Promise<void> {
    for (let look = 0; look < 4; look++) await fixture.worker.claimNow();
}

/** What every view must satisfy: rows add up to totals, and totals to each other. */
async function checked(by: 'day' | 'model' | 'client') {
    const view = await fixture.worker.earnings(by);
    const { totals } = view;
    for (const column of ['results', 'prompt', 'completion', 'earned', 'claimed'] as const) {
        const sum = view.rows.reduce((total, row) => total + BigInt(row[column]), 0n);
        expect([column, sum]).toEqual([column, BigInt(totals[column])]);
    }
    expect(totals.promised + totals.unpaid - totals.prepaid).toBe(totals.earned);
    expect(totals.claimed + totals.confirming + totals.unclaimed + totals.lost).toBe(totals.promised);
    return view;
}

describe('earnings', () => {
    it('are the prices of the receipts, by day (UTC), model and client', async () => {
        fixture = await startFixture(soon);
        const [one, other] = [await withJob(), await withJob()];
        const first = await one.ask(1, 'one two');
        fixture.chain.advance(DAY);
        const later = [await one.ask(2, 'three'), await other.ask(1, 'four five six', { pays: false })];
        const [price, ...prices] = [first, ...later].map(({ result }) => result!.price);
        const days = [first, later[0]].map(({ result }) =>
            new Date(result!.finishedAt * 1000).toISOString().slice(0, 10),
        );

        const byDay = await checked('day');
        expect(byDay.rows.map(({ group, results, earned }) => ({ group, results, earned }))).toEqual([
            { group: days[0], results: 1, earned: price },
            { group: days[1], results: 2, earned: prices[0] + prices[1] },
        ]);
        expect((await checked('model')).rows).toMatchObject([{ group: ECHO, results: 3 }]);
        expect(new Map((await checked('client')).rows.map(({ group, earned }) => [group, earned]))).toEqual(
            new Map([
                [clientOf(one), price + prices[0]],
                [clientOf(other), prices[1]],
            ]),
        );
        expect(byDay.totals).toMatchObject({ promised: price + prices[0], unpaid: prices[1], prepaid: 0n });
    });

    it('are unclaimed, then in confirmation, then claimed, and a last claim counts as well', async () => {
        fixture = await startFixture({
            ...soon,
            chain: { freshSeconds: 0, staleSeconds: 0, pollSeconds: 0.01, confirmSeconds: 600 },
        });
        const client = await withJob();
        await client.ask(1, 'one two');
        expect((await checked('day')).totals).toMatchObject({ claimed: 0n, confirming: 0n, unclaimed: 4n * TOKEN });

        await fixture.worker.claimNow();
        expect((await checked('day')).totals).toMatchObject({ claimed: 0n, confirming: 4n * TOKEN, unclaimed: 0n });

        await client.ask(2, 'three');
        await client.end();
        for (let look = 0; look < 4; look++) {
            await fixture.worker.claimNow();
            fixture.chain.advance(301);
        }
        const { totals } = await checked('day');
        expect(totals).toMatchObject({ claimed: totals.earned, confirming: 0n, unclaimed: 0n, lost: 0n });
        expect((await checked('client')).rows).toMatchObject([{ group: clientOf(client), claimed: totals.earned }]);
    });

    it('are lost where a channel is gone before it paid', async () => {
        fixture = await startFixture(soon);
        const client = await withJob();
        await client.ask(1, 'one two');
        fixture.chain.remove(client.channel);
        fixture.chain.advance(31 * DAY);
        await confirm();
        expect((await checked('day')).totals).toMatchObject({ claimed: 0n, unclaimed: 0n, lost: 4n * TOKEN });
    });

    it('say why the wallet is not read while the chain is down, and show no wallet that was never read', async () => {
        fixture = await startFixture(soon);
        const history = jest.spyOn(fixture.chain, 'history').mockImplementation(() => {
            throw new Error('no endpoint answers');
        });
        expect(await checked('day')).toMatchObject({ wallet: null, unread: 'no endpoint answers' });
        history.mockRestore();
        expect(await checked('day')).toMatchObject({ unread: null });
    });

    it('survive a restart, and name a model that is offered no more', async () => {
        fixture = await startFixture(soon);
        const client = await withJob();
        await client.ask(1, 'one two');
        const before = await checked('model');
        const [{ rates }] = client.info.offers;
        const texts = Object.fromEntries(Object.entries(rates).map(([kind, rate]) => [kind, rate.toString()]));
        fixture.backend.models = () => Promise.resolve(['another/model']);
        await fixture.restart({ ...soon, offers: [{ model: 'another/model', rates: texts as never }] });
        expect(await checked('model')).toEqual(before);
    });

    it.each([
        { passed: DAY - 1, estimate: null },
        { passed: 2 * DAY, estimate: { days: 2, perDay: 2n * TOKEN, perMonth: 60n * TOKEN } },
    ])('estimate a month from full days: $estimate', async ({ passed, estimate }) => {
        fixture = await startFixture(soon);
        const { chain } = fixture;
        chain.advance(DAY - (chain.now() % DAY)); // midnight
        await (await withJob()).ask(1, 'one two');
        chain.advance(passed - (chain.now() % DAY));
        expect((await checked('day')).estimate).toEqual(estimate);
    });
});

describe('cocoon worker earnings and claim', () => {
    const printed = (...flags: string[]) => printedBy('earnings', ...flags);

    /** What the command prints about the running worker. */
    async function printedBy(command: string, ...flags: string[]): Promise<string> {
        const { folder, worker } = fixture;
        const admin = await serveAdmin({ store: `${folder}/worker.db` }, worker, async () => undefined);
        const settings = {
            ...{ network: -239, endpoint: 'http://127.0.0.1:1/', node: `0:${'11'.repeat(32)}` },
            ...{ provider: `0:${'22'.repeat(32)}`, keyFile: 'keys.json', store: 'worker.db', listen: { port: 0 } },
            ...{
                backends: [{ kind: 'embedded' }],
                offers: [{ model: 'm', rates: { prompt: '1', cached: '1', completion: '1', reasoning: '1' } }],
            },
        };
        writeFileSync(`${folder}/worker.json`, JSON.stringify(settings));
        const logged = jest.spyOn(console, 'log').mockImplementation(() => undefined);
        try {
            await workerCommand().parseAsync([command, '--config', `${folder}/worker.json`, ...flags], {
                from: 'user',
            });
            return logged.mock.calls.map(([line]) => String(line)).join('\n');
        } finally {
            logged.mockRestore();
            admin?.close();
        }
    }

    it('have words for every amount, and say why the wallet is not read', async () => {
        fixture = await startFixture(soon);
        await (await withJob()).ask(1, 'one two');

        expect(await printedBy('claim', '--json')).toBe('{"claimed":1,"amount":"40000","failed":0}');
        await fixture.worker.claimNow();
        const text = await printed();
        const amounts = text.slice(text.indexOf('\n\n') + 2).split('\n');
        expect(amounts.slice(0, 8)).toEqual([
            ...['earned: 0.00004 TON', 'promised: 0.00004 TON', 'unpaid: 0 TON', 'prepaid: 0 TON'],
            ...['claimed: 0 TON', 'confirming: 0.00004 TON', 'unclaimed: 0 TON', 'lost: 0 TON'],
        ]);
        expect(amounts.slice(8)).toEqual([
            ...['wallet, from channels: 0 TON', 'wallet, sent with claims: 0 TON', 'wallet, received: 10 TON'],
            ...['wallet, sent: 0 TON', 'wallet, swept: 0 TON', 'wallet, fees: 0 TON', 'wallet, balance: 10 TON'],
            'wallet, claims cost in all: 0.00004 TON', // the fake channels pay without a transaction
        ]);

        await (await withJob()).ask(1, 'one two three');
        jest.spyOn(fixture.chain, 'history').mockImplementation(() => {
            throw new Error('no endpoint answers');
        });
        expect(await printed()).toMatch(
            /^wallet: not read now, the amounts above are as of the last reading: no endpoint answers$/m,
        );
        expect(await printedBy('claim')).toBe('claimed: 1\namount: 0.00006 TON\nfailed: 0');
    });

    it('prints TON for people, and nanoTON as JSON and as CSV whose columns add up', async () => {
        fixture = await startFixture(soon);
        await (await withJob()).ask(1, 'one two');

        expect(await printed('--by', 'model')).toMatch(new RegExp(`^${ECHO} .* 0.00004 TON .*0 TON$`, 'm'));
        expect(await printed()).toMatch(/^unclaimed: 0.00004 TON$/m);
        const json = JSON.parse(await printed('--by', 'client', '--json')) as { rows: { earned: string }[] };
        expect(json.rows.map(({ earned }) => earned)).toEqual(['40000']);
        expect(await printed('--by', 'model', '--csv')).toBe(
            `model,results,prompt,cached,completion,reasoning,earned,claimed\n${ECHO},1,2,0,2,0,40000,0`,
        );
        expect(await printed('--estimate')).toContain('after the first full day');
    });
});
