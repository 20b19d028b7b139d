// Longer than 350 lines because its cases share one set-up.
import { answerRoot, contentHash, Finish, priceOf, Reason } from '@cocoon-market/wrappers';
import { encodeQuery, FrameKind, RecordType } from '../../../offchain/link';
import { SqliteQueries } from '../../../offchain/store/sqliteQueries';
import { ECHO, echo, type Step } from '../support/backend';
import { type Answer, type Sealed, TestClient } from '../support/client';
import { until } from '../support/until';
import { type Fixture, RATES, startFixture, TOKEN } from '../support/worker';

let fixture: Fixture;

beforeEach(async () => {
    fixture = await startFixture();
});

afterEach(() => fixture.stop());

/** A step of 1,000 tokens, so a frame holds at most 50 (reasoning costs double). */
const STEP = 1000n * TOKEN;
const CEILING = 100_000_000n;

const withJob = (terms: object = {}) => TestClient.withJob(fixture.worker.url, fixture.chain, { step: STEP, ...terms });

const deltas = (count: number, tokens?: number): Step[] =>
    Array.from({ length: count }, () =>
        // A client accepts no more tokens than bytes.
        tokens === undefined
            ? { type: 'delta', content: 'word ' }
            : { type: 'delta', content: 'word '.padEnd(tokens), tokens },
    );
const end: Step = { type: 'end', finish: 'stop' };
const prompt: Step = { type: 'prompt', prompt: 10, cached: 0 };

const script = (...steps: Step[]) => (fixture.backend.script = () => steps);

/** The stored records, once the query has an end. */
async function stored(client: TestClient, query: Sealed): Promise<Answer> {
    let answer = await client.fetch(query);
    await until(async () => (answer = await client.fetch(query)).refusal?.code !== 'running');
    return answer;
}

function expectBills(answer: Answer, query: Sealed, client: TestClient): void {
    expect(answer.result!.content).toEqual(contentHash(query.hash, answerRoot(answer.bytes)));
    expect(answer.result!.price).toBe(priceOf(answer.result!, client.terms.rates));
}

