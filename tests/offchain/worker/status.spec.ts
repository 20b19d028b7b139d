/** `cocoon worker status`: what the store and the backends say, and how people read it. */
import { statusText, type WireStatus } from '../../../offchain/cli/worker/statusText';
import { toWire } from '../../../offchain/link';
import { TestClient } from '../support/client';
import { ECHO } from '../support/backend';
import { account, type Fixture, startFixture, TOKEN } from '../support/worker';

let fixture: Fixture;

afterEach(() => fixture.stop());

const read = async (): Promise<WireStatus> => ({
    state: 'serving',
    ...(toWire(await fixture.worker.status()) as Omit<WireStatus, 'state'>),
});

describe('The status of a worker', () => {
    it('has figures of its models, clients and jobs that add up to what is earned', async () => {
        fixture = await startFixture();
        const clients = await Promise.all([
            TestClient.withJob(fixture.worker.url, fixture.chain),
            TestClient.withJob(fixture.worker.url, fixture.chain, { escrow: account(0x77).hash }),
        ]);
        await clients[0].ask(1, 'one two three'); // three tokens of the prompt, three of the answer
        await clients[1].ask(1, 'one');

        const status = await fixture.worker.status();

        const prices = [6n * TOKEN, 2n * TOKEN];
        expect(status.models).toMatchObject([
            { group: ECHO, results: 2, earned: prices[0] + prices[1], completion: 4 },
        ]);
        expect(status.clients.map(({ earned }) => earned)).toEqual(prices); // the best first
        expect(status.openJobs).toMatchObject([
            { job: clients[0].job.toString('hex'), model: ECHO, running: 0, results: 1, earned: prices[0] },
            { job: clients[1].job.toString('hex'), client: account(0x77).toRawString(), results: 1, earned: prices[1] },
        ]);
        expect(status.openJobs.reduce((sum, { unclaimed }) => sum + unclaimed, 0n)).toBe(status.unclaimed);
        expect(status.today).toEqual({ results: 2, earned: prices[0] + prices[1] });
        expect(status.load.models).toMatchObject([{ model: ECHO, available: true, running: 0, waiting: 0 }]);
    });

    it('counts a query that runs at its job, its model and its backend', async () => {
        fixture = await startFixture();
        fixture.backend.script = () => [
            { type: 'prompt', prompt: 1, cached: 0 },
            { type: 'pause' },
            { type: 'end', finish: 'stop' },
        ];
        const client = await TestClient.withJob(fixture.worker.url, fixture.chain);
        const answer = client.ask(1, 'one');
        await fixture.backend.atPause();

        const { load, openJobs, running } = await fixture.worker.status();

        expect(running).toBe(1);
        expect(openJobs).toMatchObject([{ running: 1 }]);
        expect(load.models).toMatchObject([{ running: 1 }]);
        expect(load.backends).toMatchObject([{ running: 1 }]);
        fixture.backend.go();
        await answer;
    });

    it('is read in TON, with tables and with what to do about alerts', async () => {
        fixture = await startFixture();
        const client = await TestClient.withJob(fixture.worker.url, fixture.chain);
        await client.ask(1, 'one two three');
        const alert = {
            alert: 'wallet',
            severity: 'warning',
            subject: '',
            message: 'it is low',
            remedy: 'send TON',
        } as const;

        const text = statusText({ ...(await read()), alerts: [{ ...alert, since: 0 }] }, { network: -3 });
        await fixture.worker.claimNow();
        await fixture.worker.claimNow(); // reads what was paid
        const claimed = statusText(await read(), { network: -3 });

        expect(text).toContain('state       serving, ready\n');
        expect(text).toContain('earned      0.00006 TON of 1 results\n');
        expect(text).toMatch(/^today +0\.00006 TON of 1 results/m);
        expect(text).toMatch(/^wallet +0Q\S{46} {2}10 TON$/m);
        expect(text).toContain('! warning: it is low (since never)\n  → send TON');
        expect(text).toMatch(new RegExp(`^${ECHO} +1 +0\\.00006 TON +0 TON$`, 'm'));
        expect(text).toMatch(/^[0-9a-f]{12} +kQ\S{10}… +echo +0 +1 +0\.00006 TON +0\.00006 TON +0 TON$/m);
        expect(claimed).toMatch(
            /^unclaimed +0 TON\nconfirming +0\.00006 TON, paid by the last reading\nclaimed +0 TON$/m,
        );
        expect(claimed).toMatch(/ 0\.00006 TON +0 TON +0\.00006 TON$/m);
        expect(text).not.toMatch(/undefined|0:[0-9a-f]{12}/);
    });
});
