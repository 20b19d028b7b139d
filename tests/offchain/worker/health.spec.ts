/** The health of one backend, by a clock that the test moves. */
import { Reason } from '@cocoon-market/wrappers';
import { BackendError } from '../../../offchain/backend';
import { Health } from '../../../offchain/worker/health';

const RETRY = 1000; // milliseconds
const DOWN = new BackendError('no answer', undefined, { reason: Reason.BackendDown });

let now: number;
let health: Health;
let changes: number;

beforeEach(() => {
    now = 5000;
    changes = 0;
    jest.spyOn(performance, 'now').mockImplementation(() => now);
    health = new Health(RETRY, () => changes++);
});
afterEach(() => jest.restoreAllMocks());

/** Three queries of two clients fail, and then one of the worker's own. */
function failAll(): void {
    const isDue = ['a', 'b', 'a'].map((client) => health.addFailure(client));
    expect(isDue).toEqual([false, false, true]);
    health.addOwnFailure(DOWN);
}

describe('A backend that fails queries', () => {
    it('rests although it lists its models, and is used again at the first list after the rest', () => {
        failAll();
        expect([health.outage?.message, health.restMs]).toEqual(['no answer', RETRY]);

        now += RETRY - 1;
        health.addList(['m']);
        expect([health.outage?.message, health.restMs]).toEqual(['no answer', 1]);
        now += 1;
        health.addList(['m']);
        expect([health.outage, health.restMs]).toEqual([undefined, undefined]);
        expect(changes).toBe(3); // the outage, the first list, the end
    });

    it('rests twice as long each time, ten seconds at most, and as at first once it has answered', () => {
        const rests = Array.from({ length: 6 }, () => {
            failAll();
            const rest = health.restMs!;
            now += rest;
            health.addList(['m']);
            return rest;
        });
        expect(rests).toEqual([1000, 2000, 4000, 8000, 10_000, 10_000]);

        health.addSuccess();
        failAll();
        expect(health.restMs).toBe(RETRY);
    });

    it('is not asked by the worker itself if an answer comes between', () => {
        expect([health.addFailure('a'), health.addFailure('b')]).toEqual([false, false]);
        health.addSuccess();
        expect([health.addFailure('a'), health.addFailure('b'), health.addFailure('a')]).toEqual([false, false, true]);
        expect(health.outage).toBeUndefined();
    });
});

describe('A backend whose list of models does not come', () => {
    it('is tried again after twice as long each time, a minute at most, and as at first once it came', () => {
        const pauses = Array.from({ length: 8 }, () => {
            health.addMiss(DOWN);
            return health.restMs;
        });
        expect(pauses).toEqual([1000, 2000, 4000, 8000, 16_000, 32_000, 60_000, 60_000]);

        now += 60_000;
        health.addList(['m']);
        health.addMiss(DOWN);
        expect(health.restMs).toBe(RETRY);
    });

    it('is reported once, with the time of the first miss, and repeats nothing of what others throw', () => {
        jest.spyOn(Date, 'now').mockReturnValue(1_000_000);
        health.addMiss(new Error('the prompt was "secret"'));
        jest.spyOn(Date, 'now').mockReturnValue(9_000_000);
        health.addMiss(new Error('the prompt was "secret"'));

        expect(health.outage).toEqual({
            ...{ reason: Reason.BackendDown, message: 'it failed: see its own log', since: 1000 },
        });
        expect(changes).toBe(1);
    });
});
