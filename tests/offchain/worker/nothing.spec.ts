/**
 * What a client gets that pays nothing: one step of work over all its jobs, and more only as it pays.
 *
 * Longer than 350 lines because what a client can try to get for nothing is best read in one place.
 */
import { channelCode, Finish, Reason } from '@cocoon-market/wrappers';
import { Address } from '@ton/core';
import { request } from 'undici';
import { encodeQuery, paths } from '../../../offchain/link';
import { WorkerBook } from '../../../offchain/worker/book';
import type { Step } from '../support/backend';
import { type AskOptions, TestClient } from '../support/client';
import { newGate, until } from '../support/until';
import { type Fixture, startFixture, TOKEN } from '../support/worker';

const STEP = 1000n * TOKEN;
const LIMITS = { startSteps: 1 };

let fixture: Fixture;

afterEach(() => fixture.stop());

/** Jobs of one escrow. */
async function jobsOf(count: number): Promise<TestClient[]> {
    const clients: TestClient[] = [];
    for (let i = 0; i < count; i++) {
        const client = new TestClient(fixture.worker.url, fixture.chain);
        client.jobNumber = 4 * (i + 1);
        await client.draft({ step: STEP, ...(i > 0 && { escrow: clients[0].terms.escrow }) });
        await client.open();
        expect((await client.register()).status).toBe(200);
        clients.push(client);
    }
    return clients;
}

/** A job that owes for one answer, and another of its client. */
async function withDebt(settings: object = {}): Promise<{ job: TestClient; other: TestClient; price: bigint }> {
    fixture = await startFixture({ limits: LIMITS, ...settings });
    fixture.backend.script = () => long;
    const [job, other] = await jobsOf(2);
    const { result } = await job.ask(1, 'hello', { pays: false });
    return { job, other, price: result!.price };
}

const long: Step[] = [
    { type: 'prompt', prompt: 10, cached: 0 },
    // As many tokens as bytes: a worker bills no more.
    ...Array.from({ length: 200 }, (): Step => ({ type: 'delta', content: 'word '.repeat(4), tokens: 20 })),
    { type: 'end', finish: 'stop' },
];
const held: Step[] = [
    { type: 'prompt', prompt: 1, cached: 0 },
    { type: 'delta', content: 'word', tokens: 1 },
    { type: 'pause' },
    { type: 'end', finish: 'stop' },
];

/** A client leaves so many queries before their answer. */
async function leaveAfterAccept(client: TestClient, count: number, prompt = 'hello', ms = 50): Promise<void> {
    for (let number = 1; number <= count; number++) {
        const leave = new AbortController();
        const { head, sealed } = client.seal(number, prompt);
        const headers = { 'content-type': 'application/octet-stream' };
        const body = encodeQuery(head, sealed);
        const { body: answer } = await request(client.url + paths.query, {
            ...{ method: 'POST', headers, body, signal: leave.signal },
        });
        await new Promise((resolve) => setTimeout(resolve, ms));
        leave.abort();
        await answer.dump().catch(() => undefined);
        await until(async () => (await fixture.worker.status()).running === 0);
    }
}

async function askOften(client: TestClient, count: number, options: AskOptions = {}): Promise<void> {
    for (let number = 1; number <= count; number++) {
        await client.ask(number, 'hello', options);
    }
}

