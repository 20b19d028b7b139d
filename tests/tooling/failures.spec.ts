/** A failed test crosses to jest's main process as JSON, although amounts are bigints. */
import assert from 'node:assert';

// eslint-disable-next-line @typescript-eslint/no-require-imports -- plain JavaScript, as jest loads it
const SharedEnvironment = require('../../tooling/jest/environment.js') as {
    prototype: { handleTestEvent(event: object): void };
};

function errorOf(fail: () => void): Error {
    try {
        fail();
    } catch (error) {
        return error as Error;
    }
    throw new Error('it does not fail');
}

/** The error as jest's main process gets it. */
function received(error: Error): unknown {
    const message = error.message;
    SharedEnvironment.prototype.handleTestEvent({ name: 'test_done', test: { errors: [[error, undefined]] } });
    expect(error.message).toBe(message);
    return JSON.parse(JSON.stringify(error));
}

it.each<[string, () => void, object]>([
    ['toBe', () => expect(1n).toBe(2n), { matcherResult: expect.stringContaining('expected: 2n') as string }],
    ['toEqual', () => expect({ a: 1n }).toEqual({ a: 2n }), { matcherResult: expect.stringContaining('2n') as string }],
    ['assert', () => assert.deepStrictEqual({ a: 1n }, { a: 2n }), { expected: '{ a: 2n }', actual: '{ a: 1n }' }],
])('an amount in a failed %s is passed on as text', (_, fail, details) => {
    expect(received(errorOf(fail))).toMatchObject(details);
});

it('a detail that holds itself is passed on as text, and every other one as it is', () => {
    const endless: Record<string, unknown> = {};
    endless.self = endless;

    expect(received(Object.assign(new Error('refused'), { endless, code: 7 }))).toEqual({
        ...{ endless: '<ref *1> { self: [Circular *1] }', code: 7 },
    });
});
