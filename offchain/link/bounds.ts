/** How many tokens a request's prompt may have at most, for gateway and worker alike. */
import { neededFeatures } from './features';
import { type ChatMessage, type ModelRequest, textOf } from './request';

/** Tokens that one image, film, file or piece of audio adds to a prompt at most, besides one token for 16 bytes. */
export const MEDIA_TOKENS = 4096;

// Marks around a message: 5 in Llama 3, Qwen and harmony, and room for other templates.
const TOKENS_PER_MESSAGE = 16;

// A line break between the parts of a content.
const TOKENS_PER_PART = 2;

// Text at the start of a template: a default system message, dates, harmony's channel rules (about 100). With tools,
// the template explains how to call them (Qwen and Llama: about 250).
const TOKENS_PER_REQUEST = 256;
const TOKENS_FOR_TOOLS = 512;

/**
 * The maximal number of tokens of a request's prompt. `count`: of a text, never too few. Both sides bound a prompt in
 * this way, so neither counts what the other does not.
 */
export function promptBound({ endpoint, body }: ModelRequest, count: (text: string) => number): number {
    switch (endpoint) {
        case 'embedding':
            return listOf(body.input).reduce((sum, input) => sum + count(input) + TOKENS_PER_MESSAGE, 0);
        case 'completion':
            return count(listOf(body.prompt)[0]) + count(body.suffix ?? '') + TOKENS_PER_REQUEST;
        case 'chat':
            return (
                body.messages.reduce((sum, one) => sum + messageBound(one, count), TOKENS_PER_REQUEST) +
                templateValues(body).reduce<number>((sum, value) => sum + jsonBound(value, count), 0) +
                (neededFeatures({ endpoint, body, maxTokens: 0 }).some(({ feature }) => feature === 'tools')
                    ? TOKENS_FOR_TOOLS
                    : 0)
            );
    }
}

// Fields that no template writes into a prompt.
const OUTSIDE = ['model', 'messages', 'stop', 'logit_bias', 'modalities', 'audio'];

/** What a template may write into a prompt besides messages: every text and object, whatever its name. */
function templateValues(body: Record<string, unknown>): unknown[] {
    return Object.entries(body)
        .filter(([name, value]) => !OUTSIDE.includes(name) && (typeof value === 'string' || isObject(value)))
        .map(([, value]) => value);
}

const isObject = (value: unknown): boolean => typeof value === 'object' && value !== null;

/** Characters that a number may have more where a server writes JSON again, such as 1e15 as 1000000000000000.0. */
const LONGER_NUMBER = 24;

function jsonBound(value: unknown, count: (text: string) => number): number {
    if (value === undefined || value === null) {
        return 0;
    }
    const text = JSON.stringify(value, undefined, 1);
    return count(text) + exponents(text) * LONGER_NUMBER;
}

/** How often `1e1`, `1E-1` and their like stand in a text. A regular expression would make a list of them. */
function exponents(text: string): number {
    const isDigit = (at: number) => text.charCodeAt(at) >= 0x30 && text.charCodeAt(at) <= 0x39;
    let found = 0;
    let from = 0; // after the last one
    for (let at = 1; at < text.length; at++) {
        if ((text.charCodeAt(at) | 0x20) === 0x65 && at > from && isDigit(at - 1)) {
            const digit = text[at + 1] === '-' || text[at + 1] === '+' ? at + 2 : at + 1;
            if (isDigit(digit)) {
                found++;
                from = digit + 1;
            }
        }
    }
    return found;
}

function messageBound({ content, role: _, ...others }: ChatMessage, count: (text: string) => number): number {
    const ofParts =
        typeof content === 'string'
            ? count(content)
            : (content ?? []).reduce((sum, one) => sum + TOKENS_PER_PART + partBound(one, count), 0);
    const fields = Object.values(others).reduce<number>((sum, value) => sum + jsonBound(value, count), 0);
    return Math.ceil(ofParts) + fields + TOKENS_PER_MESSAGE;
}

type Part = Exclude<ChatMessage['content'], string | null | undefined>[number];

function partBound(one: Part, count: (text: string) => number): number {
    switch (one.type) {
        case 'text':
            return count(one.text);
        case 'refusal':
            return count(one.refusal);
        default:
            return MEDIA_TOKENS + jsonBytes(one) / 16;
    }
}

const jsonBytes = (value: unknown): number => Buffer.byteLength(JSON.stringify(value));

function listOf(value: string | string[]): string[] {
    return typeof value === 'string' ? [value] : value;
}

/**
 * An estimate for one image, film, file or piece of audio, where no model server counts it: as a text of 256 tokens.
 */
const MEDIA_TEXT = 'x '.repeat(512);

/** The texts of a prompt, from which its tokens are estimated where no model server counts them. */
export function promptTexts({ endpoint, body }: ModelRequest): string[] {
    switch (endpoint) {
        case 'embedding':
            return listOf(body.input);
        case 'completion':
            return [listOf(body.prompt)[0], body.suffix ?? ''];
        case 'chat':
            return [
                ...body.messages.flatMap(messageTexts),
                ...templateValues(body).map((value) => JSON.stringify(value, undefined, 1)),
            ];
    }
}

function messageTexts({ content, role: _, ...others }: ChatMessage): string[] {
    const parts = typeof content === 'string' || content == null ? [] : content;
    const media = parts.filter(({ type }) => type !== 'text' && type !== 'refusal');
    const fields = Object.values(others).filter((value) => value != null);
    return [
        textOf(content),
        ...parts.flatMap((one) => (one.type === 'refusal' ? [one.refusal] : [])),
        ...media.map(() => MEDIA_TEXT),
        ...fields.map((value) => (typeof value === 'string' ? value : JSON.stringify(value))),
    ];
}
