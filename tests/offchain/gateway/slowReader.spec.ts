/** An app that reads its stream slowly. */
import type { FastifyReply } from 'fastify';
import { PassThrough } from 'node:stream';
import { type Answering, answerStream } from '../../../offchain/gateway/api/answering';
import type { AnswerSink } from '../../../offchain/gateway/router';
import { FrameKind } from '../../../offchain/link';

const FRAMES = 50;
const meter = { prompt: 1, cached: 0, completion: 1, reasoning: 0 };
const frame = { meter, kind: FrameKind.Content, choice: 0, text: 'x', more: false, final: false };

describe('A stream that its app reads slowly', () => {
    it('leaves nothing behind in memory with each of the waits for the app', async () => {
        const raw = Object.assign(new PassThrough({ highWaterMark: 1 }), { writeHead: () => undefined });
        const listeners: number[] = [];
        const answer = async (_: unknown, sink: AnswerSink) => {
            for (let sent = 0; sent < FRAMES; sent++) {
                setImmediate(() => raw.read());
                await sink.frame(frame);
                listeners.push(raw.listenerCount('close'));
            }
            throw new Error('no more is needed');
        };
        const answering = {
            question: { modelRequest: { endpoint: 'chat', body: {} } },
            format: () => ({ piece: () => 'x', error: () => '' }),
            router: { answer },
            reply: { raw, hijack: () => undefined, getHeaders: () => ({}) } as unknown as FastifyReply,
            signal: new AbortController().signal,
            silenceMs: 60_000,
        } as unknown as Answering;
        await answerStream(answering).catch(() => undefined);
        expect(listeners).toHaveLength(FRAMES);
        expect(Math.max(...listeners)).toBeLessThanOrEqual(listeners[0] + 1);
    });
});
