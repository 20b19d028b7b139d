import { Reason } from '@cocoon-market/wrappers';
import { randomBytes } from 'node:crypto';
import { type ModelRequest, RecordType, remainingRent, requestLimits } from '../../../offchain/link';
import { ECHO } from '../support/backend';
import { DAY, TestClient } from '../support/client';
import { chatRequest } from '../support/requests';
import { type Fixture, startFixture, TOKEN } from '../support/worker';

let fixture: Fixture;
let client: TestClient;

beforeEach(async () => {
    fixture = await startFixture();
    client = await TestClient.withJob(fixture.worker.url, fixture.chain);
});

afterEach(() => fixture.stop());

const code = async (answer: ReturnType<TestClient['send']>) => (await answer).refusal?.code;

const rent = remainingRent(DAY); // of the fixture's job, which the worker keeps free; it falls by 1 nanoTON in 4 s

describe('a query, before it is accepted', () => {
    it('rule 2: is refused for a job or a session that nobody registered', async () => {
        const query = client.seal(1, 'one');
        expect(await code(client.send({ ...query, head: { ...query.head, job: randomBytes(32) } }))).toBe(
            'unknown_job',
        );
        const session = { ...query.head, session: randomBytes(32) };
        expect(await code(client.send({ ...query, head: session }))).toBe('unknown_session');
    });

    it('rule 2: is refused when a byte of the sealed request was changed', async () => {
        const query = client.seal(1, 'one');
        for (const at of [0, 5, query.sealed.length - 1]) {
            const sealed = Buffer.from(query.sealed);
            sealed[at] ^= 1;
            expect(await code(client.send({ ...query, sealed }))).toBe('not_sealed');
        }
    });

    it('rule 2: is refused when the sealed request was truncated or extended', async () => {
        const query = client.seal(1, 'one');
        const { sealed } = query;
        for (const changed of [
            Buffer.alloc(0),
            sealed.subarray(0, 8),
            sealed.subarray(0, -1),
            Buffer.concat([sealed, Buffer.alloc(1)]),
        ]) {
            expect(await code(client.send({ ...query, sealed: changed }))).toBe('not_sealed');
        }
    });

    it('rule 2: is refused when parts were reordered or belong to another number', async () => {
        const [one, two] = [client.seal(1, 'one'), client.seal(2, 'two')];
        const swapped = Buffer.concat([one.sealed.subarray(16), one.sealed.subarray(0, 16)]);
        expect(await code(client.send({ ...one, sealed: swapped }))).toBe('not_sealed');
        expect(await code(client.send({ ...one, sealed: two.sealed }))).toBe('not_sealed');
        expect(await code(client.send({ ...one, head: { ...one.head, number: 2 } }))).toBe('not_sealed');
    });

    it('rule 2: is refused when its key commitment is not the one of its secret', async () => {
        const query = client.seal(1, 'one');
        expect(await code(client.send({ ...query, head: { ...query.head, commitment: randomBytes(32) } }))).toBe(
            'not_sealed',
        );
    });

    it('rule 2: leaves its number unused when it is refused', async () => {
        const query = client.seal(1, 'one');
        await client.send({ ...query, sealed: Buffer.alloc(40) });
        expect((await client.send(query)).text).toBe('one');
    });

    it('rule 2: gets the stored records when it is sent again, and 409 when it is another', async () => {
        const query = client.seal(1, 'one two');
        const first = await client.send(query);
        const again = await client.send(query);

        expect(again.receipts).toEqual(first.receipts);
        expect(again.bytes).toEqual(first.bytes);
        expect(await client.ask(1, 'one two')).toMatchObject({ status: 409, refusal: { code: 'used_number' } });
        expect(fixture.backend.requests).toHaveLength(1);
    });

    it('rule 2: is told to wait when it is sent again while it runs', async () => {
        fixture.backend.script = () => [{ type: 'pause' }, { type: 'end', finish: 'stop' }];
        const query = client.seal(1, 'one');
        const first = client.send(query);
        await fixture.backend.atPause();

        expect(await code(client.send(query))).toBe('running');
        expect(await code(client.fetch(query))).toBe('running');
        fixture.backend.go();
        expect((await first).complete).toBe(true);
    });

    it('rule 2: is declined for good: the decline is stored and the number used', async () => {
        const query = client.seal(1, 'one', { model: 'other' });
        const first = await client.send(query);
        expect(first.decline).toMatchObject({ number: 1, reason: Reason.UnknownModel, request: query.hash });
        expect((await client.send(query)).receipts).toEqual(first.receipts);
        expect(await code(client.ask(1, 'one'))).toBe('used_number');
    });

    it('rule 2: is declined when it is no chat completion', async () => {
        expect((await client.ask(1, { messages: 'none' })).decline).toMatchObject({ reason: Reason.BadRequest });
    });

    it('rule 2: is declined with a stop string for which a model server keeps pages of the answer back', async () => {
        const stop = 'x'.repeat(requestLimits.stop);
        const asked = { model: client.info.offers[0].model, messages: [{ role: 'user' as const, content: 'one' }] };
        const declined = await client.ask(1, chatRequest({ ...asked, stop: [`${stop}x`] }));
        expect(declined.decline).toMatchObject({ reason: Reason.BadRequest });
        expect((await client.ask(2, chatRequest({ ...asked, stop: [stop] }))).text).toBe('one');
    });

    it('rule 2: is declined when the channel is leaving within the margin', async () => {
        fixture.chain.change(client.channel, { refundAt: fixture.chain.now() + 1810 });
        expect((await client.ask(1, 'one')).text).toBe('one');
        fixture.chain.change(client.channel, { refundAt: fixture.chain.now() + 1800 });
        expect((await client.ask(2, 'one')).decline).toMatchObject({ reason: Reason.Leaving });
    });

    it('rule 2: is declined when the ceiling is more than the channel holds, and taken when it is as much', async () => {
        fixture.chain.change(client.channel, { balance: 4_999_999n + rent - 100n });
        expect((await client.ask(1, 'one')).decline).toMatchObject({ reason: Reason.Unfunded });
        await client.pay(client.voucher(1_000_000n, 0));
        fixture.chain.change(client.channel, { balance: 4_000_000n + rent, paid: 1_000_000n });
        expect((await client.ask(2, 'one')).text).toBe('one');
    });

    it('rule 2: counts results and open ceilings against the channel', async () => {
        fixture.chain.change(client.channel, { balance: 10_000_000n + rent });
        const { result } = await client.ask(1, 'one two three'); // leaves room for one ceiling of 5,000,000
        expect(result!.price).toBe(6n * TOKEN);
        fixture.backend.script = () => [{ type: 'pause' }, { type: 'end', finish: 'stop' }];
        const open = client.ask(2, 'open');
        await fixture.backend.atPause();

        expect((await client.ask(3, 'one')).decline).toMatchObject({ reason: Reason.Unfunded });
        const room = 5_000_000n - 6n * TOKEN;
        const fits = client.ask(4, 'one', { ceiling: room });
        await fixture.backend.atPause();
        while (fixture.backend.requests.length < 3) await new Promise(setImmediate);
        fixture.backend.go();
        expect((await fits).complete && (await open).complete).toBe(true);
    });

    it('rule 2: is declined while as many run as the terms allow', async () => {
        const single = await TestClient.withJob(fixture.worker.url, fixture.chain, { maxParallel: 1 });
        fixture.backend.script = () => [{ type: 'pause' }, { type: 'end', finish: 'stop' }];
        const first = single.ask(1, 'one');
        await fixture.backend.atPause();

        expect((await single.ask(2, 'two')).decline).toMatchObject({ reason: Reason.TooBusy });
        fixture.backend.go();
        await first;
    });

    it("rule 2: is declined when the prompt's bound costs more than half a step", async () => {
        const small = await TestClient.withJob(fixture.worker.url, fixture.chain, { step: 200n * TOKEN });
        fixture.backend.bound = 101;
        expect((await small.ask(1, 'one')).decline).toMatchObject({ reason: Reason.StepTooSmall });
        fixture.backend.bound = 100;
        expect((await small.ask(2, 'one')).text).toBe('one');
    });

    it('rule 2: is declined when the ceiling leaves nothing for an answer', async () => {
        const ceiling = 101n * TOKEN; // of which 100 tokens are the prompt's bound, and one of reasoning costs two
        expect((await client.ask(1, 'one', { ceiling })).decline).toMatchObject({ reason: Reason.TooLarge });
        expect((await client.ask(2, 'one', { ceiling: 102n * TOKEN })).accept).toBeDefined();
    });

    it('rule 2: asks the backend for no more tokens than the ceiling pays', async () => {
        await client.ask(1, 'one', { ceiling: 121n * TOKEN, maxTokens: 500 });
        await client.ask(2, 'one', { ceiling: 1000n * TOKEN, maxTokens: 50 });
        expect(fixture.backend.requests.map(({ maxTokens }) => maxTokens)).toEqual([10, 50]);
    });

    describe('what the model server does', () => {
        const asking = (number: number, fields: object, maxTokens = 500) => {
            const body = { model: ECHO, messages: [{ role: 'user' as const, content: 'one' }], ...fields };
            return client.ask(number, chatRequest({ ...body, maxTokens }), { ceiling: 121n * TOKEN });
        };

        it('decides whether a request is accepted: each feature must be listed for the model', async () => {
            const tools = [{ type: 'function', function: { name: 'f' } }];
            expect((await asking(1, { tools })).decline).toMatchObject({ reason: Reason.Unsupported });
            fixture.backend.features = ['tools'];
            expect((await asking(2, { tools })).text).toBe('one');
            expect((await asking(3, { tools, n: 2 })).decline).toMatchObject({ reason: Reason.Unsupported });
        });

        it('is asked for nothing that no listing covers and nobody pays for', async () => {
            expect((await asking(1, { use_beam_search: true })).decline).toMatchObject({ reason: Reason.Unsupported });
            expect((await asking(2, { seed: 1 })).text).toBe('one');
        });

        it('gets at least one token for each of several answers, or the request is declined', async () => {
            fixture.backend.features = ['choices'];
            expect((await asking(1, { n: 11 })).decline).toMatchObject({ reason: Reason.TooLarge });
            expect((await asking(2, { n: 10 })).accept).toBeDefined();
            expect(fixture.backend.requests.map(({ maxTokens }) => maxTokens)).toEqual([10]);
        });

        it('is asked for embeddings within the ceiling of their prompt alone', async () => {
            fixture.backend.features = ['embeddings'];
            const body = { model: ECHO, input: ['one', 'two'] };
            const request: ModelRequest = { endpoint: 'embedding', maxTokens: 0, body };
            fixture.backend.script = () => [
                { type: 'prompt', prompt: 2, cached: 0 },
                { type: 'delta', note: { vectors: [] }, tokens: 0 },
                { type: 'end', finish: 'stop', usage: { prompt: 2, cached: 0, completion: 0, reasoning: 0 } },
            ];
            const ceiling = 100n * TOKEN; // of the prompt's bound
            expect((await client.ask(1, request, { ceiling: ceiling - 1n })).decline).toMatchObject({
                reason: Reason.TooLarge,
            });
            expect((await client.ask(2, request, { ceiling })).result).toMatchObject({ prompt: 2, completion: 0 });
        });
    });

    it('rule 2: takes the voucher that comes with it', async () => {
        const voucher = client.voucher(1_000_000n, 0);
        expect((await client.ask(1, 'one', { voucher, pays: false })).text).toBe('one');
        expect((await client.state()).voucher).toMatchObject({ cumulative: '1000000' });
    });

    it('rule 2: is refused with a voucher that is not good', async () => {
        const voucher = client.voucher(2_000_000_000n, 0);
        expect(await code(client.ask(1, 'one', { voucher }))).toBe('bad_voucher');
    });

    it('rule 3: has its accept on the disk before the accept leaves', async () => {
        fixture.backend.script = () => [{ type: 'pause' }, { type: 'end', finish: 'stop' }];
        const query = client.seal(1, 'one');
        const answer = client.send(query);
        await fixture.backend.atPause();
        fixture.backend.go();
        const { accept, receipts } = await answer;
        expect(accept!.deadline - fixture.chain.now()).toBeGreaterThan(500);
        expect((await client.fetch(query)).receipts.get(RecordType.Accept)).toEqual(receipts.get(RecordType.Accept));
    });

    it('is refused when it is larger than the worker takes, or no query at all', async () => {
        const large = client.seal(1, 'x'.repeat(3 << 20));
        expect((await client.send(large)).status).toBe(413);
        expect((await client.post('/v1/query', {})).body.error!.code).toBe('bad_request');
        expect((await client.post('/v1/voucher', { job: 'x' })).body.error!.code).toBe('bad_request');
        expect((await client.get('/v1/nothing')).status).toBe(404);
    });
});
