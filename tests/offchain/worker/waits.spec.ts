/** What queries that wait for a voucher of their job take from other clients. */
import { Reason } from '@cocoon-market/wrappers';
import { ClientPatience } from '../../../offchain/worker/patience';
import { type ChatMessage, type ModelRequest, textOf } from '../../../offchain/link';
import type { Step } from '../support/backend';
import { TestClient } from '../support/client';
import { until } from '../support/until';
import { account, type Fixture, startFixture, TOKEN } from '../support/worker';

const STEP = 1000n * TOKEN;

let fixture: Fixture;

afterEach(async () => {
    jest.restoreAllMocks();
    await fixture.stop();
});

/** An answer of so many words; as many tokens as bytes, because a worker bills no more. */
const words = (count: number): Step[] => [
    { type: 'prompt', prompt: 10, cached: 0 },
    ...Array.from({ length: count }, (): Step => ({ type: 'delta', content: 'words', tokens: 5 })),
    { type: 'end', finish: 'stop' },
];

/** A job that owes nearly a step, of a client that has paid several in another one. */
async function jobThatOwes(): Promise<TestClient> {
    const { chain, worker } = fixture;
    const payer = await TestClient.withJob(worker.url, chain, { step: STEP });
    await payer.pay(payer.voucher(4n * STEP, 0));
    const job = new TestClient(worker.url, chain);
    job.jobNumber = 8;
    await job.draft({ step: STEP, escrow: payer.terms.escrow });
    await job.open();
    await job.register();
    const { result } = await job.ask(1, 'a', { pays: false, ceiling: STEP });
    expect(result!.price).toBeGreaterThan((9n * STEP) / 10n);
    return job;
}

it('queries that wait for a voucher of their job leave the queue to others, although their client has credit', async () => {
    fixture = await startFixture({
        ...{ limits: { startSteps: 1 }, creditSeconds: 30, queue: { max: 2, seconds: 30 } },
        backends: [{ kind: 'openai', url: 'http://127.0.0.1:1/v1', maxParallel: 1 }],
    });
    const { backend, chain, worker } = fixture;
    backend.script = () => words(190);
    const [first, second] = [await jobThatOwes(), await jobThatOwes()];
    const other = await TestClient.withJob(worker.url, chain, { step: STEP });
    backend.script = () => words(1);
    // Each may cost the half of a step. One runs, and two wait: so many the queue takes.
    backend.bound = 500;
    const ask = (client: TestClient, number: number) => client.ask(number, 'a', { ceiling: STEP });
    const waiting = [ask(first, 2), ask(first, 3), ask(second, 2)];
    await until(async () => (await first.state()).highest === 3 && (await second.state()).highest === 2);

    expect((await ask(other, 1)).text).toBe('words');

    await Promise.all([first.pay(), second.pay()]);
    expect((await Promise.all(waiting)).map(({ text }) => text)).toEqual(['words', 'words', 'words']);
});

it('queries of jobs that let a place at a backend stand idle come after those of others, and leave them half of the queue', async () => {
    fixture = await startFixture({
        ...{ limits: { startSteps: 1 }, creditSeconds: 1, queue: { max: 2, seconds: 30 } },
        backends: [{ kind: 'openai', url: 'http://127.0.0.1:1/v1', maxParallel: 1 }],
    });
    const { backend, chain, worker } = fixture;
    backend.bound = 10;
    backend.script = () => words(196);
    const [first, second] = [await jobThatOwes(), await jobThatOwes()];
    const [runner, guest] = [await TestClient.withJob(worker.url, chain), await TestClient.withJob(worker.url, chain)];
    const ask = (client: TestClient, number: number, word = 'a') =>
        client.ask(number, word, { ceiling: STEP, pays: word !== 'stall' });
    // The model runs, and no word of it may leave before a voucher.
    expect((await ask(first, 2, 'stall')).fail!.reason).toBe(Reason.Unfunded);
    expect((await ask(second, 2, 'stall')).fail!.reason).toBe(Reason.Unfunded);
    await Promise.all([first.pay(), second.pay()]);
    const wordOf = (request: ModelRequest) => textOf((request.body as { messages: ChatMessage[] }).messages[0].content);
    backend.script = (request) => [...(wordOf(request) === 'runs' ? [{ type: 'pause' } as const] : []), ...words(1)];
    const running = ask(runner, 1, 'runs');
    await backend.atPause();

    const last = ask(first, 3, 'last');
    await until(async () => (await first.state()).highest === 3);
    expect((await ask(second, 3)).decline!.reason).toBe(Reason.TooBusy);
    const waiting = ask(guest, 1, 'guest');
    await until(async () => (await guest.state()).highest === 1);
    backend.go();

    expect((await Promise.all([running, waiting, last])).map(({ text }) => text)).toEqual(['words', 'words', 'words']);
    expect(backend.requests.map(wordOf).slice(-3)).toEqual(['runs', 'guest', 'last']);
});

