import { MEDIA_TOKENS, type ModelRequest, promptBound, promptTexts } from '../../../offchain/link';
import { chatRequest } from '../support/requests';

const bytes = (text: string) => Buffer.byteLength(text);
const bound = (request: ModelRequest) => promptBound(request, bytes);
const sizeOf = (request: ModelRequest) => promptTexts(request).reduce((sum, text) => sum + bytes(text), 0);

const chat = (message: object, fields: object = {}) =>
    chatRequest({ model: 'm', messages: [{ role: 'user', content: '', ...message }], ...fields });
const empty = chat({});
const long = 'x'.repeat(1000);
const image = { type: 'image_url', image_url: { url: 'data:,a' } } as const;

/** What may stand in a prompt besides the text of a message, each with a thousand characters. */
const places: [string, ModelRequest][] = [
    ['a tool call in the history', chat({ tool_calls: [{ id: 'a', function: { name: 'f', arguments: long } }] })],
    ['what a model thought', chat({ reasoning_content: long })],
    ['a refusal', chat({ content: [{ type: 'refusal', refusal: long }] })],
    ['a name', chat({ name: long })],
    ['a tool', chat({}, { tools: [{ type: 'function', function: { name: 'f', description: long } }] })],
    ['a form of the answer', chat({}, { response_format: { type: 'json_schema', json_schema: { name: long } } })],
    ['an effort', chat({}, { reasoning_effort: long })],
    ['a field of a template', chat({}, { chat_template_kwargs: { a: long } })],
];

describe('The bound of a prompt', () => {
    it.each(places)('counts %s, and so does the estimate where no server counts', (_, request) => {
        expect(bound(request) - bound(empty)).toBeGreaterThanOrEqual(1000);
        expect(sizeOf(request) - sizeOf(empty)).toBeGreaterThanOrEqual(1000);
    });

    it('counts each image, and the estimate counts something for it', () => {
        const two = chat({ content: [image, image] });
        expect(bound(two) - bound(empty)).toBeGreaterThanOrEqual(2 * MEDIA_TOKENS);
        expect(sizeOf(two) - sizeOf(empty)).toBeGreaterThanOrEqual(2 * 1024);
    });

    it('counts a break for each part, which a server may write between them', () => {
        const parts = Array.from({ length: 100 }, () => ({ type: 'text' as const, text: '1' }));
        expect(bound(chat({ content: parts })) - bound(empty)).toBeGreaterThanOrEqual(199);
    });

    it('leaves room for numbers that a server writes longer', () => {
        const call = (text: string) => chat({ tool_calls: [{ id: 'a', function: { name: 'f', arguments: text } }] });
        expect(bound(call('[1e15]')) - bound(call('[1]'))).toBeGreaterThanOrEqual('1000000000000000.0'.length - 1);
    });

    it('is that of each input of embeddings, and of the prompt of a completion', () => {
        expect(bound({ endpoint: 'embedding', maxTokens: 0, body: { model: 'm', input: [long, long] } })).toBe(2032);
        expect(bound({ endpoint: 'completion', maxTokens: 1, body: { model: 'm', prompt: long } })).toBe(1256);
    });
});
