import type { FastifyReply } from 'fastify';
import { EventEmitter } from 'node:events';
import OpenAI from 'openai';
import pino from 'pino';
import { request } from 'undici';
import { Finish, noTokens, Reason } from '@cocoon-market/wrappers';
import { answerStream } from '../../../offchain/gateway/api/answering';
import { ChatFormat } from '../../../offchain/gateway/api/chat';
import { ClientGone, type GatewayError } from '../../../offchain/gateway/errors';
import type { GatewayJob } from '../../../offchain/gateway/job';
import type { Question } from '../../../offchain/gateway/query';
import type { Router } from '../../../offchain/gateway/router';
import { ANSWER_SECONDS, FrameKind, waits } from '../../../offchain/link';
import { useMarket } from '../../support/market';
import { ask, Bench, startBench, until } from './support';

/** What a raw stream of the gateway says. */
async function raw(bench: Bench) {
    const response = await request(`${bench.gateway.url}/v1/chat/completions`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ ...ask, stream: true, user: 'Ann' }),
    });
    const state = { status: response.statusCode, headers: response.headers, text: '', ended: false };
    const reading = (async () => {
        for await (const piece of response.body) state.text += (piece as Buffer).toString();
        state.ended = true;
    })();
    reading.catch(() => undefined);
    return { state, reading };
}

describe('Times', () => {
    it('between acceptance and deadline nothing waits shorter than the deadline', () => {
        expect(Math.min(waits.query, waits.backend)).toBeGreaterThanOrEqual(ANSWER_SECONDS);
    });
});

describe('An app that reads nothing of its stream', () => {
    /** The response of an app that takes nothing, with what a stream uses of it. */
    const unread = () => {
        const raw = Object.assign(new EventEmitter(), {
            ...{ headersSent: false, destroyed: false, writableNeedDrain: true },
            writeHead: () => (raw.headersSent = true),
            write: () => false,
            destroy: () => (raw.destroyed = raw.emit('close')),
        });
        return raw;
    };

    it('is cut, and holds no place of the job any longer', async () => {
        const times: { reader: number } = waits;
        const short = jest.replaceProperty(times, 'reader', 0.05);
        const raw = unread();
        const gone = new AbortController();
        raw.once('close', () => gone.abort('client'));
        const frame = { meter: noTokens, kind: FrameKind.Content, choice: 0, text: 'Hello', more: false, final: false };
        const answer: Router['answer'] = async (_, sink) => {
            sink.begin({ number: 0, stored: { tier: 'open' } } as GatewayJob, 1);
            for (;;) await sink.frame(frame);
        };
        const head = { id: 'chatcmpl-1', created: 0, model: 'm' };
        const stream = answerStream({
            ...{ router: { answer }, signal: gone.signal, silenceMs: 1000, log: pino({ level: 'silent' }) },
            question: { modelRequest: { endpoint: 'chat', maxTokens: 9, body: {} } } as unknown as Question,
            format: () => new ChatFormat(head, { includeUsage: false, choices: 1 }),
            reply: { raw, hijack: () => undefined, getHeaders: () => ({}) } as unknown as FastifyReply,
            toGatewayError: (error) => error as GatewayError,
        });

        await expect(stream).rejects.toThrow(ClientGone);
        short.restore();
        expect(raw.destroyed).toBe(true);
    });
});

