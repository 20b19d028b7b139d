/** What a worker serves while the TON API does not answer: only jobs whose channels it knows, for a while. */
import { ChainError } from '../../../offchain/chain';
import { TestClient } from '../support/client';
import { until } from '../support/until';
import { claimRound, type Fixture, startFixture } from '../support/worker';

let fixture: Fixture;

afterEach(async () => {
    jest.restoreAllMocks();
    await fixture.stop();
});

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
        const clock = jest.spyOn(performance, 'now');
        const at = performance.now();
        clock.mockReturnValue(at); // it stands
        fixture = await startFixture({ chain, marginSeconds: 4 });
        const client = await TestClient.withJob(fixture.worker.url, fixture.chain);
        await client.ask(1, 'one');
        fixture.chain.down = true;
        clock.mockReturnValue(at + 2000);
        expect((await client.ask(2, 'two')).text).toBe('two');

        clock.mockReturnValue(at + 2001);
        expect((await client.ask(3, 'three')).refusal).toMatchObject({ code: 'chain_down' });

        fixture.chain.down = false;
        expect((await client.ask(3, 'three')).text).toBe('three');
    });

    it('one query waits for the API to fail, and the next ones do not although it hangs', async () => {
        fixture = await startFixture({ chain });
        const client = await TestClient.withJob(fixture.worker.url, fixture.chain);
        await client.ask(1, 'one');
        const hung = () => {
            let fail!: () => void;
            const reading = new Promise<never>((_, reject) => (fail = () => reject(new ChainError('No answer'))));
            fixture.chain.account = () => (reads++, reading);
            return fail;
        };
        let reads = 0;
        const failFirst = hung();
        let isAnswered = false;
        const second = client.ask(2, 'two').then(({ text }) => ((isAnswered = true), text));
        await until(() => reads > 0);
        await client.state(); // a question that needs no channel
        expect(isAnswered).toBe(false);
        failFirst();
        expect(await second).toBe('two');

        const failAll = hung();
        for (const number of [3, 4]) {
            expect((await client.ask(number, 'more')).text).toBe('more');
        }
        failAll();
    });

    it('vouchers of known jobs are taken, and claimed when the chain answers again', async () => {
        fixture = await startFixture({ chain, claim: { seconds: 0.02, threshold: '1000' } });
        const client = await TestClient.withJob(fixture.worker.url, fixture.chain);
        fixture.chain.down = true;
        expect((await client.pay(client.voucher(5000n, 0))).status).toBe(200);
        await claimRound();
        expect(fixture.wallet.orders).toHaveLength(0);

        fixture.chain.down = false;
        await until(() => fixture.chain.paidBy(client.channel) === 5000n);
    });
});
