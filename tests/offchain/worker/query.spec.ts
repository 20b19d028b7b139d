import { answerRoot, contentHash, Finish, priceOf } from '@cocoon-market/wrappers';
import { TestClient } from '../support/client';
import { startFixture, TOKEN } from '../support/worker';
import type { Fixture } from '../support/worker';

let fixture: Fixture;

beforeEach(async () => {
    fixture = await startFixture();
});

afterEach(() => fixture.stop());

describe('a query', () => {
    it('is accepted, answered, and ends with a result over exactly what arrived', async () => {
        const client = await TestClient.withJob(fixture.worker.url, fixture.chain);

        const query = client.seal(1, 'one two three');
        const answer = await client.send(query);

        expect(answer).toMatchObject({ status: 200, text: 'one two three', complete: true, broken: false });
        expect(answer.accept).toMatchObject({ number: 1, ceiling: 5_000_000n, request: query.hash });
        expect(answer.result).toMatchObject({ number: 1, index: 1, prompt: 3, completion: 3, finish: Finish.Stop });
        expect(answer.result!.price).toBe(6n * TOKEN);
        expect(answer.result!.content).toEqual(contentHash(query.hash, answerRoot(answer.bytes)));
        expect(answer.result!.price).toBe(priceOf(answer.result!, client.terms.rates));
        expect((await client.state()).voucher).toMatchObject({ cumulative: (6n * TOKEN).toString(), count: 1 });
    });
});
