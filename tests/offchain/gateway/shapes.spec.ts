import { Finish, noTokens, type Result } from '@cocoon-market/wrappers';
import { ChatFormat } from '../../../offchain/gateway/api/chat';
import { CompletionFormat } from '../../../offchain/gateway/api/completions';
import { Embeddings } from '../../../offchain/gateway/api/embeddings';
import { type AnswerFormat, cutError } from '../../../offchain/gateway/api/format';
import { MessagesFormat } from '../../../offchain/gateway/api/messages';
import { ResponsesFormat } from '../../../offchain/gateway/api/responses';
import { type AnswerPiece, FrameKind, PieceError, PieceReader, WholeAnswer } from '../../../offchain/link';
import { objectionsTo } from '../../support/openaiApi';

const head = { id: 'chatcmpl-1', created: 1_800_000_000, model: 'm' };
const result: Result = {
    ...{ job: Buffer.alloc(32), number: 1, index: 1, content: Buffer.alloc(32), finishedAt: 1_800_000_000 },
    ...{ prompt: 10, cached: 2, completion: 5, reasoning: 1, price: 77n, cumulative: 77n, finish: Finish.Stop },
};
const piece = (delta: object, note: object = {}, choice = 0): AnswerPiece => ({
    choice,
    delta: delta as AnswerPiece['delta'],
    note: note as AnswerPiece['note'],
});
const call = (index: number, id: string | undefined, fields: object) =>
    piece({ tool_calls: [{ index, ...(id && { id, type: 'function' }), function: fields }] });
const logprobs = { content: [{ token: 'a', logprob: -1, bytes: [97], top_logprobs: [] }] };

const answers: [string, AnswerPiece[]][] = [
    ['text', [piece({ content: 'Hel' }), piece({ content: 'lo' })]],
    ['reasoning before text', [piece({ reasoning_content: 'hm' }), piece({ content: 'yes' })]],
    [
        'text and two tool calls in pieces',
        [
            piece({ content: 'Let me see.' }),
            call(0, 'a', { name: 'f', arguments: '' }),
            call(0, undefined, { arguments: '{"x":' }),
            call(0, undefined, { arguments: '1}' }),
            call(1, 'b', { name: 'g', arguments: '{}' }),
            piece({}, { finish_reason: 'tool_calls' }),
        ],
    ],
    ['a refusal', [piece({ refusal: 'I will ' }), piece({ refusal: 'not' })]],
    ['log probabilities', [piece({ content: 'a' }, { logprobs }), piece({ content: 'b' }, { logprobs })]],
    ['nothing', []],
];

function eventsOf(format: AnswerFormat, pieces: AnswerPiece[], end = () => format.end('stop', result)): object[] {
    const text = format.begin() + pieces.map((one) => format.piece(one)).join('') + end();
    const lines = text.split('\n').filter((line) => line.startsWith('data: ') && line !== 'data: [DONE]');
    return lines.map((line) => JSON.parse(line.slice('data: '.length)) as object);
}

function wholeOf(pieces: AnswerPiece[]): WholeAnswer {
    const whole = new WholeAnswer();
    pieces.forEach((one) => whole.add(one));
    return whole;
}

const asJson = (value: object): unknown => JSON.parse(JSON.stringify(value));
const objections = (schema: string, values: object[]) => values.flatMap((value) => objectionsTo(schema, asJson(value)));