describe('A client that pays nothing', () => {
    it('gets one step of work over three jobs with four queries each, and no more', async () => {
        fixture = await startFixture({ limits: LIMITS });
        fixture.backend.script = () => long;
        const jobs = await jobsOf(3);
        const asked = jobs.flatMap((client) =>
            [1, 2, 3, 4].map((number) => client.ask(number, 'more', { pays: false, ceiling: 50_000_000n })),
        );
        const answers = await Promise.all(asked);

        const cost = answers.reduce((sum, { result }) => sum + (result?.price ?? 0n), 0n);
        expect(cost).toBeLessThanOrEqual(STEP);
        expect(cost).toBeGreaterThan(STEP / 2n);
        expect(fixture.backend.requests).toHaveLength(1);
    });

    it.each([
        ['it leaves', leaveAfterAccept],
        ['it takes to their end', (client: TestClient, count: number) => askOften(client, count)],
    ])(
        'has the model make two steps of tokens without text for one that is paid, in queries that %s',
        async (_, ask) => {
            const step = 100_000_000n; // 10,000 tokens
            fixture = await startFixture({ limits: { ...LIMITS, maxStep: step.toString() }, creditSeconds: 0.05 });
            const work: Step = { type: 'work', tokens: 9000 };
            fixture.backend.script = () => [
                work,
                ...(ask === leaveAfterAccept ? [{ type: 'pause' } as const] : []),
                { type: 'end', finish: 'length' },
            ];
            const client = await TestClient.withJob(fixture.worker.url, fixture.chain, { step });
            await client.pay(client.voucher(step, 0));

            await ask(client, 4);

            expect(fixture.backend.requests).toHaveLength(2);
        },
    );

    it('has a server that counts at the end make two steps of tokens without text for one that is paid', async () => {
        const step = 100_000_000n; // 10,000 tokens
        fixture = await startFixture({ limits: { ...LIMITS, maxStep: step.toString() }, creditSeconds: 0.05 });
        const usage = { prompt: 1, cached: 0, completion: 9000, reasoning: 0 };
        fixture.backend.script = () => [{ type: 'end', finish: 'length', usage }];
        const client = await TestClient.withJob(fixture.worker.url, fixture.chain, { step });
        await client.pay(client.voucher(step, 0));

        await askOften(client, 4, { ceiling: 2n * step, maxTokens: 9000 });

        expect(fixture.backend.requests).toHaveLength(2);
    });

    it.each([
        ['has it run once for a step that is paid, if it chooses tokens', 'Repeat this: <|im_start|>', 1],
        ['is answered still, if it chooses none', 'hello', 5],
    ])('and leaves queries before their end, at a server that counts there only, %s', async (_, prompt, runs) => {
        const step = 1_000_000n; // 100 tokens
        fixture = await startFixture({ limits: LIMITS, creditSeconds: 0.05 });
        fixture.backend.countsAtEnd = true;
        fixture.backend.bound = 1;
        fixture.backend.script = () => [{ type: 'pause' }, { type: 'end', finish: 'stop' }];
        const client = await TestClient.withJob(fixture.worker.url, fixture.chain, { step });
        await client.pay(client.voucher(step, 0));

        await leaveAfterAccept(client, 5, prompt, 150);

        expect(fixture.backend.requests).toHaveLength(runs);
    });

    it.each([
        ['is not to blame for it', 'hello', 4],
        ['may have caused it, if it chooses tokens', 'Repeat this: <|im_start|>', 2],
    ])('whose server reports reasoning that it does not show %s', async (_, prompt, runs) => {
        const step = 100_000_000n; // 10,000 tokens
        fixture = await startFixture({ limits: { ...LIMITS, maxStep: step.toString() }, creditSeconds: 0.05 });
        const usage = { prompt: 1, cached: 0, completion: 1, reasoning: 9000 };
        fixture.backend.script = () => [
            { type: 'delta', content: 'word' },
            { type: 'end', finish: 'stop', usage },
        ];
        const client = await TestClient.withJob(fixture.worker.url, fixture.chain, { step });
        await client.pay(client.voucher(step, 0));

        for (let number = 1; number <= 4; number++) {
            await client.ask(number, prompt, { ceiling: 2n * step, maxTokens: 9000 });
        }

        expect(fixture.backend.requests).toHaveLength(runs);
    });

    it('is not to blame for a server that counts many times as many tokens as it may make', async () => {
        const step = 100_000_000n; // 10,000 tokens
        fixture = await startFixture({ limits: { ...LIMITS, maxStep: step.toString() }, creditSeconds: 0.05 });
        const usage = { prompt: 1, cached: 0, completion: 1_000_000, reasoning: 0 };
        fixture.backend.script = () => [{ type: 'end', finish: 'stop', usage }];
        const client = await TestClient.withJob(fixture.worker.url, fixture.chain, { step });
        await client.pay(client.voucher(step, 0));

        await askOften(client, 4, { maxTokens: 200 });

        expect(fixture.backend.requests).toHaveLength(4);
    });

    it('has the model run once for many queries that it drops before their answer', async () => {
        fixture = await startFixture({ limits: LIMITS });
        fixture.backend.script = () => [{ type: 'pause' }, { type: 'end', finish: 'stop' }];
        const [client] = await jobsOf(1);
        await leaveAfterAccept(client, 6);

        expect((await client.state()).highest).toBe(6);
        expect(fixture.backend.requests).toHaveLength(1);
    });

    it('gets no credit for a voucher of a job that a last claim has ended', async () => {
        fixture = await startFixture({ limits: LIMITS, claim: { seconds: 0.02 } });
        fixture.backend.script = () => long;
        const [ended, other, third] = await jobsOf(3);
        await ended.pay(ended.voucher(STEP, 0));
        await ended.end();
        await until(async () => (await fixture.worker.status()).jobs.ended === 1);
        const { status, body } = await ended.pay(ended.voucher(50n * STEP, 0));
        expect([status, body.error?.code]).toEqual([422, 'wrong_channel']);
        for (const client of [other, third]) {
            await Promise.all([1, 2, 3, 4].map((number) => client.ask(number, 'hello', { pays: false })));
        }

        const { earned } = await fixture.worker.status();
        expect(earned).toBeLessThanOrEqual(2n * STEP); // the one that it has paid, and the first
    });

    it('gets no credit for a voucher of a channel that nobody has seen for long, and that is gone', async () => {
        fixture = await startFixture({ limits: LIMITS });
        const [client] = await jobsOf(1);
        client.url = (await fixture.restart()).url;
        fixture.chain.remove(client.channel);

        const { status, body } = await client.pay(client.voucher(50n * STEP, 0));
        expect([status, body.error?.code]).toEqual([503, 'chain_down']);
    });

    it('gets no credit for a voucher that comes while its refund is near, when a last claim may be under way', async () => {
        fixture = await startFixture({ limits: LIMITS });
        const [client] = await jobsOf(1);
        fixture.chain.change(client.channel, { refundAt: fixture.chain.now() + 1700 });
        expect((await client.ask(1, 'hello')).decline).toMatchObject({ reason: Reason.Leaving });

        const { status, body } = await client.pay(client.voucher(50n * STEP, 0));
        expect([status, body.error?.code]).toEqual([503, 'chain_down']);
    });

    it('pays no debt by a voucher of a channel that is gone', async () => {
        const { job: gone, other, price } = await withDebt();
        expect(price).toBeGreaterThan(STEP / 3n);
        fixture.chain.remove(gone.channel);
        expect((await gone.ask(2, 'hello')).refusal).toMatchObject({ code: 'internal' });
        expect((await gone.pay(gone.voucher(price, 1))).status).toBe(200); // it may not be gone after all

        expect((await other.ask(1, 'hello')).fail).toMatchObject({ reason: Reason.Unfunded });
    });

    it.each([
        ['one endpoint shows', 0],
        ['three endpoints show', 3],
    ])('pays no debt by a voucher of a channel that is gone and deployed again with less, as %s', async (_, count) => {
        fixture = await startFixture({ limits: LIMITS });
        fixture.backend.script = () => long;
        const [gone, other] = await jobsOf(2);
        const { chain } = fixture;
        const account = chain.account.bind(chain);
        (chain as { others?: unknown[] }).others = Array.from({ length: count }, () => ({ account }));
        const { result } = await gone.ask(1, 'hello', { pays: false });
        expect(result!.price).toBeGreaterThan(STEP / 3n);
        chain.remove(gone.channel);
        expect((await gone.ask(2, 'hello')).refusal).toMatchObject({ code: 'internal' });
        expect((await gone.pay(gone.voucher(result!.price, 1))).status).toBe(200); // it may not be gone after all
        chain.openChannel(new Address(0, gone.terms.escrow), gone.parameters, await channelCode(), 1n);
        expect((await gone.ask(2, 'hello')).decline).toMatchObject({ reason: Reason.Unfunded });

        expect((await other.ask(1, 'hello')).fail).toMatchObject({ reason: Reason.Unfunded });
    });

    it('pays no debt by a voucher of a channel that is gone, and that the first of three endpoints shows as paid', async () => {
        fixture = await startFixture({ limits: LIMITS });
        fixture.backend.script = () => long;
        const [gone, other] = await jobsOf(2);
        const { chain } = fixture;
        const honest = chain.account.bind(chain);
        let first = honest;
        const endpoints = [async (address: Address) => first(address), honest, honest];
        chain.account = endpoints[0];
        (chain as { others?: unknown[] }).others = endpoints.map((account) => ({ account }));
        const { result } = await gone.ask(1, 'hello', { pays: false });
        const voucher = gone.voucher(result!.price, 1);
        chain.change(gone.channel, { paid: voucher.cumulative });
        const shown = await honest(gone.channel);
        chain.change(gone.channel, { paid: 0n, refundAt: chain.now() + 60 });
        await gone.register(); // all of them show that its client leaves
        first = async (address) => (address.equals(gone.channel) ? { ...shown, at: chain.now() } : honest(address));
        chain.remove(gone.channel);
        expect((await gone.pay(voucher)).status).toBe(200);
        await gone.register(); // it is read

        expect((await other.ask(1, 'hello')).fail).toMatchObject({ reason: Reason.Unfunded });
    });

    it('pays no debt by a voucher that comes when its channel is gone and nobody has seen that', async () => {
        const { job: gone, other, price } = await withDebt();
        fixture.chain.change(gone.channel, { refundAt: fixture.chain.now() + 60 });
        await gone.register(); // it is read
        fixture.chain.remove(gone.channel);
        expect((await gone.pay(gone.voucher(price, 1))).status).toBe(200);

        expect((await other.ask(1, 'hello')).fail).toMatchObject({ reason: Reason.Unfunded });
    });

    it('pays no debt by a voucher of a channel that is gone once its job was out of memory', async () => {
        const { job: gone, other, price } = await withDebt();
        fixture.chain.remove(gone.channel);
        expect((await gone.ask(2, 'hello')).refusal).toMatchObject({ code: 'internal' });
        const dropIdle = jest.spyOn(WorkerBook.prototype as never, 'dropIdle' as never) as jest.SpyInstance;
        dropIdle.mockImplementation(function (this: { slots: Map<string, { users: number }> }) {
            this.slots.forEach(({ users }, key) => users === 0 && this.slots.delete(key));
        });
        expect((await gone.pay(gone.voucher(price, 1))).status).toBe(200);
        expect((await gone.state()).job).toBeDefined();

        expect((await other.ask(1, 'hello')).fail).toMatchObject({ reason: Reason.Unfunded });
        dropIdle.mockRestore();
    });

    it('fills no disk with fails of queries that never ran: 64 are signed', async () => {
        fixture = await startFixture({ limits: { ...LIMITS, maxParallel: 100 }, creditSeconds: 0.05 });
        fixture.backend.script = () => long;
        const client = new TestClient(fixture.worker.url, fixture.chain);
        await client.draft({ step: STEP, maxParallel: 100 });
        await client.open(10_000_000_000n);
        await client.register();
        await client.ask(1, 'more', { pays: false });
        const numbers = Array.from({ length: 64 }, (_, i) => i + 2);
        const answers = await Promise.all(numbers.map((number) => client.ask(number, 'more', { pays: false })));
        expect(answers.filter(({ fail }) => fail !== undefined)).toHaveLength(64);

        expect((await client.ask(66, 'more')).refusal).toMatchObject({ code: 'declined' });
        await client.pay(client.voucher(3n * STEP, 0));
        expect((await client.ask(66, 'more')).result).toBeDefined();
    });
});