describe('Waiting', () => {
    const market = useMarket();
    let bench: Bench;
    let go: () => void;
    const held = () => new Promise<void>((resolve) => (go = resolve));

    const start = async (config: object = {}, workers = 1) => {
        go = () => undefined;
        bench = await startBench(market(), {
            workers,
            config: { commentSeconds: 0.05, shutdownSeconds: 0.2, ...config },
        });
    };
    afterEach(async () => {
        go();
        await bench.close();
    });

    it('a stream that waits for its first word has its headers and comments, then its answer', async () => {
        await start();
        const first = held();
        bench.worker.scripts.push({ wait: (frame) => (frame === 0 ? first : Promise.resolve()) });
        const { state, reading } = await raw(bench);
        await until(() => state.text.split(': waiting\n\n').length > 3);

        expect(state).toMatchObject({ status: 200, ended: false });
        expect(state.headers['content-type']).toContain('text/event-stream');
        expect(state.text).not.toContain('data:');
        go();
        await reading;
        expect(state.text).toContain('Hello');
        expect(state.text).toContain(': x-cocoon-query: ');
        expect(state.text.trimEnd().endsWith('data: [DONE]')).toBe(true);
    });

    it('a query that is accepted may be silent longer than any other answer of a worker', async () => {
        const times: { silence: number } = waits;
        const short = jest.replaceProperty(times, 'silence', 0.2);
        await start();
        bench.worker.scripts.push({
            wait: (frame) => new Promise((resolve) => setTimeout(resolve, frame === 0 ? 1500 : 0)),
        });

        const { body } = await bench.post(ask);
        short.restore();
        expect(body.choices?.[0]).toMatchObject({ message: { content: 'Hello world' } });
    });

    it('a stream that pauses between two words has comments', async () => {
        await start({ commentSeconds: 0.5 });
        await bench.post(ask);
        const second = held();
        bench.worker.scripts.push({ wait: (frame) => (frame === 1 ? second : Promise.resolve()) });
        const { state, reading } = await raw(bench);
        await until(() => state.text.includes(': waiting\n\n'));
        go();
        await reading;

        expect(state.headers['x-cocoon-query']).toBeDefined();
        expect(state.headers['x-cocoon-not-passed-on']).toBe('user');
    });

    it('a refusal that comes at once has its HTTP status', async () => {
        await start({ commentSeconds: 5 });
        bench.worker.scripts.push({ failAtOnce: Reason.ContextExceeded });

        expect((await raw(bench)).state.status).toBe(400);
    });

    it('a refusal that comes after comments is an event', async () => {
        await start();
        const first = held();
        bench.worker.scripts.push({ wait: () => first, failAtOnce: Reason.ContextExceeded });
        const { state, reading } = await raw(bench);
        await until(() => state.text.includes(': waiting\n\n'));
        go();
        await reading;

        expect(state.status).toBe(200);
        expect(state.text).toContain('"code":"context_length_exceeded"');
        expect(state.text).not.toContain('[DONE]');
    });

    it("the client's SDK passes over comments, and hears an error event", async () => {
        await start();
        const first = held();
        bench.worker.scripts.push({ wait: (frame) => (frame === 0 ? first : Promise.resolve()) });
        const stream = await bench.openai.chat.completions.create({ ...ask, stream: true });
        setTimeout(() => go(), 200);
        let text = '';
        for await (const chunk of stream) text += chunk.choices[0]?.delta.content ?? '';
        expect(text).toBe('Hello world');

        bench.worker.scripts.push({ finish: Finish.CutByBackend });
        const cut = await bench.openai.chat.completions.create({ ...ask, stream: true });
        const reading = (async () => {
            for await (const _ of cut);
        })();
        await expect(reading).rejects.toMatchObject({ code: 'answer_cut' });
        await expect(reading).rejects.toBeInstanceOf(OpenAI.APIError);
    });

    it("the client's SDK is told of a content filter, whole and streamed", async () => {
        await start();
        bench.worker.scripts.push({ finish: Finish.ContentFilter }, { finish: Finish.ContentFilter });
        const whole = await bench.openai.chat.completions.create(ask);
        expect(whole.choices[0].finish_reason).toBe('content_filter');
        const finishes = [];
        for await (const chunk of await bench.openai.chat.completions.create({ ...ask, stream: true })) {
            finishes.push(chunk.choices[0].finish_reason);
        }
        expect(finishes.at(-1)).toBe('content_filter');
    });
});

