/** A node decides of what JSON its answer is made. Read, it may take twenty times as much memory as its text. */
import { Finish, type Result } from '@cocoon-market/wrappers';
import type { FastifyReply } from 'fastify';
import { EventEmitter } from 'node:events';
import { pino } from 'pino';
import { answerStream, answerWhole } from '../../../offchain/gateway/api/answering';
import { ChatFormat } from '../../../offchain/gateway/api/chat';
import type { AnswerFormat } from '../../../offchain/gateway/api/format';
import { MessagesFormat } from '../../../offchain/gateway/api/messages';
import { ResponsesFormat } from '../../../offchain/gateway/api/responses';
import type { GatewayError } from '../../../offchain/gateway/errors';
import type { GatewayJob } from '../../../offchain/gateway/job';
import type { Question } from '../../../offchain/gateway/query';
import type { BilledResult, Router } from '../../../offchain/gateway/router';
import { type Frame, FrameKind } from '../../../offchain/link';
import { usedBytes } from '../../support/memory';
import { newGate, until } from '../support/until';

const meter = { prompt: 1, cached: 0, completion: 1, reasoning: 0 };
const list = `[${Array(95_000).fill('{"35":1}').join(',')}]`;
const BYTES = 4 * list.length;

const frame = (kind: FrameKind, text: string): Frame => ({ meter, kind, choice: 0, text, more: false, final: false });
const four = (kind: FrameKind, text: string) => Array<Frame>(4).fill(frame(kind, text));
const result = {
    ...{ job: Buffer.alloc(32), number: 1, index: 1, content: Buffer.alloc(32), finishedAt: 1 },
    ...{ ...meter, price: 1n, cumulative: 1n, finish: Finish.Stop, bill: {} },
} as unknown as BilledResult & Result;

const head = { id: '1', created: 1, model: 'm' };
const chat = () => new ChatFormat(head, { includeUsage: false, choices: 1 });
const responses = () => new ResponsesFormat(head, { model: 'm', input: 'a' } as never);
const messages = () => new MessagesFormat(head);

interface Run {
    format: () => AnswerFormat;
    frames: Frame[];
    isStream?: boolean;
    reads?: boolean; // the app reads what it is sent
}

/** Bytes of memory that an answer takes while it, or its app, is waited for; and what its app was sent then. */
async function bytesHeld({ format, frames, isStream = false, reads = true }: Run): Promise<[number, string]> {
    const { gate, go } = newGate();
    let [sent, isSent, isHeld] = ['', false, false];
    const hold = () => ((isHeld = true), gate);
    const raw = Object.assign(new EventEmitter(), {
        ...{ headersSent: false, destroyed: false, writableNeedDrain: !reads, writableFinished: true },
        writeHead: () => (raw.headersSent = true),
        write: (text: string) => {
            sent = reads ? sent + text : '';
            isHeld ||= !reads;
            return reads;
        },
        end: (text = '') => (sent += text),
        destroy: () => (raw.destroyed = true),
    });
    const reply = {
        ...{ raw, hijack: () => undefined, getHeaders: () => ({}), headers: () => undefined },
        type: () => ({
            send: async (text: string) => {
                sent = text;
                isSent = true;
                await (reads ? undefined : hold());
            },
        }),
    } as unknown as FastifyReply;
    const answer: Router['answer'] = async (_, sink) => {
        sink.begin({ number: 0, stored: { tier: 'open' } } as GatewayJob, 1);
        for (const one of frames) {
            await sink.frame(one);
        }
        await (reads ? hold() : undefined);
        return result;
    };
    const before = usedBytes();
    const running = (isStream ? answerStream : answerWhole)({
        ...{ router: { answer }, signal: new AbortController().signal, silenceMs: 60_000, format, reply },
        question: { modelRequest: { endpoint: 'chat', maxTokens: 9, body: {} } } as unknown as Question,
        ...{ log: pino({ level: 'silent' }), toGatewayError: (error: Error) => error as GatewayError },
    });
    await until(() => isHeld, 30_000);
    const held = usedBytes() - before - sent.length;
    go();
    raw.emit('drain');
    reads = true;
    await running;
    expect(isSent || isStream).toBe(true);
    return [held, sent];
}

describe('The memory of an answer', () => {
    const fields = four(FrameKind.Fields, `{"x":${list}}`);
    const notes = four(FrameKind.Note, `{"x":${list}}`);
    const logprobs = Array.from({ length: 8 }, (_, i) =>
        i % 2 === 0 ? frame(FrameKind.Note, `{"logprobs":{"content":${list}}}`) : frame(FrameKind.Content, 'a'),
    );
    const words = [frame(FrameKind.Note, `{"finish_reason":${list}}`), frame(FrameKind.Content, 'a')];
    const call = (index: number) => ({ index, id: `${index}`, function: { name: 'f', arguments: `{"x":${list}}` } });
    const calls = [1, 2, 3, 4].map((index) => frame(FrameKind.Fields, JSON.stringify({ tool_calls: [call(index)] })));

    it.each<[string, Run]>([
        ['fields of an answer in one body', { format: chat, frames: fields }],
        ['notes of an answer in one body', { format: chat, frames: notes }],
        ['fields that an app has yet to read', { format: chat, frames: fields, reads: false }],
        ['calls that an app of Messages has yet to read', { format: messages, frames: calls, reads: false }],
        ['notes of a stream', { format: chat, frames: notes, isStream: true }],
        ['log probabilities of a stream of responses', { format: responses, frames: logprobs, isStream: true }],
        ['words for the end of a stream', { format: chat, frames: words, isStream: true }],
        [
            'a piece that an app has yet to read',
            { format: chat, frames: fields.slice(1, 2), isStream: true, reads: false },
        ],
    ])('is about that of its bytes, not of the many small objects in them: %s', async (_, run) => {
        await bytesHeld({ ...run, frames: [frame(FrameKind.Content, 'a')] }); // code is compiled
        const [held, sent] = await bytesHeld(run);
        expect(held).toBeLessThan(4 * BYTES);
        expect(sent.length).toBeGreaterThan(0);
    });

    it('changes nothing of what its app gets', async () => {
        const [, sent] = await bytesHeld({ format: chat, frames: fields.slice(2) });
        expect(JSON.parse(sent).choices[0].message.x).toHaveLength(2 * 95_000);
        const [, stream] = await bytesHeld({ format: responses, frames: logprobs, isStream: true });
        const { response } = JSON.parse(stream.trim().split('data: ').at(-1)!);
        expect(response.output[0].content[0]).toMatchObject({ text: 'aaaa' });
        expect(response.output[0].content[0].logprobs).toHaveLength(4 * 95_000);
    });
});
