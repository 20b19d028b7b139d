/** What a gateway finds in the receipts it keeps. */
import { Accept, Decline, Fail, Finish, priceOf, Result, signingKey, Terms } from '@cocoon-market/wrappers';
import { evidenceOf } from '../../../offchain/gateway/evidence';
import { signReceipt } from '../../../offchain/link';
import type { StoredReceipts } from '../../../offchain/store/gateway';

const KEY = signingKey(Buffer.alloc(32, 1));
const RATES = { prompt: 1_000_000n, cached: 0n, completion: 1_000_000n, reasoning: 0n };
const COUNTS = { prompt: 10, cached: 0, completion: 5, reasoning: 0 };
const PRICE = priceOf(COUNTS, RATES);
const JOB = Buffer.alloc(32, 3);
const ACCOUNT = Buffer.alloc(32, 4);
const terms: Terms = {
    ...{ escrow: ACCOUNT, provider: ACCOUNT, node: ACCOUNT, payout: ACCOUNT, model: ACCOUNT },
    ...{ receiptKey: KEY.publicKey, voucherKey: signingKey(ACCOUNT).publicKey, rates: RATES },
    ...{ step: 8n, maxParallel: 1, maxAnswer: 1, notice: 1, end: 1 },
};

const result = (number: number, index: number, change: Partial<Result> = {}, key = KEY): Buffer => {
    const bill = { ...COUNTS, price: PRICE, cumulative: PRICE * BigInt(index), finishedAt: 100 + number };
    const named = { job: JOB, number, index, content: Buffer.alloc(32), finish: Finish.Stop };
    return signReceipt(Result, { ...named, ...bill, ...change }, key);
};
const accept = (number: number, ceiling = 1000n): Buffer =>
    signReceipt(Accept, { job: JOB, number, request: ACCOUNT, ceiling, deadline: 700 }, KEY);
const fail = (number: number): Buffer =>
    signReceipt(Fail, { job: JOB, number, request: ACCOUNT, reason: 8, signedAt: 150 }, KEY);
const decline = (number: number): Buffer =>
    signReceipt(Decline, { job: JOB, number, request: ACCOUNT, reason: 8, signedAt: 150 }, KEY);

const row = (number: number, receipt: Buffer | null, change: Partial<StoredReceipts> = {}): StoredReceipts => ({
    ...{ number, receipt, accept: accept(number), phase: 'result' },
    ...change,
});
const found = async (...rows: StoredReceipts[]) =>
    (await evidenceOf({ hash: JOB, terms }, rows)).filter(({ class: faultClass }) => faultClass !== 'B1');

describe('The receipts of a gateway', () => {
    it('of an honest node show nothing', async () => {
        expect(await found(row(1, result(1, 1)), row(2, fail(2), { phase: 'fail' }), row(3, result(3, 2)))).toEqual([]);
    });

    it('show two results of one index, and count the dearer', async () => {
        const [first, second] = [
            result(1, 1),
            result(2, 1, { completion: 6, price: PRICE + 1n, cumulative: PRICE + 1n }),
        ];

        const [twice] = await found(row(1, first), row(2, second, { phase: 'refused' }));

        expect(twice).toMatchObject({
            class: 'A1',
            queries: [1, 2],
            receipts: [first, second],
            loss: PRICE + 1n,
            date: 102,
        });
    });

    it('show a result and a fail of one query, under whatever number they came', async () => {
        const [twice] = await found(row(1, result(1, 1)), row(2, fail(1), { phase: 'refused' }));

        expect(twice).toMatchObject({ class: 'A1', loss: PRICE, date: 150 });
    });

    it('show nothing by one result that came for two queries', async () => {
        expect(await found(row(1, result(1, 1)), row(2, result(1, 1), { phase: 'refused', accept: null }))).toEqual([]);
    });

    it.each([
        { what: 'its counts', rows: [row(1, result(1, 1, { price: PRICE + 2n, cumulative: PRICE + 2n }))], loss: 2n },
        { what: 'its own price, as the first', rows: [row(1, result(1, 1, { cumulative: PRICE + 1n }))], loss: 1n },
        { what: 'its own price, at index 0', rows: [row(1, result(1, 0, { cumulative: PRICE + 1n }))], loss: 1n },
        {
            what: 'the result before it',
            rows: [row(1, result(1, 1)), row(2, result(2, 2, { cumulative: 2n * PRICE + 3n }))],
            loss: 3n,
        },
        { what: 'its ceiling', rows: [row(1, result(1, 1), { accept: accept(1, PRICE - 1n) })], loss: 1n },
    ])('show a bill above $what', async ({ rows, loss }) => {
        expect(await found(...rows)).toMatchObject([{ class: 'A2', loss }]);
    });

    it('show a bill at its ceiling as right', async () => {
        expect(await found(row(1, result(1, 1), { accept: accept(1, PRICE) }))).toEqual([]);
    });

    it('show an accept without an end, at the least of ceiling and step', async () => {
        expect(await found(row(1, null, { phase: 'open' }))).toMatchObject([{ class: 'A3', loss: 8n, date: 700 }]);
        expect(await found(row(1, null, { phase: 'open', accept: null }))).toEqual([]);
        expect(await found(row(1, null, { phase: 'open', accept: accept(1, 7n) }))).toMatchObject([{ loss: 7n }]);
    });

    it.each([
        { what: 'that its node says it never had', phase: 'void' as const, receipt: null },
        { what: 'that its node declined afterwards', phase: 'decline' as const, receipt: decline(1) },
    ])('show an accept of a query $what', async ({ phase, receipt }) => {
        expect(await found(row(1, receipt, { phase }))).toMatchObject([{ class: 'A3', receipts: [accept(1)] }]);
        expect(await found(row(1, receipt, { phase, accept: null }))).toEqual([]);
    });

    it.each([
        { what: 'a result', refused: 'result', receipt: result(1, 1) },
        { what: 'a fail', refused: 'fail', receipt: fail(1) },
        { what: 'a result of another query', refused: undefined, receipt: result(2, 1) },
        { what: 'nothing', refused: undefined, receipt: null },
    ])('say of an accept without an end that $what came and was refused', async ({ refused, receipt }) => {
        const [silent] = await found(row(1, receipt, { phase: 'refused' }));

        expect(silent).toMatchObject({ class: 'A3' });
        expect(silent.refused).toBe(refused);
    });

    it('show nothing that another key signed, or for another job', async () => {
        const forged = result(2, 1, {}, signingKey(Buffer.alloc(32, 9)));
        const elsewhere = result(2, 1, { job: ACCOUNT });

        for (const receipt of [forged, elsewhere]) {
            expect(await found(row(1, result(1, 1)), row(2, receipt, { accept: null, phase: 'refused' }))).toEqual([]);
        }
    });

    it('of a long job are checked while requests are answered', async () => {
        const rows = Array.from({ length: 300 }, (_, i) => row(i + 1, result(i + 1, i + 1)));
        let turns = 0;
        const count = () => void (turns++, (next = setImmediate(count)));
        let next = setImmediate(count);
        const all = await evidenceOf({ hash: JOB, terms }, rows);
        clearImmediate(next);

        expect(all.map(({ class: faultClass }) => faultClass)).toEqual(rows.map(() => 'B1'));
        expect(turns).toBeGreaterThanOrEqual(4);
    });
});
