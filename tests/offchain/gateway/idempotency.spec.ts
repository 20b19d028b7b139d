/** The memory of requests with an Idempotency-Key, at the level of its class. */
import { Idempotency, Recording } from '../../../offchain/gateway/idempotency';

const body = { model: 'm', messages: [] };
let seconds: number;

const memory = (limits: { seconds?: number; maxBytes?: number } = {}, maxRequests?: number) =>
    new Idempotency({ seconds: 60, maxBytes: 100, ...limits }, () => seconds, maxRequests);

beforeEach(() => {
    seconds = 1000;
});

const paid = { isPaid: true };

describe('A repeated request', () => {
    it('is the same request for the same key, scope and body', () => {
        const idempotency = memory();
        const first = idempotency.take('k', 'bob', body);

        expect(first.isFirst).toBe(true);
        expect(idempotency.take('k', 'bob', { ...body })).toEqual({ recording: first.recording, isFirst: false });
        expect(idempotency.take('k', 'eve', body).isFirst).toBe(true);
        expect(idempotency.take('other', 'bob', body).isFirst).toBe(true);
    });

    it('is refused by name with another body', () => {
        const idempotency = memory();
        idempotency.take('k', 'bob', body);

        expect(() => idempotency.take('k', 'bob', { ...body, n: 2 })).toThrow(
            expect.objectContaining({ status: 422, code: 'idempotency_key_reused', param: 'idempotency-key' }),
        );
    });

    it('needs a key of 1 to 255 visible characters', () => {
        expect(memory().take('k'.repeat(255), '', body).isFirst).toBe(true);
        for (const key of ['', 'k'.repeat(256), 'a b', 'ä']) {
            expect(() => memory().take(key, '', body)).toThrow(expect.objectContaining({ status: 400 }));
        }
    });

    it('is tried again after an error that cost nothing, and not after an answer', () => {
        const idempotency = memory();
        const free = idempotency.take('free', '', body).recording;
        idempotency.end(free, { isPaid: false });
        const dear = idempotency.take('dear', '', body).recording;
        idempotency.end(dear, paid);

        expect(idempotency.take('free', '', body).isFirst).toBe(true);
        expect(idempotency.take('dear', '', body).isFirst).toBe(false);
    });

    it('is forgotten after its time, but not while it runs', () => {
        const idempotency = memory();
        const ended = idempotency.take('ended', '', body).recording;
        idempotency.end(ended, paid);
        idempotency.take('running', '', body);

        seconds += 59;
        expect(idempotency.take('ended', '', body).isFirst).toBe(false);
        seconds += 1;
        expect(idempotency.take('running', '', body).isFirst).toBe(false);
        expect(idempotency.take('ended', '', body).isFirst).toBe(true);
    });

    it('is remembered without its answer when the answers are too many bytes, so that it is not bought again', () => {
        const idempotency = memory({ maxBytes: 100 });
        const old = idempotency.take('old', '', body).recording;
        old.add(Buffer.alloc(60));
        idempotency.end(old, paid);
        const young = idempotency.take('young', '', body).recording;

        young.add(Buffer.alloc(40));
        expect([old.bytes, young.bytes]).toEqual([60, 40]);
        young.add(Buffer.alloc(1));
        expect([old.bytes, young.bytes]).toEqual([0, 41]);
        young.add(Buffer.alloc(60));
        expect(young.bytes).toBe(0);
        expect(idempotency.take('old', '', body).isFirst).toBe(false);
    });

    it('is one of so many that are remembered', () => {
        const idempotency = memory({}, 3);
        for (const key of ['a', 'b', 'c', 'd', 'e']) {
            idempotency.end(idempotency.take(key, '', body).recording, paid);
        }

        expect(idempotency.count).toBe(3);
        expect(idempotency.take('e', '', body).isFirst).toBe(false);
        expect(idempotency.take('a', '', body).isFirst).toBe(true);
    });

    it('costs the same however many others are remembered', () => {
        const idempotency = memory({ maxBytes: 1000 });
        for (let i = 0; i < 100; i++) {
            const { recording } = idempotency.take(`k${i}`, '', body);
            recording.add(Buffer.alloc(10));
            idempotency.end(recording, paid);
        }
        const looks = jest.spyOn(Recording.prototype, 'isRunning', 'get');
        const { recording } = idempotency.take('new', '', body);
        recording.add(Buffer.alloc(10));
        idempotency.end(recording, { isPaid: false });
        const { length } = looks.mock.calls;
        looks.mockRestore();

        expect(length).toBeLessThan(5);
        expect(idempotency.count).toBe(100);
    });
});