it('a job does not come after others once an answer that took its model long has waited a little for its client', async () => {
    fixture = await startFixture({
        ...{ limits: { startSteps: 1 }, creditSeconds: 30, queue: { max: 2, seconds: 30 } },
        backends: [{ kind: 'openai', url: 'http://127.0.0.1:1/v1', maxParallel: 1 }],
    });
    const { backend, chain, worker } = fixture;
    const [now, wait] = [performance.now.bind(performance), jest.spyOn(ClientPatience.prototype, 'wait')];
    let passed = 0; // milliseconds, beside those that pass
    jest.spyOn(performance, 'now').mockImplementation(() => now() + passed);
    const [slow, runner, guest] = [
        await TestClient.withJob(worker.url, chain, { step: STEP }),
        await TestClient.withJob(worker.url, chain),
        await TestClient.withJob(worker.url, chain),
    ];
    backend.bound = 10;
    const [start, ...rest] = words(250);
    backend.script = () => [start, { type: 'pause' }, ...rest];
    const answer = slow.ask(1, 'a', { ceiling: 2n * STEP, pays: false });
    await backend.atPause();
    passed += 10_000;
    backend.go();
    await until(() => wait.mock.calls.length > 0, 30_000);
    passed += 8000;
    await slow.pay(slow.voucher(STEP, 0));
    expect((await answer).result).toBeDefined();
    await slow.pay();

    backend.script = () => [{ type: 'pause' }, ...words(1)];
    const running = runner.ask(1, 'a', { ceiling: STEP });
    await backend.atPause();
    backend.script = () => words(1);
    const waiting = guest.ask(1, 'a', { ceiling: STEP });
    await until(async () => (await guest.state()).highest === 1, 30_000);
    const last = slow.ask(2, 'a', { ceiling: STEP });
    await until(async () => (await slow.state()).highest === 2, 30_000);
    backend.go();

    expect((await Promise.all([running, waiting, last])).map(({ text }) => text)).toEqual(['words', 'words', 'words']);
});

it("queries of a stranger's channel that wait for its voucher take no place of the client whose escrow it names", async () => {
    fixture = await startFixture({
        ...{ limits: { startSteps: 1 }, creditSeconds: 30, queue: { max: 2, seconds: 30 } },
        backends: [{ kind: 'openai', url: 'http://127.0.0.1:1/v1', maxParallel: 1 }],
    });
    const { backend, chain, worker } = fixture;
    backend.script = () => words(190);
    const stranger = await jobThatOwes();
    chain.setSenders(stranger.channel, [{ account: account(0x77) }]);
    const client = new TestClient(worker.url, chain);
    client.jobNumber = 12;
    await client.draft({ step: STEP, escrow: stranger.terms.escrow });
    await client.open();
    await client.register();
    backend.script = () => words(1);
    // Each may cost the half of a step. They are so many as one client may have at once: one that runs, and one more.
    backend.bound = 500;
    const ask = (one: TestClient, number: number) => one.ask(number, 'a', { ceiling: STEP });
    const waiting = [ask(stranger, 2), ask(stranger, 3)];
    await until(async () => (await stranger.state()).highest === 3);

    const { text, decline } = await ask(client, 1);
    expect({ text, decline }).toEqual({ text: 'words', decline: undefined });

    await stranger.pay();
    expect((await Promise.all(waiting)).map(({ result }) => result !== undefined)).toEqual([true, true]);
});