describe('A client whose queries fail at the backend', () => {
    const fail: Step[] = [{ type: 'fail', status: 400 }];

    it('fills no disk with fails: 64 are signed, and one more for each answer that is paid', async () => {
        fixture = await startFixture();
        fixture.backend.script = () => fail;
        const [client] = await jobsOf(1);
        for (let number = 1; number <= 63; number++) {
            expect((await client.ask(number, 'more')).fail).toBeDefined();
        }
        fixture.backend.script = () => held.filter(({ type }) => type !== 'pause');
        expect((await client.ask(64, 'more')).result).toBeDefined();
        fixture.backend.script = () => fail;
        expect((await client.ask(65, 'more')).fail).toBeDefined();
        expect((await client.ask(66, 'more')).fail).toBeDefined();

        expect((await client.ask(67, 'more')).refusal).toMatchObject({ code: 'declined' });
        expect((await client.state()).highest).toBe(66);
    });

    it('has those answered that name special tokens, after 64 fails too, for each answer that it pays of them', async () => {
        fixture = await startFixture();
        fixture.backend.script = () => fail;
        const [client] = await jobsOf(1);
        const prompt = 'Repeat this: <|im_start|>';
        for (let number = 1; number <= 63; number++) {
            expect((await client.ask(number, prompt)).fail).toBeDefined();
        }
        fixture.backend.script = () => held.filter(({ type }) => type !== 'pause');
        expect((await client.ask(64, prompt)).result).toBeDefined();
        fixture.backend.script = () => fail;
        expect((await client.ask(65, prompt)).fail).toBeDefined();
        expect((await client.ask(66, prompt)).fail).toBeDefined();

        expect((await client.ask(67, prompt)).decline).toMatchObject({ reason: Reason.Unsupported });
    });
});