describe('Answers that are cut', () => {
    const market = useMarket();
    let bench: Bench;

    beforeEach(async () => (bench = await startBench(market(), { config: { shutdownSeconds: 0.2 } })));
    afterEach(() => bench.close());

    it('by the node, not streamed: have their text, their usage and the finish reason error', async () => {
        bench.worker.scripts.push({ finish: Finish.CutByBackend });
        const { status, body } = await bench.post(ask);

        expect(status).toBe(200);
        expect(body.choices[0]).toMatchObject({ message: { content: 'Hello world' }, finish_reason: 'error' });
        expect(body).toMatchObject({ usage: { cost_nanoton: '3020' }, error: { code: 'answer_cut' } });
    });

    it('by the node are failures of the node, however fast they came', async () => {
        const { stats } = bench.gateway.book['context'].nodes;
        bench.worker.scripts.push({ frames: ['one'], finish: Finish.CutByBackend }, {});
        expect((await bench.post(ask)).body.error.code).toBe('answer_cut');
        const afterCut = stats.of(bench.worker.url);
        expect((await bench.post(ask)).body.error).toBeUndefined();

        expect(afterCut).toMatchObject({ delay: undefined, speed: undefined, success: 0.7 });
        expect(stats.of(bench.worker.url).success).toBeGreaterThan(0.7);
    });

    it('by the connection, not streamed: have the text that arrived and the finish reason error', async () => {
        bench.worker.scripts.push({ frames: ['one ', 'two ', 'three '], cut: 2 });
        const { status, body } = await bench.post(ask);

        expect(status).toBe(200);
        expect(body.choices[0]).toMatchObject({ message: { content: 'one two ' }, finish_reason: 'error' });
        expect(body.error.code).toBe('answer_broken');
    });

    it('by an app keep their place of the job until the worker has ended them, and no node is asked too much', async () => {
        await bench.restart({ shutdownSeconds: 0.2, job: { maxParallel: 1, maxOpen: 1 } });
        let go: () => void = () => undefined;
        const gate = new Promise<void>((resolve) => (go = resolve));
        const wait = (frame: number) => (frame === 0 ? Promise.resolve() : gate);
        bench.worker.scripts.push({ wait, finish: Finish.CutByClient });
        const app = new AbortController();
        const stream = await bench.openai.chat.completions.create({ ...ask, stream: true }, { signal: app.signal });
        await stream[Symbol.asyncIterator]().next();
        app.abort();
        const next = bench.post(ask);
        // It says that the query still runs, and is asked again.
        await until(() => bench.worker.wire.filter(({ path }) => path.includes('/queries/')).length >= 2);
        expect(bench.worker.asked).toHaveLength(1);
        go();

        expect((await next).status).toBe(200);
        expect(bench.gateway.book.all).toHaveLength(1);
    });

    it('by the connection, again and again, bring the node no other query at once, though each ending is fetched', async () => {
        const { bans } = bench.gateway.book['context'].nodes;
        bench.worker.scripts.push({ cut: 1, finish: Finish.CutByClient });
        expect((await bench.post(ask)).body.error.code).toBe('answer_broken');
        await until(() => bench.gateway.book.all[0].unfinished.length === 0);
        expect(bans.isCool(bench.worker.url)).toBe(true);
        expect((await bench.post(ask)).status).toBe(200);

        expect(bans.isCool(bench.worker.url)).toBe(false);
    });
});

describe('A gateway that is told to stop', () => {
    const market = useMarket();
    let bench: Bench;
    let go: () => void = () => undefined;
    const held = () => new Promise<void>((resolve) => (go = resolve));
    const start = async (shutdownSeconds: number) =>
        (bench = await startBench(market(), { config: { shutdownSeconds, commentSeconds: 0.05 } }));

    afterEach(async () => {
        go();
        await Promise.all(bench.workers.map((worker) => worker.stop()));
    });

    const pausing = (at: number) => {
        const later = held();
        bench.worker.scripts.push({ wait: (frame) => (frame === at ? later : Promise.resolve()) });
    };

    it('waits for an answer that runs, and lets none begin', async () => {
        await start(20);
        pausing(1);
        const { state, reading } = await raw(bench);
        await until(() => state.text.includes('Hello'));
        const closed = bench.gateway.close();
        await until(async () => (await bench.post(ask)).body.error?.code === 'stopping');
        expect(state.ended).toBe(false);
        go();
        await reading;
        await closed;

        expect(state.text).toContain('[DONE]');
    });

    it('ends a stream that takes too long with an event, and what arrived is paid', async () => {
        await start(0.1);
        pausing(1);
        const { state, reading } = await raw(bench);
        await until(() => state.text.includes('Hello'));
        await bench.gateway.close();
        await reading;

        expect(state.text).toContain('"code":"stopping"');
        expect(state.text).not.toContain('[DONE]');
    });

    it('ends a stream before its first word with an event', async () => {
        await start(0.1);
        pausing(0);
        const { state, reading } = await raw(bench);
        await until(() => state.text.includes(': waiting'));
        await bench.gateway.close();
        await reading;

        expect(state.text).toContain('"code":"stopping"');
    });

    it('answers what is not streamed with the text that arrived', async () => {
        await start(0.1);
        pausing(1);
        const partly = bench.post(ask);
        await until(() => bench.worker.asked.length === 1);
        await new Promise((resolve) => setTimeout(resolve, 200));
        await bench.gateway.close();
        const { status, body } = await partly;
        expect(status).toBe(200);
        expect(body.choices[0]).toMatchObject({ message: { content: 'Hello' }, finish_reason: 'error' });
        expect(body.error.code).toBe('stopping');
    });

    it('answers what is not streamed and has no text yet with 503', async () => {
        await start(0.1);
        pausing(0);
        const nothing = bench.post(ask);
        await until(() => bench.worker.asked.length === 1);
        await bench.gateway.close();
        expect(await nothing).toMatchObject({ status: 503, body: { error: { code: 'stopping' } } });
    });
});
