/** What JSON of a stranger must be before it is parsed: of few levels, and without a key that stands twice. */

/** Levels of brackets that JSON may have. Every request of the APIs has fewer than twenty. */
export const MAX_JSON_DEPTH = 64;

/**
 * Values that JSON may have, and lists and objects, each of which takes ten times the memory of its brackets. A long
 * conversation with many tools has some ten thousand.
 */
export const MAX_JSON_VALUES = 100_000;

/** JSON that a parser would take, and that means two things or is too deep. `key`: the one that is wrong. */
export class JsonError extends SyntaxError {
    readonly statusCode = 400;

    constructor(
        message: string,
        readonly key?: string,
    ) {
        super(message);
    }
}

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const [OPEN_LIST, CLOSE_LIST, OPEN_OBJECT, CLOSE_OBJECT] = [0x5b, 0x5d, 0x7b, 0x7d];
const [COMMA, COLON] = [0x2c, 0x3a];

interface JsonLimits {
    maxDepth?: number;
    mayRepeatKeys?: boolean; // of a text whose parser may keep the last of two values
}

/**
 * Throws {@link JsonError} if brackets, outside of texts, are more than `maxDepth` deep, if there are more than
 * {@link MAX_JSON_VALUES} values, or as many lists and objects, or if an object has a key twice: parsers keep the last
 * one, so that one of two values would be dropped. What is no JSON at all is left to the parser. Returns how many
 * values, lists and objects there are.
 */
export function assertPlainJson(
    json: Buffer,
    { maxDepth = MAX_JSON_DEPTH, mayRepeatKeys = false }: JsonLimits = {},
): number {
    let values = 1;
    let brackets = 0;
    const keys: (Set<string> | undefined)[] = []; // of the objects around a place; undefined where none is looked at
    let text: Buffer | undefined; // that ended last and may be a key, with its quotes
    for (let at = 0; at < json.length; at++) {
        switch (json[at]) {
            case QUOTE: {
                const end = endOfText(json, at);
                text = json.subarray(at, end + 1);
                at = end;
                break;
            }
            case COLON:
                addKey(keys.at(-1), text);
                text = undefined; // a long key before many colons is decoded once
                break;
            case OPEN_LIST:
            case OPEN_OBJECT:
                keys.push(json[at] === OPEN_OBJECT && !mayRepeatKeys ? new Set() : undefined);
                if (keys.length > maxDepth) {
                    throw new JsonError(`JSON of more than ${maxDepth} levels`);
                }
                if (++brackets > MAX_JSON_VALUES) {
                    throw new JsonError(`JSON of more than ${MAX_JSON_VALUES} lists and objects`);
                }
                break;
            case CLOSE_LIST:
            case CLOSE_OBJECT:
                keys.pop();
                break;
            case COMMA:
                text = undefined;
                if (++values > MAX_JSON_VALUES) {
                    throw new JsonError(`JSON of more than ${MAX_JSON_VALUES} values`);
                }
                break;
        }
    }
    return values + brackets;
}

function endOfText(json: Buffer, start: number): number {
    for (let at = json.indexOf(QUOTE, start + 1); at >= 0; at = json.indexOf(QUOTE, at + 1)) {
        let slashes = 0;
        while (json[at - 1 - slashes] === BACKSLASH) {
            slashes++;
        }
        if (slashes % 2 === 0) {
            return at;
        }
    }
    return json.length;
}

function addKey(keys: Set<string> | undefined, text: Buffer | undefined): void {
    if (keys === undefined || text === undefined) {
        return; // no JSON, as the parser will say
    }
    const key = keyOf(text.toString('utf8'));
    if (keys.has(key)) {
        throw new JsonError('JSON with a key that stands twice in one object', key);
    }
    keys.add(key);
}

// One key may be written in two ways, such as "a" and "\\u0061".
function keyOf(text: string): string {
    try {
        return text.includes('\\') ? (JSON.parse(text) as string) : text.slice(1, -1);
    } catch {
        return text;
    }
}
