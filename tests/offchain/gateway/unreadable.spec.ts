/** An answer that was paid and cannot be read is an error that says so, or an SDK would ask again and pay twice. */
import { Finish, type Result } from '@cocoon-market/wrappers';
import { readAnswer } from '../../../offchain/gateway/api/answering';
import type { Question } from '../../../offchain/gateway/query';
import type { AnswerSink } from '../../../offchain/gateway/router';
import { type Frame, FrameKind } from '../../../offchain/link';
import { chatRequest } from '../support/requests';

const meter = { prompt: 1, cached: 0, completion: 1, reasoning: 0 };
const frame = (kind: FrameKind, text: string, change: Partial<Frame> = {}): Frame => ({
    ...{ meter, kind, choice: 0, text, more: false, final: false },
    ...change,
});
const result = (finish: Finish): Result => ({
    ...{ job: Buffer.alloc(32), number: 1, index: 1, content: Buffer.alloc(32), finishedAt: 1 },
    ...{ ...meter, price: 1n, cumulative: 1n, finish },
});

/** Reads an answer of these frames; what was taken of it. */
async function read(frames: Frame[], finish = Finish.Stop): Promise<object[]> {
    const taken: object[] = [];
    const modelRequest = chatRequest({ model: 'm', messages: [{ role: 'user', content: 'a' }], n: 2 });
    const answer = async (_: Question, sink: AnswerSink) => {
        for (const one of frames) {
            await sink.frame(one);
        }
        return result(finish);
    };
    const question = { modelRequest } as Question;
    const reading = { question, signal: new AbortController().signal, begin: () => undefined };
    await readAnswer({ answer }, reading, (piece) => void taken.push(piece.delta));
    return taken;
}

describe('An answer that was paid', () => {
    const call = '{"tool_calls":[]}';

    it('is read piece by piece', async () => {
        const frames = [
            frame(FrameKind.Content, 'a'),
            frame(FrameKind.Fields, call.slice(0, 5), { more: true }),
            frame(FrameKind.Fields, call.slice(5)),
            frame(FrameKind.Content, 'b', { choice: 1 }),
        ];
        expect(await read(frames)).toEqual([{ content: 'a' }, { tool_calls: [] }, { content: 'b' }]);
    });

    it.each<[string, Frame[]]>([
        ['fields that are no JSON', [frame(FrameKind.Fields, '{')]],
        ['fields that are a list', [frame(FrameKind.Fields, '[]')]],
        ['fields that are deeper than a request may be', [frame(FrameKind.Fields, `{"a":${'['.repeat(100)}`)]],
        ['fields that never end', [frame(FrameKind.Fields, '{"a":1', { more: true })]],
        ['a third of two choices', [frame(FrameKind.Content, 'a', { choice: 2 })]],
    ])('with %s is an error that is marked as billed', async (_, frames) => {
        await expect(read(frames)).rejects.toMatchObject({ status: 502, code: 'bad_node', billed: true });
    });

    it('may end within its fields where it reached its limit', async () => {
        expect(await read([frame(FrameKind.Fields, '{"a":1', { more: true })], Finish.Length)).toEqual([]);
    });

    it('hands nothing over after what could not be read, and is still read to its end', async () => {
        const frames = [frame(FrameKind.Fields, '['), frame(FrameKind.Content, 'late')];
        await expect(read(frames)).rejects.toMatchObject({ billed: true });
    });
});