describe('an answer', () => {
    it('ends with a result over exactly what arrived', async () => {
        const client = await withJob();
        const query = client.seal(1, 'one two three');
        const answer = await client.send(query);

        expect(answer).toMatchObject({ status: 200, text: 'one two three', complete: true, broken: false });
        expect(answer.accept).toMatchObject({ number: 1, ceiling: 5_000_000n, request: query.hash });
        expect(answer.result).toMatchObject({ number: 1, index: 1, prompt: 3, completion: 3, finish: Finish.Stop });
        expect(answer.result!.price).toBe(6n * TOKEN);
        expectBills(answer, query, client);
        expect((await client.state()).voucher).toMatchObject({ cumulative: (6n * TOKEN).toString(), count: 1 });
    });

    describe('whose accept is on its way to the disk', () => {
        const accept = SqliteQueries.prototype.accept;
        afterEach(() => jest.restoreAllMocks());

        it('rule 3: is computed already, and nothing of it leaves', async () => {
            let store!: () => void;
            const held = new Promise<void>((resolve) => (store = resolve));
            jest.spyOn(SqliteQueries.prototype, 'accept').mockImplementation(async function (
                this: SqliteQueries,
                query,
            ) {
                await held;
                return accept.call(this, query);
            });
            const client = await withJob();
            let hasAnswered = false;
            const answering = client.send(client.seal(1, 'one two three')).finally(() => (hasAnswered = true));
            await until(() => fixture.backend.requests.length === 1);
            await new Promise((resolve) => setTimeout(resolve, 20));
            expect(hasAnswered).toBe(false);

            store();
            expect(await answering).toMatchObject({ status: 200, text: 'one two three', complete: true });
        });

        it('is given up if the accept cannot be stored, and the next query has its place', async () => {
            jest.spyOn(SqliteQueries.prototype, 'accept').mockRejectedValueOnce(new Error('full'));
            script(prompt, ...deltas(3, 5), { type: 'pause' }, end);
            const client = await withJob({ maxParallel: 1 });
            const refused = await client.send(client.seal(1, 'one'));
            expect(refused).toMatchObject({ status: 500, refusal: { code: 'internal' } });
            await until(() => fixture.backend.aborted === 1);

            fixture.backend.script = echo;
            expect(await client.send(client.seal(2, 'two'))).toMatchObject({
                status: 200,
                text: 'two',
                complete: true,
            });
        });
    });

    it('rule 4: comes in frames of at most a tenth of a step', async () => {
        const client = await withJob();
        script(prompt, { type: 'delta', content: 'x'.repeat(1000), tokens: 160 }, end);
        const { frames, text, result } = await client.ask(1, 'one', { ceiling: CEILING });
        expect(text).toBe('x'.repeat(1000));
        expect(frames.filter((frame) => frame.text !== '').map((frame) => frame.text.length)).toEqual([
            250, 250, 250, 250,
        ]);
        expect(result!.completion).toBe(160);
    });

    it('rule 4: is committed every eighth of a step, and its meter covers what is committed and no more', async () => {
        const client = await withJob();
        script(prompt, ...deltas(30, 20), end);
        const { frames } = await client.ask(1, 'one', { ceiling: CEILING });

        let sent = 0;
        for (const { meter, text } of frames) {
            expect(meter.completion).toBeLessThanOrEqual(sent);
            expect(sent - meter.completion).toBeLessThanOrEqual(125);
            sent += text === '' ? 0 : 20;
        }
        const meters = frames.map(({ meter }) => meter.completion);
        expect(meters).toEqual([...meters].sort((a, b) => a - b));
        expect(meters.at(-1)).toBe(600);
    });

    it('rule 5: stops within a step when nobody pays, and goes on at the next voucher', async () => {
        const client = await withJob();
        script(prompt, ...deltas(100, 20), end);
        let received = 0;
        const query = client.seal(1, 'one', { ceiling: CEILING });
        const answer = client.send(query, {
            pays: false,
            onFrame: ({ text }) => void (received += text === '' ? 0 : 20),
        });

        await until(() => received >= 980);
        await new Promise((resolve) => setTimeout(resolve, 50));
        expect(received).toBe(980); // with the prompt's 10, one more frame of 20 would be more than 1,000
        await client.pay(client.voucher(500n * TOKEN, 0));
        await until(() => received >= 1480);
        await client.pay(client.voucher(2010n * TOKEN, 0));
        expect(await answer).toMatchObject({ complete: true });
    });

    it('rule 5: shows a client that must pay everything it may pay for', async () => {
        const client = await withJob();
        script(prompt, ...deltas(100, 20), end);
        let meter = 0n;
        const answer = client.ask(1, 'one', {
            ceiling: CEILING,
            pays: false,
            onFrame: (frame) => void (meter = priceOf(frame.meter, client.terms.rates)),
        });
        await until(() => meter === 990n * TOKEN);
        expect((await answer).result).toMatchObject({ finish: Finish.CutByClient, completion: 980 });
    });

    it('rule 5: is cut when no voucher comes in time, and bills what was sent', async () => {
        const client = await withJob();
        script(prompt, ...deltas(100, 20), end);
        const query = client.seal(1, 'one', { ceiling: CEILING });
        const answer = await client.send(query, { pays: false });
        expect(answer.complete).toBe(false);
        expect(answer.result).toMatchObject({ finish: Finish.CutByClient, prompt: 10, completion: 980 });
        expectBills(answer, query, client);
        await until(() => fixture.backend.aborted === 1);
    });

    it('rule 5: goes on to its end, however long, for a client that pays by the meter', async () => {
        const client = await withJob();
        script(prompt, ...deltas(500, 20), end);
        const answer = await client.ask(1, 'one', { ceiling: 9n * CEILING });
        expect(answer.result).toMatchObject({ finish: Finish.Stop, completion: 10_000 });
    });

    it('rules 5 and 17: goes on to its end when the backend counts nothing', async () => {
        const client = await withJob();
        script(...deltas(2000), {
            type: 'end',
            finish: 'stop',
            usage: { prompt: 7, cached: 1, completion: 2400, reasoning: 0 },
        });
        const answer = await client.ask(1, 'one', { ceiling: 9n * CEILING });
        expect(answer.frames.slice(0, -1).every(({ meter }, i) => meter.completion <= i)).toBe(true);
        expect(answer.result).toMatchObject({ finish: Finish.Stop, prompt: 7, cached: 1, completion: 2400 });
    });

    it('rule 17: counts a quarter of its bytes when usage never comes', async () => {
        const client = await withJob();
        script(...deltas(100), end);
        const { result } = await client.ask(1, 'x'.repeat(41), { ceiling: CEILING });
        expect(result).toMatchObject({ prompt: 11, cached: 0, completion: 125 });
    });

    it('rule 9: has its result on the disk before the final frame leaves', async () => {
        const client = await withJob();
        const query = client.seal(1, 'one two');
        let atFinal: Answer | undefined;
        const answer = await client.send(query, {
            onFrame: async ({ final }) => {
                atFinal = final ? await client.fetch(query) : atFinal;
            },
        });
        expect(atFinal!.receipts.get(RecordType.Result)).toEqual(answer.receipts.get(RecordType.Result));
        expect(atFinal!.bytes).toEqual(answer.bytes);
    });

    it('rule 11: shares credit, index and cumulative with others of its job', async () => {
        const client = await withJob({ maxParallel: 8 });
        script(prompt, ...deltas(60, 20), end);
        const numbers = [1, 2, 3, 4, 5, 6];
        const answers = await Promise.all(numbers.map((number) => client.ask(number, 'one', { ceiling: CEILING })));
        const results = answers.map(({ result }) => result!).sort((a, b) => a.index - b.index);
        expect(results.map(({ index }) => index)).toEqual(numbers);
        results.forEach(({ cumulative }, i) => expect(cumulative).toBe(BigInt(i + 1) * 1210n * TOKEN));
        expect((await client.state()).results).toMatchObject({ index: 6 });
    });

    it('rule 11: two that run may together be unpaid by two steps', async () => {
        const client = await withJob();
        script(prompt, ...deltas(200, 20), end);
        let received = 0;
        const onFrame = ({ text }: { text: string }) => void (received += text === '' ? 0 : 20);
        const answers = [1, 2].map((number) => client.ask(number, 'one', { ceiling: CEILING, pays: false, onFrame }));
        await Promise.all(answers);
        expect(received).toBe(1980); // and 20 of prompts
    });

    it('counts earlier results that nobody paid against the next query', async () => {
        fixture.backend.bound = 10;
        const client = await withJob();
        script(prompt, ...deltas(45, 20), end);
        await client.ask(1, 'one', { ceiling: CEILING, pays: false });
        const answer = await client.ask(2, 'one', { ceiling: CEILING, pays: false });
        expect(answer.result).toMatchObject({ finish: Finish.CutByClient, completion: 80 });
    });

    it('rule 5: has no model run whose prompt is more than what earlier results leave of a step', async () => {
        await fixture.restart({ creditSeconds: 60 });
        const client = await withJob();
        script(prompt, ...deltas(45, 20), end);
        await client.ask(1, 'one', { ceiling: CEILING, pays: false });
        const waiting = client.ask(2, 'one', { ceiling: CEILING, pays: false });
        await until(async () => (await client.state()).highest === 2);
        await new Promise((resolve) => setTimeout(resolve, 50));

        expect(fixture.backend.requests).toHaveLength(1); // 910 of a step of 1,000 are unpaid, and a prompt may cost 100
        await client.pay(client.voucher(910n * TOKEN, 1));
        expect((await waiting).result).toMatchObject({ index: 2, finish: Finish.Stop });
    });

    it('rule 12: fails, at no price, when the backend fails before anything is sent', async () => {
        const client = await withJob();
        script(prompt, { type: 'fail' });
        const query = client.seal(1, 'one');
        expect((await client.send(query)).fail).toMatchObject({
            number: 1,
            reason: Reason.BackendDown,
            request: query.hash,
        });
        script({ type: 'fail', status: 400 });
        expect((await client.ask(2, 'one')).fail).toMatchObject({ reason: Reason.BackendRefused });
        expect((await client.state()).results).toEqual({ index: 0, cumulative: '0' });
    });

    it('rule 12: ends with a result over what was sent when the backend fails later', async () => {
        const client = await withJob();
        script(prompt, ...deltas(3, 20), { type: 'fail' });
        const query = client.seal(1, 'one');
        const answer = await client.send(query);
        expect(answer).toMatchObject({ complete: false, text: 'word '.padEnd(20).repeat(3) });
        expect(answer.result).toMatchObject({ finish: Finish.CutByBackend, prompt: 10, completion: 60 });
        expectBills(answer, query, client);
    });

    it('rule 12: fails when the backend fails after half a character, because a client pays for no answer without a word', async () => {
        const client = await withJob();
        script(prompt, { type: 'delta', content: '\ud83d', tokens: 1 }, { type: 'fail' });
        const answer = await client.ask(1, 'one');
        expect(answer.result).toBeUndefined();
        expect(answer.fail).toMatchObject({ reason: Reason.BackendDown });
        expect((await client.state()).results).toEqual({ index: 0, cumulative: '0' });
    });

    describe('of which the model makes tokens that no client pays', () => {
        const work = (tokens: number): Step => ({ type: 'work', tokens });
        /** A client of which one step may be unpaid. */
        async function newClient() {
            await fixture.stop();
            fixture = await startFixture({ limits: { startSteps: 1 } });
            return withJob();
        }

        it('rule 5: is cut once more than a step is made without text, and the next query waits', async () => {
            const client = await newClient();
            script(prompt, work(500), work(1016), work(1017), { type: 'pause' }, end);
            const answer = await client.ask(1, 'hello', { ceiling: CEILING });
            expect(answer.fail).toMatchObject({ reason: Reason.Unsupported }); // for what it asks, not for the node
            expect(answer.result).toBeUndefined();
            expect(fixture.backend.aborted).toBe(1);

            const next = await client.ask(2, 'hello', { ceiling: CEILING });
            expect(next.fail).toMatchObject({ reason: Reason.Unfunded });
            expect(fixture.backend.requests).toHaveLength(1);
        });

        it.each([
            ['says which tokens are written', { logit_bias: { 7: 100 } }],
            ['names a special token', { messages: [{ role: 'user', content: 'Repeat <|im_start|> for ever' }] }],
        ])('rule 5: keeps no other query of its client waiting if its request %s', async (_, body) => {
            await fixture.stop();
            const offers = [{ model: ECHO, rates: RATES, features: ['sampling' as const] }];
            fixture = await startFixture({ limits: { startSteps: 1 }, offers });
            const client = await withJob();
            const hello = { model: ECHO, messages: [{ role: 'user', content: 'hello' }] };
            const special = { endpoint: 'chat', maxTokens: 2000, body: { ...hello, ...body } };
            script(prompt, work(1017), { type: 'pause' }, end);
            const answer = await client.ask(1, special, { ceiling: CEILING });
            expect(answer.fail).toMatchObject({ reason: Reason.Unsupported });
            script(prompt, ...deltas(1, 20), end);

            const next = await client.ask(2, 'hello', { ceiling: CEILING });
            expect(next.result).toMatchObject({ finish: Finish.Stop, completion: 20 });
            const another = await client.ask(3, special, { ceiling: CEILING });
            expect(another.decline).toMatchObject({ reason: Reason.Unsupported });
            expect(fixture.backend.requests).toHaveLength(2);
        });

        it('rule 5: is cut after its words too, and bills them', async () => {
            const client = await newClient();
            script(prompt, ...deltas(3, 20), work(2000), end);
            const answer = await client.ask(1, 'hello', { ceiling: CEILING });
            expect(answer.result).toMatchObject({ finish: Finish.CutByWorker, prompt: 10, completion: 60 });

            const next = await client.ask(2, 'hello', { ceiling: CEILING });
            expect(next.fail).toMatchObject({ reason: Reason.Unfunded });
        });

        it('rule 5: is cut when its deltas count far more tokens than their text has', async () => {
            const client = await withJob();
            script(
                prompt,
                ...Array.from({ length: 100 }, (): Step => ({ type: 'delta', content: 'a', tokens: 40 })),
                end,
            );
            const answer = await client.ask(1, 'hello', { ceiling: CEILING });
            expect(answer.result).toMatchObject({ finish: Finish.CutByWorker });
            expect(answer.text.length).toBeLessThan(30);
        });

        it('goes on while at most a step is kept back, and is billed when its text comes', async () => {
            const client = await newClient();
            script(prompt, work(500), work(1000), ...deltas(1, 1000), work(900), end);
            const answer = await client.ask(1, 'hello', { ceiling: CEILING });
            expect(answer.result).toMatchObject({ finish: Finish.Stop, prompt: 10, completion: 1000 });

            script(prompt, ...deltas(1, 20), end);
            const next = await client.ask(2, 'hello', { ceiling: CEILING });
            expect(next.result).toMatchObject({ finish: Finish.Stop, completion: 20 });
        });
    });

    it('rule 12: bills the prompt by its bytes when it is cut before its count is known', async () => {
        const client = await withJob();
        script(...deltas(3), { type: 'fail' });
        const { result } = await client.ask(1, 'x'.repeat(40));
        expect(result).toMatchObject({ finish: Finish.CutByBackend, prompt: 10, completion: 3 });
    });

    it('rule 12: ends at once when the client closes the connection, over what was sent', async () => {
        const client = await withJob();
        script(prompt, ...deltas(3, 20), { type: 'pause' }, ...deltas(50, 20), end);
        const query = client.seal(1, 'one');
        const answer = await client.send(query, {
            onFrame: (_frame, cut) => (fixture.backend.requests.length ? cut() : undefined),
        });
        expect(answer.broken).toBe(true);

        const kept = await stored(client, query);
        expect(kept.result).toMatchObject({ finish: Finish.CutByClient, prompt: 10 });
        expect(kept.bytes.subarray(0, answer.bytes.length)).toEqual(answer.bytes);
        expectBills(kept, query, client);
        await until(() => fixture.backend.aborted === 1);
        script(end);
        expect((await client.ask(2, 'two')).accept).toBeDefined();
    });

    it('rule 12: fails when the client closes the connection before anything was sent', async () => {
        const client = await withJob();
        script({ type: 'pause' }, ...deltas(3), end);
        const query = client.seal(1, 'one');
        const abort = new AbortController();
        const sent = fetch(`${client.url}/v1/query`, {
            method: 'POST',
            headers: { 'content-type': 'application/octet-stream' },
            body: new Uint8Array(encodeQuery(query.head, query.sealed)),
            signal: abort.signal,
        });
        await fixture.backend.atPause();
        await sent;
        abort.abort();
        expect((await stored(client, query)).fail).toMatchObject({ reason: Reason.Stopped });
    });

    it('rule 14: is fetched again as often as anyone asks, the same bytes', async () => {
        const client = await withJob();
        script(prompt, ...deltas(30, 20), end);
        const query = client.seal(1, 'one', { ceiling: CEILING });
        const answer = await client.send(query);
        client.url = (await fixture.restart()).url;
        for (let i = 0; i < 2; i++) {
            const again = await client.fetch(query);
            expect({ bytes: again.bytes, receipts: again.receipts }).toEqual({
                bytes: answer.bytes,
                receipts: answer.receipts,
            });
        }
    });

    it('never costs more than its ceiling, whatever the backend does', async () => {
        const client = await withJob();
        script(prompt, ...deltas(100, 20), end);
        const { result } = await client.ask(1, 'one', { ceiling: 500n * TOKEN });
        expect(result).toMatchObject({ finish: Finish.Length, completion: 480 });
        script({ type: 'end', finish: 'stop', usage: { prompt: 100, cached: 0, completion: 1000, reasoning: 0 } });
        expect((await client.ask(2, 'one', { ceiling: 105n * TOKEN })).result!.price).toBeLessThanOrEqual(105n * TOKEN);
    });

    it('never has more bytes than the largest answer', async () => {
        const client = await withJob({ maxAnswer: 1024 });
        script(prompt, ...deltas(500, 20), end);
        const query = client.seal(1, 'one', { ceiling: CEILING });
        const answer = await client.send(query);
        expect(answer.result).toMatchObject({ finish: Finish.Length });
        expect(answer.complete).toBe(true);
        expect(answer.bytes.length).toBeLessThanOrEqual(1024);
        expect(answer.bytes.length).toBeGreaterThan(900);
        expectBills(answer, query, client);
    });

    it('keeps reasoning apart from content', async () => {
        const client = await withJob();
        script(
            prompt,
            { type: 'delta', reasoning: 'hm', tokens: 2 },
            { type: 'delta', content: 'yes', tokens: 1 },
            end,
        );
        const { frames, result } = await client.ask(1, 'one');
        expect(frames.map(({ kind, text }) => [kind, text])).toEqual([
            [FrameKind.Reasoning, 'hm'],
            [FrameKind.Content, 'yes'],
            [FrameKind.Empty, ''],
        ]);
        expect(result).toMatchObject({ reasoning: 2, completion: 1, price: (10n + 4n + 1n) * TOKEN });
    });

    it('is cut by the worker when that goes down, and nothing new begins', async () => {
        const client = await withJob();
        script(prompt, ...deltas(3, 20), { type: 'pause' }, end);
        const query = client.seal(1, 'one');
        const answer = client.send(query);
        await fixture.backend.atPause();
        const closed = fixture.worker.close();
        const { result } = await answer;
        expect(result).toMatchObject({ finish: Finish.CutByWorker, completion: 60 });
        await closed;
    });

    it('is cut when its deadline is near', async () => {
        await fixture.restart({ answerSeconds: 1 });
        const client = await withJob();
        script(prompt, ...deltas(3, 20), { type: 'pause' }, end);
        const { accept, result } = await client.ask(1, 'one');
        expect(result).toMatchObject({ finish: Finish.CutByBackend });
        expect(result!.finishedAt).toBeLessThanOrEqual(accept!.deadline);
    });
});