describe('A client that pays', () => {
    it('for one frame now and then does not hold its place until the deadline', async () => {
        fixture = await startFixture({ limits: LIMITS, creditSeconds: 0.3 });
        fixture.backend.script = () => long;
        const [client] = await jobsOf(1);
        let frames = 0;
        const onFrame = async () => {
            if (++frames > 40) {
                await new Promise((resolve) => setTimeout(resolve, 150));
                await client.pay();
            }
        };

        const { result } = await client.ask(1, 'more', { pays: false, ceiling: 50_000_000n, onFrame });

        expect(result).toMatchObject({ finish: Finish.CutByClient });
        expect(result!.completion).toBeLessThan(2000); // of 4000, for all of which it would have paid
    });

    it.each([
        ['as it is now', 0],
        ['as it was a minute ago', 60],
    ])(
        'what it owes after a restart has credit in its other jobs, with a chain that is shown %s',
        async (_, seconds) => {
            const { job, other, price } = await withDebt({ creditSeconds: 10 });
            const { chain } = fixture;
            const shown = chain.account.bind(chain);
            const { gate, go } = newGate();
            const { url } = await fixture.restart();
            [job.url, other.url] = [url, url];
            await other.register();
            chain.account = async (address) => (await gate, { ...(await shown(address)), at: chain.now() - seconds });
            expect((await job.pay(job.voucher(price, 1))).status).toBe(200);
            go(); // the voucher is there before the channel is read

            expect((await other.ask(1, 'hello')).result?.price).toBe(price);
        },
    );

    it('has its second query wait until the first is paid, and both answered', async () => {
        fixture = await startFixture({ limits: LIMITS, creditSeconds: 10 });
        const [client] = await jobsOf(1);

        const answers = await Promise.all([1, 2, 3].map((number) => client.ask(number, 'one two three')));

        expect(answers.map(({ text }) => text)).toEqual(Array.from({ length: 3 }, () => 'one two three'));
    });

    it.each([
        { what: 'a step', paid: STEP, runs: 2 },
        { what: 'less than a step', paid: STEP - 1n, runs: 1 },
        { what: 'three steps', paid: 3n * STEP, runs: 4 },
    ])('$what has $runs queries run at once, whichever of its jobs they are of', async ({ paid, runs }) => {
        fixture = await startFixture({ limits: LIMITS });
        fixture.backend.script = () => held;
        const [one, other] = await jobsOf(2);
        await one.pay(one.voucher(paid, 0));
        // First those of the job that has paid: what it pays is credit for it, whatever runs in the other.
        const asked = [1, 2, 3].map((number) => one.ask(number, 'a'));
        await until(() => fixture.backend.requests.length >= Math.min(runs, 3));
        asked.push(...[1, 2, 3].map((number) => other.ask(number, 'a')));
        await until(() => fixture.backend.requests.length >= runs);
        await new Promise((resolve) => setTimeout(resolve, 200));

        expect(fixture.backend.requests).toHaveLength(runs);
        fixture.backend.script = () => held.filter(({ type }) => type !== 'pause');
        fixture.backend.go();
        await Promise.all(asked);
    });
});

describe('A stranger whose channel names the escrow of a client that pays', () => {
    it('and leaves answers unpaid keeps no query of a job that has paid from being answered', async () => {
        fixture = await startFixture({ limits: LIMITS });
        fixture.backend.script = () => long;
        const options = { pays: false, ceiling: 50_000_000n };
        const client = await TestClient.withJob(fixture.worker.url, fixture.chain, { step: STEP });
        await client.ask(1, 'more', { ...options, pays: true });
        await client.pay();
        const stranger = new TestClient(fixture.worker.url, fixture.chain);
        stranger.jobNumber = 8;
        await stranger.draft({ step: 10n * STEP, escrow: client.terms.escrow });
        await stranger.open();
        await stranger.register();
        for (const number of [1, 2]) {
            expect((await stranger.ask(number, 'more', options)).result).toBeDefined();
        }
        expect((await stranger.ask(3, 'more', options)).fail).toMatchObject({ reason: Reason.Unfunded });

        expect((await client.ask(2, 'more', { ...options, pays: true })).result).toBeDefined();
    });
});
