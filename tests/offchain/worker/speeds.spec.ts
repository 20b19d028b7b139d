/** The figures of a model's answers, by a clock that the test moves. */
import type { BackendEvent } from '../../../offchain/backend';
import { Speeds } from '../../../offchain/worker/speeds';

let ms = 1_000_000;

beforeEach(() => void jest.spyOn(performance, 'now').mockImplementation(() => ms));
afterEach(() => jest.restoreAllMocks());

/** An answer whose first text comes after two seconds, and its other tokens one second later. */
async function answer(speeds: Speeds): Promise<void> {
    async function* events() {
        ms += 2000;
        yield { type: 'delta', content: 'a', tokens: 1 } as unknown as BackendEvent;
        ms += 1000;
        yield { type: 'delta', content: 'b', tokens: 59 } as unknown as BackendEvent;
        yield { type: 'end', usage: { prompt: 1, completion: 60 } } as unknown as BackendEvent;
    }
    for await (const _ of speeds.measure(events())) {
        // Measured as they pass.
    }
}

describe('The speed of a model', () => {
    it('is the time to the first text, the tokens a second after it, and those of the last minute', async () => {
        const speeds = new Speeds();
        expect(speeds.current).toEqual({ firstTokenSeconds: undefined, tokensPerSecond: undefined, throughput: 0 });

        await answer(speeds);
        expect(speeds.current).toEqual({ firstTokenSeconds: 2, tokensPerSecond: 59, throughput: 1 });
    });

    it.each([
        { seconds: 57, throughput: 1 },
        { seconds: 59, throughput: 59 / 60 },
        { seconds: 60, throughput: 0 },
    ])('forgets tokens after a minute: $throughput a second after $seconds s', async ({ seconds, throughput }) => {
        const speeds = new Speeds();
        await answer(speeds);
        ms += seconds * 1000;
        expect(speeds.current.throughput).toBe(throughput);
    });
});
