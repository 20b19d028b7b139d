/** Model servers that count more tokens than their texts seem to have, or count them in other ways than they report. */
import { Finish, Verifier } from '@cocoon-market/wrappers';
import { RecordType } from '../../../offchain/link';
import { IncomingAnswer } from '../../../offchain/payer/incoming';
import { counterOf } from '../../../offchain/tokens';
import { ECHO, type Step } from '../support/backend';
import { type Answer, TestClient } from '../support/client';
import { type Fixture, RATES, startFixture } from '../support/worker';

const CEILING = 2_000_000n; // nanoTON: 100 tokens of the prompt, and 100 of the answer

interface Asked {
    tokenizer: 'bytes' | 'qwen';
    ceiling: bigint;
}

let fixture: Fixture;

afterEach(() => fixture.stop());

/** What the answer of a server comes to, as a gateway takes it. */
async function askedOf(steps: Step[], { tokenizer = 'bytes', ceiling = CEILING }: Partial<Asked> = {}) {
    fixture = await startFixture({ offers: [{ model: ECHO, rates: RATES, tokenizer }] });
    fixture.backend.script = () => steps;
    const client = await TestClient.withJob(fixture.worker.url, fixture.chain);
    const query = client.seal(1, 'hello', { ceiling });
    const answer = await client.send(query, { ceiling });
    takeAll(client, query.secret, query.hash, answer, { tokenizer, ceiling });
    return answer.result!;
}

/** Throws if a gateway refuses anything of an answer, and leaves its node. */
function takeAll(
    { job, terms, info }: TestClient,
    secret: Buffer,
    request: Buffer,
    { receipts, bytes }: Answer,
    { tokenizer, ceiling }: Asked,
): void {
    const now = fixture.chain.now();
    const { rates, maxAnswer } = terms;
    const incoming = new IncomingAnswer(
        { job, number: 1, request, ceiling, rates, askedAt: now, promptBound: 100, stopBound: 0 },
        new Verifier(info.receiptKey),
        secret,
        counterOf(tokenizer),
        { maxAnswer, clock: () => ({ now, tolerance: 60, offset: 0 }), late: false, choices: 1 },
    );
    incoming.take({ type: RecordType.Accept, bytes: receipts.get(RecordType.Accept)! });
    incoming.take({ type: RecordType.Answer, bytes });
    incoming.take({ type: RecordType.Result, bytes: receipts.get(RecordType.Result)! });
}

const prompt = (read: number, cached: number): Step => ({ type: 'prompt', prompt: read, cached });
const delta = (content: string, tokens: number): Step => ({ type: 'delta', content, tokens });

describe('What a worker bills for a server that counts many tokens', () => {
    it('is never above the ceiling, for which its node would lose stake: tokens before a long text', async () => {
        const { price, completion, finish } = await askedOf([
            prompt(100, 0),
            delta('a', 90), // of which a client pays 18
            delta('b'.repeat(90), 20), // for which it would pay 109
            { type: 'end', finish: 'stop' },
        ]);

        expect(price).toBeLessThanOrEqual(CEILING);
        expect([completion, finish]).toEqual([18 + 20, Finish.Stop]);
    });

    it('is what a gateway takes, although a text has fewer tokens once it is longer', async () => {
        const dashes = Array.from({ length: 128 }, () => delta('-', 1)); // together a token of the vocabulary
        const { completion } = await askedOf(
            [prompt(10, 0), ...dashes, { type: 'end', finish: 'stop', usage: { completion: 128 } }],
            { tokenizer: 'qwen', ceiling: 10n * CEILING },
        );

        expect(completion).toBe(24);
    });

    it('is no more of a prompt than was sent, though it first calls it cached and then read', async () => {
        const usage = { prompt: 90, cached: 0, completion: 1 };
        const { prompt: read, cached } = await askedOf([
            prompt(10, 80),
            delta('a', 1),
            { type: 'end', finish: 'stop', usage },
        ]);

        expect([read, cached]).toEqual([20, 80]); // 100 were sent at most
    });
});
