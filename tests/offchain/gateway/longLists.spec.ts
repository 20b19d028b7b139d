/**
 * A list of a hundred thousand wrong items would be as many errors, and take half a second. It is refused at the first
 * of them, and at once if it is too long.
 */
import { readMessages } from '../../../offchain/gateway/api/messagesRequest';
import { readCall } from '../../../offchain/gateway/api/request';
import { readResponses } from '../../../offchain/gateway/api/responsesRequest';
import { bodies, jobRequest, nodeInfo } from '../../../offchain/link';
import { assertPlainJson, MAX_JSON_VALUES } from '../../../offchain/process/json';

const wrong = Array<number>(MAX_JSON_VALUES - 1000).fill(0);
const messages = [{ role: 'user', content: 'a' }];
const options = { extraFields: [] };
const chat = (fields: object) => () => readCall('chat', { model: 'm', messages, ...fields }, options);
const anthropic = (fields: object) => () => readMessages({ model: 'm', max_tokens: 9, messages, ...fields }, options);
const responses = (fields: object) => () => readResponses({ model: 'm', input: 'a', ...fields }, options);

it.each([
    ['messages', { messages: wrong.slice(0, 9000) }],
    ['parts', { messages: Array(9).fill({ role: 'user', content: wrong.slice(0, 900) }) }],
    ['tool calls', { messages: [{ role: 'assistant', tool_calls: wrong.slice(0, 900) }] }],
    ['modalities', { messages, modalities: wrong.slice(0, 900) }],
    ['biases', { messages, logit_bias: Object.fromEntries(wrong.map((_, i) => [i, 'x'])) }],
])('wrong %s are one error', (_, fields) => {
    expect(bodies.chat.safeParse({ model: 'm', ...fields }).error?.issues).toHaveLength(1);
});

it.each<[string, () => unknown, string]>([
    ['modalities', chat({ modalities: wrong }), 'modalities'],
    ['texts to embed', () => readCall('embedding', { model: 'm', input: wrong }, options), 'input'],
    ['messages of Anthropic', anthropic({ messages: wrong }), 'messages'],
    ['blocks of Anthropic', anthropic({ messages: [{ role: 'user', content: wrong }] }), 'messages.0.content'],
    ['tools of Anthropic', anthropic({ tools: wrong }), 'tools'],
    ['texts for the system', anthropic({ system: wrong }), 'system'],
    ['stop sequences', anthropic({ stop_sequences: wrong }), 'stop_sequences'],
    ['parts of Responses', responses({ input: [{ role: 'user', content: wrong }] }), 'input.0.content'],
    ['fields to include', responses({ include: wrong }), 'include'],
    ['names of nodes', chat({ provider: { order: wrong } }), 'provider.order'],
    ['prompts', () => readCall('completion', { model: 'm', prompt: wrong }, options), 'prompt'],
])('too many %s are refused before one is read', (_, read, param) => {
    expect(read).toThrow(expect.objectContaining({ status: 400, param }));
});

it.each(['wire', 'offers', 'channelCodes'] as const)('too many %s of a node are one error', (name) => {
    const { issues } = nodeInfo.shape[name].safeParse(wrong).error!;
    expect(issues).toMatchObject([{ code: 'too_big' }]);
});

it.each(['wire', 'offers', 'channelCodes'] as const)('wrong %s of a node are one error', (name) => {
    expect(nodeInfo.shape[name].safeParse([0, 0, 0]).error?.issues).toHaveLength(1);
});

it('too many receipts of a client that begins a session are one error', () => {
    expect(jobRequest.shape.newest.safeParse(wrong).error?.issues).toHaveLength(1);
});

it.each([NaN, Infinity])('a bias of %s is refused, because JSON would send it as null', (bias) => {
    const body = { model: 'm', messages, logit_bias: { '5': bias } };
    expect(bodies.chat.safeParse(body).error?.issues).toMatchObject([{ path: ['logit_bias'] }]);
});

// A node that cannot read a request says so, and it is the node that comes last for that.
describe('A request that is sealed has more values than its app wrote, and', () => {
    const parameters = (count: number) => ({ enum: Array<number>(count).fill(0) });
    const tools = {
        chat: (count: number) => ({ type: 'function', function: { name: 'a', parameters: parameters(count) } }),
        anthropic: (count: number) => ({ name: 'a', input_schema: { type: 'object', ...parameters(count) } }),
        responses: (count: number) => ({ type: 'function', name: 'a', parameters: parameters(count) }),
    };
    const readers: [string, (count: number) => () => unknown][] = [
        ['a chat', (count) => chat({ tools: [tools.chat(count)] })],
        ['one of Anthropic', (count) => anthropic({ tools: [tools.anthropic(count)] })],
        ['one of Responses', (count) => responses({ tools: [tools.responses(count)] })],
    ];

    it.each(readers)('%s with too many for a node is refused', (_, read) => {
        expect(read(MAX_JSON_VALUES - 6)).toThrow(expect.objectContaining({ status: 400, code: 'too_many_values' }));
    });

    const nested = (count: number) => {
        const parameters = { enum: Array<unknown[]>(count / 2).fill([[]]) };
        return chat({ tools: [{ type: 'function', function: { name: 'a', parameters } }] });
    };

    it('a chat with too many lists for a node is refused', () => {
        const refusal = expect.objectContaining({ status: 400, code: 'too_many_values' });
        expect(nested(MAX_JSON_VALUES - 8)).toThrow(refusal);
    });

    it('a chat of many lists that is taken can be read by a node', () => {
        const { modelRequest } = nested(MAX_JSON_VALUES - 10)();
        expect(() => assertPlainJson(Buffer.from(JSON.stringify(modelRequest)))).not.toThrow();
    });

    it.each(readers)('%s that is taken can be read by a node', (_, read) => {
        const { modelRequest } = read(MAX_JSON_VALUES - 20)() as ReturnType<typeof readCall>;
        expect(() => assertPlainJson(Buffer.from(JSON.stringify(modelRequest)))).not.toThrow();
    });
});
