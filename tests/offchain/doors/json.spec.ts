import { assertPlainJson, JsonError, MAX_JSON_DEPTH, MAX_JSON_VALUES } from '../../../offchain/process/json';

const read = (text: string) => assertPlainJson(Buffer.from(text));

function errorOf(text: string): JsonError {
    try {
        read(text);
    } catch (error) {
        return error as JsonError;
    }
    throw new Error('it was taken');
}

describe('JSON of a stranger', () => {
    it.each([
        ['the same key in two objects', '{"a":{"x":1},"b":{"x":1}}'],
        ['the same key in objects of a list', '[{"x":1},{"x":2}]'],
        ['a text that looks like a key', '{"a":"b","b":"a"}'],
        ['a text that looks like JSON', JSON.stringify({ a: '{"x":1,"x":2}', b: '"\\"' })],
        ['an object that closes before the key comes again', '{"a":{"b":{}},"b":1}'],
        ['brackets at the limit', '['.repeat(MAX_JSON_DEPTH) + ']'.repeat(MAX_JSON_DEPTH)],
    ])('is taken with %s', (_, text) => {
        expect(() => read(text)).not.toThrow();
    });

    it.each([
        ['at the top', '{"a":1,"b":2,"a":3}', 'a'],
        ['within', '{"a":[{"x":1,"y":{},"x":3}]}', 'x'],
        ['written in two ways', '{"a":1,"\\u0061":2}', 'a'],
        ['with spaces', '{ "a" : 1 , "a" : 2 }', 'a'],
        ['after an escaped quote', '{"a\\"":1,"b":"\\\\","a\\"":1}', 'a"'],
    ])('is refused with a key twice %s', (_, text, key) => {
        expect(errorOf(text)).toMatchObject({ statusCode: 400, key });
    });

    it('is refused one level above the limit', () => {
        expect(errorOf('['.repeat(MAX_JSON_DEPTH + 1)).message).toContain('levels');
    });

    it('is refused one value above the limit', () => {
        const values = (count: number) => `[${Array(count).fill('0').join()}]`;
        expect(() => read(values(MAX_JSON_VALUES))).not.toThrow();
        expect(errorOf(values(MAX_JSON_VALUES + 1)).message).toContain('values');
    });

    it('is refused one list above the limit, however deep the lists are', () => {
        const nested = `[${Array(MAX_JSON_VALUES / 50 - 1)
            .fill('['.repeat(50) + ']'.repeat(50))
            .join()}]`;
        const more = (count: number) => `${nested.slice(0, -1)}${',[]'.repeat(count)}]`;
        expect(() => read(more(49))).not.toThrow();
        expect(errorOf(more(50)).message).toContain('lists');
    });

    it('that is none is left to the parser', () => {
        for (const text of ['', '"', '{"a', '}{', ':::', '{"a":1,,"b"', ']]]]']) {
            expect(() => read(text)).not.toThrow();
        }
    });

    it('that is none has no key decoded again for each colon that follows', () => {
        const decode = jest.spyOn(Buffer.prototype, 'toString');
        const key = 'x'.repeat(1000);
        for (const text of [
            `{"${key}"${'{:}'.repeat(100)}`,
            `{"${key}"${'[{:}]'.repeat(100)}`,
            `{"${key}"${':'.repeat(100)}`,
        ]) {
            const bytes = Buffer.from(text);
            decode.mockClear();
            assertPlainJson(bytes);
            const decoded = decode.mock.results.reduce((sum, { value }) => sum + String(value).length, 0);
            expect(decoded).toBeLessThan(text.length);
        }
        decode.mockRestore();
    });
});
