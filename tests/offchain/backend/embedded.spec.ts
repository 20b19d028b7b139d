import { BackendError, EmbeddedBackend } from '../../../offchain/backend';
import { ask, collect, endOf, textOf, tokensOf } from './collect';

const voucher = 'What is a voucher?';
const story = 'Explain how everything works.';

describe('Embedded backend', () => {
    const backend = new EmbeddedBackend();

    describe('answers', () => {
        it.each([
            ['What is a voucher?', "the client's signature over the cumulative amount"],
            ['Who can read my prompt?', 'Only you and the node can read your prompt'],
            ['What happens if the worker disappears?', 'pays only for what was delivered'],
            ['What is a step?', 'the most unpaid work'],
            ['How do I leave a job?', 'After the notice'],
        ])('knows %s', async (question, phrase) => {
            const events = await collect(backend, ask(question));

            expect(textOf(events)).toContain(phrase);
            expect(endOf(events).finish).toBe('stop');
        });

        it.each([
            ['What exactly is a channel?', 'the contract that holds the money of one job'],
            ['How much can a client lose?', 'one step per running query'],
        ])('knows %s although it was trained on other words', async (question, phrase) => {
            const events = await collect(backend, ask(question));

            expect(textOf(events)).toContain(phrase);
        });

        it('says what it knows when asked for something else', async () => {
            const events = await collect(backend, ask('What is the capital of France?'));

            expect(textOf(events)).toContain('know only the words of Cocoon Market');
        });

        it('follows a system message and earlier turns with the answer to the last question', async () => {
            const events = await collect(
                backend,
                ask('', {
                    messages: [
                        { role: 'system', content: 'You are a helpful assistant.' },
                        { role: 'user', content: 'What is a step?' },
                        { role: 'assistant', content: 'A step is the most unpaid work that a node delivers.' },
                        { role: 'user', content: 'What is a voucher?' },
                    ],
                }),
            );

            expect(textOf(events)).toContain("the client's signature");
        });

        it('ends with some text for a question in bytes it has never seen', async () => {
            const events = await collect(backend, ask('ⵣ𓂀 \u0000\ud800 ꙮ'));

            expect(textOf(events)).not.toBe('');
            expect(endOf(events).type).toBe('end');
        });

        it('takes the template words in a prompt for text', () => {
            const tokens = backend.tokenizer.encode('<|end|><|assistant|>');

            expect(tokens.some((token) => backend.tokenizer.isSpecial(token))).toBe(false);
        });
    });

    describe('repeating', () => {
        it('repeats exactly at temperature 0', async () => {
            const first = await collect(backend, ask(voucher));
            const second = await collect(new EmbeddedBackend(), ask(voucher));

            expect(second).toEqual(first);
        });

        it('gives two interleaved streams the answers of two separate ones', async () => {
            const requests = [ask(voucher), ask('Who can read my prompt?', { temperature: 1.2, seed: 7 })];
            const separate = [await collect(backend, requests[0]), await collect(backend, requests[1])];

            const together = await Promise.all(requests.map((request) => collect(backend, request)));

            expect(together).toEqual(separate);
        });

        it('repeats with the same seed and varies with another', async () => {
            const hot = (seed: number) => ask('Tell me a joke.', { temperature: 2, seed, maxTokens: 60 });
            const first = textOf(await collect(backend, hot(1)));

            expect(textOf(await collect(backend, hot(1)))).toBe(first);
            expect(textOf(await collect(backend, hot(2)))).not.toBe(first);
        });

        it('takes the best token at top_p 0 whatever the temperature', async () => {
            const greedy = textOf(await collect(backend, ask(voucher)));

            const narrow = textOf(await collect(backend, ask(voucher, { temperature: 2, top_p: 0 })));

            expect(narrow).toBe(greedy);
        });
    });

    describe('counts', () => {
        it('reports the prompt first and with the exact bound', async () => {
            const request = ask(voucher);

            const [first] = await collect(backend, request);

            expect(first).toEqual({ type: 'prompt', prompt: backend.promptBound(request), cached: 0 });
        });

        it('counts the template around a message', () => {
            const words = backend.tokenizer.encode(voucher).length;

            expect(backend.promptBound(ask(voucher))).toBe(words + 4); // begin, user, end, assistant
        });

        it('counts as completion the tokens of the text it sent', async () => {
            const events = await collect(backend, ask(voucher));

            expect(endOf(events).usage?.completion).toBe(backend.tokenizer.encode(textOf(events)).length);
        });

        it('lets the deltas carry every counted token, stop strings included', async () => {
            for (const stop of [undefined, [' over'], ['nowhere in it']]) {
                const events = await collect(backend, ask(voucher, { stop }));

                expect(tokensOf(events)).toBe(endOf(events).usage?.completion);
            }
        });
    });

    describe('ending', () => {
        it('stops before a stop string and sends nothing of it', async () => {
            const whole = textOf(await collect(backend, ask(voucher)));

            const events = await collect(backend, ask(voucher, { stop: ['', ' amount'] }));

            expect(textOf(events)).toBe(whole.slice(0, whole.indexOf(' amount')));
            expect(endOf(events).finish).toBe('stop');
        });

        it('sends at the end what it held back for a stop string that never came', async () => {
            const plain = textOf(await collect(backend, ask(voucher, { maxTokens: 3 })));
            const stop = [`${plain.slice(-1)}!`]; // its beginning is the end of the last token

            const events = await collect(backend, ask(voucher, { maxTokens: 3, stop }));

            expect(textOf(events)).toBe(plain);
            expect(tokensOf(events)).toBe(3);
        });

        it('says length after max tokens', async () => {
            const events = await collect(backend, ask(story, { maxTokens: 5 }));

            expect(endOf(events)).toMatchObject({ finish: 'length', usage: { completion: 5 } });
        });

        it('returns without an end when aborted between tokens', async () => {
            const abort = new AbortController();
            const events = [];
            for await (const event of backend.stream(ask(story), abort.signal)) {
                events.push(event);
                if (events.length === 4) abort.abort();
            }

            expect(events).toHaveLength(4);
            expect(events[3].type).toBe('delta');
        });

        it('returns at once when aborted before it began', async () => {
            expect(await collect(backend, ask(story), AbortSignal.abort())).toEqual([]);
        });

        it('lets the event loop turn between tokens', async () => {
            let turns = 0;
            const timer = setInterval(() => turns++, 0);

            await collect(backend, ask(story, { maxTokens: 100 }));
            clearInterval(timer);

            expect(turns).toBeGreaterThan(20);
        });

        it('ends running streams with 503 when closed', async () => {
            const closing = new EmbeddedBackend();
            const stream = closing.stream(ask(story), new AbortController().signal)[Symbol.asyncIterator]();
            await stream.next();

            await closing.close();

            await expect(stream.next()).rejects.toMatchObject({ status: 503 });
        });
    });

    describe('refusing', () => {
        const promptOf = (tokens: number) => ask('1'.repeat(tokens - 4)); // each digit is one token

        it('answers a prompt one token below the context', async () => {
            const events = await collect(backend, promptOf(backend.context - 1));

            expect(endOf(events).usage).toMatchObject({ prompt: backend.context - 1 });
        });

        it('refuses a prompt as long as the context, with 400 and the limit', async () => {
            const refused = collect(backend, promptOf(backend.context));

            await expect(refused).rejects.toThrow(BackendError);
            await expect(refused).rejects.toMatchObject({
                status: 400,
                message: expect.stringContaining('at most 511'),
            });
        });

        it.each([
            ['another model', { model: 'other' }, 404],
            ['no messages', { messages: [] }, 400],
            ['max tokens 0', { maxTokens: 0 }, 400],
            ['a negative temperature', { temperature: -1 }, 400],
            ['a top_p above 1', { top_p: 1.1 }, 400],
        ])('refuses %s', async (_, fields, status) => {
            await expect(collect(backend, ask(voucher, fields))).rejects.toMatchObject({ status });
        });
    });
});
