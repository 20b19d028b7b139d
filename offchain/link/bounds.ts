/** How many tokens a request's prompt may have at most, for gateway and worker alike. */
import { neededFeatures } from './features';
import { type ChatMessage, type ModelRequest, textOf } from './request';

/** Tokens that one image, film, file or piece of audio adds to a prompt at most, besides one token for 16 bytes. */
export const MEDIA_TOKENS = 4096;

// Marks around a message: 5 in Llama 3, Qwen and harmony, and room for other templates.
const TOKENS_PER_MESSAGE = 16;

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
                templateFields.reduce((sum, name) => sum + jsonBound(body[name], count), 0) +
                (neededFeatures({ endpoint, body, maxTokens: 0 }).some(({ feature }) => feature === 'tools')
                    ? TOKENS_FOR_TOOLS
                    : 0)
            );
    }
}

// What templates write into a prompt besides messages.
const templateFields = [
    'tools',
    'functions',
    'tool_choice',
    'response_format',
    'structured_outputs',
    'guided_json',
    'json_schema',
    'chat_template_kwargs',
    'documents',
] as const;

function jsonBound(value: unknown, count: (text: string) => number): number {
    return value === undefined || value === null ? 0 : count(JSON.stringify(value, undefined, 1));
}

function messageBound({ content, role: _, ...others }: ChatMessage, count: (text: string) => number): number {
    const parts = typeof content === 'string' ? [{ type: 'text' as const, text: content }] : (content ?? []);
    const ofParts = parts.reduce((sum, one) => {
        if (one.type === 'text') {
            return sum + count(one.text);
        }
        return sum + (one.type === 'refusal' ? count(one.refusal) : MEDIA_TOKENS + jsonBytes(one) / 16);
    }, 0);
    const fields = Object.values(others).reduce<number>((sum, value) => sum + jsonBound(value, count), 0);
    return Math.ceil(ofParts) + fields + TOKENS_PER_MESSAGE;
}

const jsonBytes = (value: unknown): number => Buffer.byteLength(JSON.stringify(value));

function listOf(value: string | string[]): string[] {
    return typeof value === 'string' ? [value] : value;
}

/** The texts of a prompt, from which its tokens are estimated where no model server counts them. */
export function promptTexts({ endpoint, body }: ModelRequest): string[] {
    switch (endpoint) {
        case 'embedding':
            return listOf(body.input);
        case 'completion':
            return [listOf(body.prompt)[0], body.suffix ?? ''];
        case 'chat': {
            const fields = templateFields.map((name) => body[name]).filter((value) => value != null);
            return [
                ...body.messages.map(({ content }) => textOf(content)),
                ...fields.map((value) => JSON.stringify(value, undefined, 1)),
            ];
        }
    }
}
