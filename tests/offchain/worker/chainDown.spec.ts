/** What a worker serves while the TON API does not answer: only jobs whose channels it knows, for a while. */
import { ChainError } from '../../../offchain/chain';
import { TestClient } from '../support/client';
import { type Fixture, startFixture } from '../support/worker';

let fixture: Fixture;

afterEach(() => fixture.stop());

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));
const chain = { freshSeconds: 0, staleSeconds: 0, pollSeconds: 0.01, confirmSeconds: 0 };

describe('While the chain is down', () => {
    it('no new job begins, which the refusal says, and the next one does when the chain answers again', async () => {
        fixture = await startFixture();
        const client = new TestClient(fixture.worker.url, fixture.chain);
        await client.draft();
        await client.open();
        fixture.chain.down = true;

        const { status, body } = await client.register();
        expect([status, body.error!.code]).toEqual([503, 'chain_down']);
        expect(body.error!.message).toContain('does not show the channel now');
        expect((await fixture.worker.status()).jobs.open).toBe(0);

        fixture.chain.down = false;
        expect((await client.register()).status).toBe(200);
    });

    it('a known job is answered for half a margin after its last reading, not later, and again by itself', async () => {
        fixture = await startFixture({ chain, marginSeconds: 4 });
        const client = await TestClient.withJob(fixture.worker.url, fixture.chain);
        await client.ask(1, 'one');
        fixture.chain.down = true;
        expect((await client.ask(2, 'two')).text).toBe('two');

        await pause(2100);
        expect((await client.ask(3, 'three')).refusal).toMatchObject({ code: 'chain_down' });

        fixture.chain.down = false;
        expect((await client.ask(3, 'three')).text).toBe('three');
    });

    it('one query waits for the API to fail, and the next ones do not', async () => {
        fixture = await startFixture({ chain });
        const client = await TestClient.withJob(fixture.worker.url, fixture.chain);
        await client.ask(1, 'one');
        fixture.chain.account = async () => {
            await pause(1500);
            throw new ChainError('The API does not answer');
        };
        const seconds: number[] = [];
        for (const number of [2, 3, 4]) {
            const begin = performance.now();
            expect((await client.ask(number, 'more')).text).toBe('more');
            seconds.push((performance.now() - begin) / 1000);
        }
        expect(seconds[0]).toBeGreaterThan(1.4);
        expect(Math.max(...seconds.slice(1))).toBeLessThan(1.4);
    });

    it('vouchers of known jobs are taken, and claimed when the chain answers again', async () => {
        fixture = await startFixture({ chain, claim: { seconds: 0.02, threshold: '1000' } });
        const client = await TestClient.withJob(fixture.worker.url, fixture.chain);
        fixture.chain.down = true;
        expect((await client.pay(client.voucher(5000n, 0))).status).toBe(200);
        await pause(100);
        expect(fixture.wallet.orders).toHaveLength(0);

        fixture.chain.down = false;
        while (fixture.chain.paidBy(client.channel) !== 5000n) await pause(5);
    });
});