describe('Answers by the published description of the API', () => {
    const chat = (choices = 1) => new ChatFormat(head, { includeUsage: true, choices });
    const responses = () => new ResponsesFormat({ ...head, id: 'resp_1' }, { model: 'm', input: [] });
    const cut = { finish: 'error', result, error: cutError() };

    it.each(answers)('are a valid chat completion with %s', (_, pieces) => {
        const body = chat().whole(wholeOf(pieces), { finish: 'stop', result });
        expect(objections('CreateChatCompletionResponse', [body])).toEqual([]);
    });

    it.each(answers)('are valid chunks of a chat completion with %s', (_, pieces) => {
        expect(objections('CreateChatCompletionStreamResponse', eventsOf(chat(), pieces))).toEqual([]);
    });

    it('show log probabilities that are no object as they came, for each character of a text would be a field', () => {
        const pieces = [piece({ content: 'a' }, { logprobs: 'text' })];
        const [chunk] = eventsOf(chat(), pieces).slice(1);
        expect(chunk).toMatchObject({ choices: [{ delta: { content: 'a' }, logprobs: 'text' }] });
        const whole = chat().whole(wholeOf(pieces), { finish: 'stop', result });
        expect(whole).toMatchObject({ choices: [{ logprobs: 'text' }] });
    });

    it.each(answers)('are a valid response with %s', (_, pieces) => {
        const body = responses().whole(wholeOf(pieces), { finish: 'stop', result });
        expect(objections('Response', [body])).toEqual([]);
    });

    it.each(answers)('are valid events of a response with %s, numbered from 0', (_, pieces) => {
        const events = eventsOf(responses(), pieces);
        expect(objections('ResponseStreamEvent', events)).toEqual([]);
        expect(events.map((event) => (event as { sequence_number: number }).sequence_number)).toEqual([
            ...events.keys(),
        ]);
    });

    it('have the choice and the text that came, whatever a node notes in fields of their names', () => {
        const pieces = [piece({ content: 'a' }, { index: 7, delta: { content: 'b' }, message: 'c' })];
        expect(eventsOf(chat(), pieces)[1]).toMatchObject({ choices: [{ index: 0, delta: { content: 'a' } }] });
        expect(chat().whole(wholeOf(pieces), { finish: 'stop', result })).toMatchObject({
            choices: [{ index: 0, message: { content: 'a' } }],
        });
    });

    it('have the choice and the text of a completion, whatever a node notes in fields of their names', () => {
        const format = () => new CompletionFormat(head, { includeUsage: false, choices: 1 });
        const pieces = [piece({ content: 'a' }, { index: 7, text: 'b' })];
        expect(eventsOf(format(), pieces)[0]).toMatchObject({ choices: [{ index: 0, text: 'a' }] });
        expect(format().whole(wholeOf(pieces), { finish: 'stop', result })).toMatchObject({
            choices: [{ index: 0, text: 'a' }],
        });
    });

    it('end a stream of responses with the response that the whole answer is', () => {
        const [, pieces] = answers[2];
        const last = eventsOf(responses(), pieces).at(-1) as { response: { output: { type: string }[] } };
        expect(last.response.output.map(({ type }) => type)).toEqual(['message', 'function_call', 'function_call']);
        expect(last.response.output[1]).toMatchObject({ call_id: 'a', name: 'f', arguments: '{"x":1}' });
    });

    it('are valid completions and embeddings', () => {
        const format = () => new CompletionFormat({ ...head, id: 'cmpl-1' }, { includeUsage: true, choices: 1 });
        const pieces = [piece({ content: 'a' }), piece({ content: 'b' })];
        const body = format().whole(wholeOf(pieces), { finish: 'length', result });
        expect(objections('CreateCompletionResponse', [body, ...eventsOf(format(), pieces)])).toEqual([]);

        const vectors = new Embeddings(1, 'float');
        const embedding = Buffer.from(Float32Array.of(0.5, -1).buffer).toString('base64');
        vectors.add(piece({}, { vectors: [{ index: 0, embedding }] }));
        expect(objections('CreateEmbeddingResponse', [vectors.body('m', result)])).toEqual([]);
        expect(vectors.body('m', result)).toMatchObject({ data: [{ embedding: [0.5, -1] }] });
    });

    it('of several choices are valid, each with its own end', () => {
        const pieces = [
            piece({ content: 'a' }),
            piece({ content: 'b' }, {}, 1),
            piece({}, { finish_reason: 'length' }, 1),
        ];
        const events = eventsOf(chat(2), pieces);
        expect(objections('CreateChatCompletionStreamResponse', events)).toEqual([]);

        const { choices } = chat(2).whole(wholeOf(pieces), { finish: 'stop', result }) as {
            choices: { index: number; message: { content: string }; finish_reason: string }[];
        };
        expect(choices.map((one) => [one.index, one.message.content, one.finish_reason])).toEqual([
            [0, 'a', 'stop'],
            [1, 'b', 'length'],
        ]);
    });

    it('that were cut never show a cut tool call as a whole one', () => {
        const pieces = [piece({ content: 'Let me see.' }), call(0, 'a', { name: 'f', arguments: '{"x":' })];
        const body = chat().whole(wholeOf(pieces), cut) as { choices: object[] };
        expect(body.choices[0]).toMatchObject({ message: { content: 'Let me see.' }, finish_reason: 'error' });
        expect(JSON.stringify(body)).not.toContain('tool_calls');

        const stream = responses();
        const events = eventsOf(stream, pieces, () => stream.error(cutError()));
        expect(objections('ResponseStreamEvent', events)).toEqual([]);
        expect(events.at(-1)).toMatchObject({ type: 'response.failed', response: { output: [{ type: 'message' }] } });
        expect(JSON.stringify(events)).not.toContain('function_call_arguments.done');

        const whole = responses().whole(wholeOf(pieces), cut);
        expect(objections('Response', [whole])).toEqual([]);
        expect(whole).toMatchObject({ status: 'failed', output: [{ type: 'message' }] });
    });

    it('that reached their limit within a call show no call, in any shape that has a place for its end', () => {
        const pieces = [piece({ content: 'Let me see.' }), call(0, 'a', { name: 'f', arguments: '{"path":"/tmp' })];
        const whole = responses().whole(wholeOf(pieces), { finish: 'length', result });
        expect(whole).toMatchObject({ status: 'incomplete', output: [{ type: 'message' }] });
        const stream = responses();
        const events = eventsOf(stream, pieces, () => stream.end('length', result));
        expect(JSON.stringify(events)).not.toContain('function_call_arguments.done');
        expect(events.at(-1)).toMatchObject({ response: { output: [{ type: 'message', status: 'completed' }] } });
    });

    it('keep two calls apart that a server writes in turn', () => {
        const pieces = [
            call(0, 'a', { name: 'f', arguments: '{"x"' }),
            call(1, 'b', { name: 'g', arguments: '{"y"' }),
            call(0, undefined, { arguments: ':1}' }),
            call(1, undefined, { arguments: ':2}' }),
        ];
        const events = eventsOf(responses(), pieces);
        expect(objections('ResponseStreamEvent', events)).toEqual([]);
        expect(events.at(-1)).toMatchObject({
            response: {
                output: [
                    { call_id: 'a', name: 'f', arguments: '{"x":1}' },
                    { call_id: 'b', name: 'g', arguments: '{"y":2}' },
                ],
            },
        });
    });

    it('that reached their limit are incomplete, with the limit as the reason', () => {
        const body = responses().whole(wholeOf([piece({ content: 'a' })]), { finish: 'length', result });
        expect(body).toMatchObject({ status: 'incomplete', incomplete_details: { reason: 'max_output_tokens' } });
        expect(objections('Response', [body])).toEqual([]);
    });

    it('have no more blocks than fit into memory, in any shape that shows blocks', () => {
        const some = (count: number) => piece({ tool_calls: Array.from({ length: count }, () => ({})) });
        for (const make of [responses, () => new MessagesFormat({ ...head, id: 'msg_1' })]) {
            const format = make();
            format.piece(some(4095));
            format.piece(piece({ content: 'a' }));
            expect(() => format.piece(some(1))).toThrow(PieceError);
            expect(() => format.end('stop', result)).not.toThrow();
        }
    });

    it('are as long as what the node sent: a high index in fields or notes makes no list that is as long', () => {
        const fields = Object.fromEntries(
            Array.from({ length: 100 }, (_, i) => [`a${i}`, { tool_calls: [{ index: 1023 }] }]),
        );
        const body = JSON.stringify(chat().whole(wholeOf([piece(fields, fields)]), { finish: 'stop', result }));
        const reader = new PieceReader();
        const note = { meter: noTokens, kind: FrameKind.Note, choice: 0, more: false, final: false };
        reader.push({ ...note, text: JSON.stringify(fields) });

        expect(body.length).toBeLessThan(3 * JSON.stringify(fields).length);
        expect(reader.end()).toEqual([{ choice: 0, delta: {}, note: fields }]);
    });

    it('are not made of control characters, which JSON writes in six each and some shapes repeat five times', () => {
        const some = (length: number) => piece({ content: '\u0001'.repeat(length) });
        for (const make of [responses, () => new MessagesFormat({ ...head, id: 'msg_1' })]) {
            const format = make();
            format.piece(piece({ content: '"\n'.repeat(1 << 20) }));
            expect(() => format.piece(some(1 << 20))).toThrow(PieceError);
            expect(() => format.end('stop', result)).not.toThrow();
        }
    });

    describe('as messages', () => {
        const format = () => new MessagesFormat({ ...head, id: 'msg_1' });

        it('begin, grow and end each block in turn, and say why they stopped', () => {
            const [, pieces] = answers[2];
            const events = eventsOf(format(), pieces) as { type: string; index?: number; delta?: object }[];
            expect(events.map(({ type, index }) => [type.replace('content_block_', ''), index])).toEqual([
                ['message_start', undefined],
                ...[0, 1, 2].flatMap((at) => [
                    ['start', at],
                    ...Array.from({ length: at === 1 ? 2 : 1 }, () => ['delta', at]),
                    ['stop', at],
                ]),
                ['message_delta', undefined],
                ['message_stop', undefined],
            ]);
            expect(events.at(-2)).toMatchObject({ delta: { stop_reason: 'tool_use' }, usage: { output_tokens: 6 } });
        });

        it('keep nothing of what a node notes but why it ended, so that no note is copied with each piece', () => {
            const read: string[] = [];
            const fields: Record<string, unknown> = { finish_reason: 'length' };
            const note = new Proxy(fields, {
                ownKeys: () => [...Array.from({ length: 9 }, (_, i) => `k${i}`), 'finish_reason'],
                getOwnPropertyDescriptor: () => ({ enumerable: true, configurable: true, value: 0 }),
                get: (target, name) => (read.push(String(name)), target[String(name)]),
            });
            const events = eventsOf(format(), [{ choice: 0, delta: { content: 'a' }, note }, piece({ content: 'b' })]);

            expect(new Set(read)).toEqual(new Set(['finish_reason', 'logprobs']));
            expect(events.at(-2)).toMatchObject({ delta: { stop_reason: 'max_tokens' } });
        });

        it('hold no input of a tool that would keep others waiting while it is parsed', () => {
            const called = (text: string) => [
                piece({ tool_calls: [{ index: 0, id: 'a', function: { name: 'f', arguments: text } }] }),
            ];
            const whole = (text: string) => format().whole(wholeOf(called(text)), { finish: 'stop', result });
            for (const text of [`[${'0,'.repeat(100_000)}0]`, `${'['.repeat(65)}${']'.repeat(65)}`]) {
                expect(() => whole(text)).toThrow(PieceError);
                expect(() => eventsOf(format(), called(text))).toThrow(PieceError);
            }
            expect(whole('{"x":1,"x":2}')).toMatchObject({ content: [{ input: { x: 2 } }] });
        });

        it('are whole with the input of each tool, and an error if they were cut', () => {
            const [, pieces] = answers[2];
            expect(format().whole(wholeOf(pieces), { finish: 'stop', result })).toMatchObject({
                content: [
                    { type: 'text', text: 'Let me see.' },
                    { type: 'tool_use', id: 'a', name: 'f', input: { x: 1 } },
                    { type: 'tool_use', id: 'b', name: 'g', input: {} },
                ],
                stop_reason: 'tool_use',
            });
            expect(() => format().whole(wholeOf(pieces), cut)).toThrow('cut the answer short');
        });

        it('send a second call after the first, where a server writes both in turn', () => {
            const pieces = [
                call(0, 'a', { name: 'f', arguments: '{"x"' }),
                call(1, 'b', { name: 'g', arguments: '{"y"' }),
                call(0, undefined, { arguments: ':1}' }),
                call(1, undefined, { arguments: ':2}' }),
            ];
            const events = eventsOf(format(), pieces) as { type: string; index?: number; delta?: object }[];
            const blocks = events.filter(({ index }) => index !== undefined);
            expect(blocks.map(({ index }) => index)).toEqual([0, 0, 0, 0, 1, 1, 1]);
            expect(blocks.at(-2)).toMatchObject({ delta: { partial_json: '{"y":2}' } });
        });

        it('send text and reasoning once, and after a call that began before them', () => {
            const pieces = [
                call(0, 'a', { name: 'f', arguments: '{"x"' }),
                piece({ content: 'so' }),
                piece({ reasoning_content: 'hm' }),
                call(0, undefined, { arguments: ':1}' }),
            ];
            const events = eventsOf(format(), pieces) as { type: string; index?: number; delta?: object }[];
            const blocks = events.filter(({ index }) => index !== undefined);
            expect(blocks.map(({ type, index }) => [type.replace('content_block_', ''), index])).toEqual([
                ...['start', 'delta', 'delta', 'stop'].map((type) => [type, 0]),
                ...[1, 2].flatMap((at) => ['start', 'delta', 'stop'].map((type) => [type, at])),
            ]);
        });
    });
});
