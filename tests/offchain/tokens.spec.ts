// cspell:disable: texts of many languages
import { FrameKind, type ModelRequest } from '../../offchain/link';
import { setImmediate } from 'node:timers/promises';
import { Tokenizer } from '../../offchain/backend/embedded/tokenizer';
import {
    AnswerCount,
    counterOf,
    MAX_TOKENIZED,
    promptMax,
    tokenizerNames,
    tokenizerOfModel,
} from '../../offchain/tokens';

const chat = (...contents: string[]): ModelRequest => ({
    endpoint: 'chat',
    maxTokens: 10,
    body: { model: 'm', messages: contents.map((content) => ({ role: 'user', content })) },
});

/** Texts and their counts by the published tokenizers of Qwen 3, DeepSeek V3, gpt-oss and Llama 3.1. */
const vectors: [string, Record<'qwen' | 'deepseek' | 'o200k' | 'llama3', number>][] = [
    ['hello world', { qwen: 2, deepseek: 2, o200k: 2, llama3: 2 }],
    ['The quick brown fox jumps over the lazy dog.', { qwen: 10, deepseek: 10, o200k: 10, llama3: 10 }],
    ["I'M sure we'LL don't", { qwen: 8, deepseek: 8, o200k: 7, llama3: 8 }],
    ['今日は良い天気ですね。我们去公园散步吧', { qwen: 11, deepseek: 11, o200k: 14, llama3: 14 }],
    ['Привет, как дела? Ёлки-палки', { qwen: 14, deepseek: 12, o200k: 11, llama3: 13 }],
    ['नमस्ते दुनिया क़', { qwen: 16, deepseek: 9, o200k: 7, llama3: 11 }],
    ['👩‍👩‍👧‍👦 🎉🎉', { qwen: 14, deepseek: 16, o200k: 15, llama3: 21 }],
    ['   \n\n  \t x  \r\n\r\n', { qwen: 4, deepseek: 9, o200k: 4, llama3: 4 }],
    ['for (let i = 0; i < 1234567; i++) {\n    sum += i;\n}\n', { qwen: 28, deepseek: 24, o200k: 24, llama3: 24 }],
    ['<|im_start|>user', { qwen: 7, deepseek: 7, o200k: 7, llama3: 7 }],
    ['HelloWorldFooBAR', { qwen: 4, deepseek: 4, o200k: 4, llama3: 4 }],
    ['\u0000\u0001abc', { qwen: 3, deepseek: 3, o200k: 3, llama3: 3 }],
    [
        'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa',
        { qwen: 15, deepseek: 15, o200k: 15, llama3: 15 },
    ],
];

describe('a tokenizer', () => {
    it.each(vectors)('counts %j as the published one does', (text, counts) => {
        const own = Object.fromEntries(Object.keys(counts).map((name) => [name, counterOf(name).text(text)]));
        expect(own).toEqual(counts);
    });

    it('that is not known here counts bytes, which are never too few', () => {
        expect(counterOf('of a later version').text('héé')).toBe(5);
        expect(counterOf('__proto__').isExact).toBe(false);
    });

    it.each(['a', ' ', 'Ж', '!\n', '0', '😀', 'xA', '漢'])('takes no long time for a prompt of %j alone', (letter) => {
        const bytes = Buffer.byteLength(letter);
        const text = letter.repeat(Math.floor((MAX_TOKENIZED - 8) / bytes));
        const start = performance.now();
        counterOf('qwen').promptBound(chat(text));
        expect(performance.now() - start).toBeLessThan(4000); // 0.4 s on a machine that does nothing else
    });

    it('counts by bytes what lies above the size that it cuts into tokens', () => {
        const { promptBound } = counterOf('qwen');
        const words = (bytes: number) => 'word '.repeat(bytes / 5);
        const half = promptBound(chat(words(MAX_TOKENIZED / 2 - 4), words(MAX_TOKENIZED / 2 - 4)));
        expect(half).toBeLessThan(MAX_TOKENIZED / 4);
        expect(promptBound(chat(words(MAX_TOKENIZED / 2), words(MAX_TOKENIZED / 2 + 20)))).toBeGreaterThan(
            MAX_TOKENIZED / 2,
        );
    });

    it('leaves room for a template, and never bounds an empty prompt by nothing', () => {
        const bound = counterOf('qwen').promptBound(chat('hello'));
        expect(bound).toBe(Math.ceil((1 + 16 + 256) * 1.05));
    });

    it('estimates a prompt that no server counts: each text, and four tokens around it', async () => {
        const estimate = async (name: string, request: ModelRequest) =>
            (await counterOf(name).countPrompt(request)).estimate;
        expect(await estimate('qwen', chat('hello', 'hello world'))).toBe(1 + 4 + 2 + 4);
        expect(await estimate('bytes', chat('x'.repeat(41)))).toBe(11);
    });

    it.each(tokenizerNames)('%s: the count over several turns is the count at once', async (name) => {
        const requests = [chat('hello world', 'x 1e1 y'.repeat(9000), 'hello world'), chat('word '.repeat(120_000))];
        for (const request of requests) {
            const { bound } = await counterOf(name).countPrompt(request);
            expect(bound).toBe(counterOf(name).promptBound(request));
            expect(bound).toBeLessThanOrEqual(promptMax(request));
        }
    });

    it('counts texts of a prompt by themselves', async () => {
        const request = chat('hello', 'hello world');
        expect((await counterOf('qwen').countPrompt(request, ['hello', 'hello world'])).texts).toBe(3);
    });
});

/** How many turns the event loop makes until something is done. */
async function turnsUntil(done: Promise<unknown>): Promise<number> {
    let isDone = false;
    let turns = 0;
    void done.then(() => (isDone = true));
    for (; !isDone; turns++) {
        await setImmediate();
    }
    return turns;
}

describe('the counting of long prompts', () => {
    const counter = counterOf('qwen');
    const TURN = 32 * 1024; // characters, docs/protocol.md
    const long = (letter: string) => chat(letter.repeat(MAX_TOKENIZED / letter.length - 8));

    it.each([
        [1, 'a'],
        [4, 'a'],
        [1, 'ab c'],
    ])('of %i prompts of %j leaves the event loop free after each 32 KiB', async (prompts, letter) => {
        const all = Promise.all(Array.from({ length: prompts }, async () => counter.countPrompt(long(letter))));
        expect(await turnsUntil(all)).toBeGreaterThanOrEqual((prompts * MAX_TOKENIZED) / TURN - 1);
    });

    it('of a short prompt beside a long one needs two turns at most', async () => {
        const others = counter.countPrompt(long('a'));
        expect(await turnsUntil(counter.countPrompt(chat('hello')))).toBeLessThanOrEqual(2);
        await others;
    });

    it('of a short prompt waits for nothing', async () => {
        await setImmediate();
        let isCounted = false;
        void counter.countPrompt(chat('hello')).then(() => (isCounted = true));
        await new Promise((resolve) => process.nextTick(resolve));
        await Promise.resolve();
        expect(isCounted).toBe(true);
    });

    // The whole of this text takes 44 s: each mark is moved before all that came before it.
    it('normalizes no text as a whole, because that takes the square of its length', () => {
        const normalize = jest.spyOn(String.prototype, 'normalize');
        try {
            counter.text('\u0301\u0323'.repeat(10_000));
            const lengths = normalize.mock.contexts.map((text) => String(text).length);
            expect(Math.max(...lengths)).toBeLessThanOrEqual(2048);
            expect(lengths.reduce((sum, length) => sum + length, 0)).toBe(20_000);
        } finally {
            normalize.mockRestore();
        }
    });

    it('by the embedded model ends at 16 KiB: its bytes are counted then', () => {
        const encode = jest.spyOn(Tokenizer.prototype, 'encode');
        try {
            const tiny = counterOf('cocoon-tiny');
            expect(tiny.promptBound(chat('the '.repeat(4 * 1024)))).toBeLessThan(16 * 1024);
            expect(encode).toHaveBeenCalledTimes(1);
            expect(tiny.promptBound(chat('the '.repeat(4 * 1024), 'a'))).toBeGreaterThan(16 * 1024);
            expect(encode).toHaveBeenCalledTimes(1);
        } finally {
            encode.mockRestore();
        }
    });
});

describe('the tokenizer of a model', () => {
    it.each([
        ['Qwen/Qwen3-32B', 'qwen'],
        ['Qwen/Qwen2.5-VL-72B-Instruct-AWQ', 'qwen'],
        ['qwen3:8b', 'qwen'],
        ['Qwen/QwQ-32B', 'qwen'],
        ['deepseek-ai/DeepSeek-V3.1', 'deepseek'],
        ['deepseek-ai/DeepSeek-R1-0528', 'deepseek'],
        ['deepseek-ai/DeepSeek-R1-Distill-Qwen-32B', 'qwen'],
        ['deepseek-ai/DeepSeek-R1-0528-Qwen3-8B', 'qwen'],
        ['deepseek-ai/DeepSeek-R1-Distill-Llama-70B', 'llama3'],
        ['meta-llama/Llama-3.3-70B-Instruct', 'llama3'],
        ['meta-llama/Meta-Llama-3-8B', 'llama3'],
        ['llama3.1:8b', 'llama3'],
        ['openai/gpt-oss-120b', 'o200k'],
        ['cocoon-tiny', 'cocoon-tiny'],
    ])('%s is %s', (model, tokenizer) => {
        expect(tokenizerOfModel(model)).toBe(tokenizer);
    });

    it.each([
        'Qwen/Qwen3.5-35B',
        'deepseek-ai/DeepSeek-V2.5',
        'deepseek-ai/deepseek-coder-6.7b-base',
        'deepseek-r1:8b',
        'meta-llama/Llama-2-70b',
        'meta-llama/Llama-4-Scout',
        'TinyLlama-1.1B',
        'gpt-ossified',
        'any',
    ])('%s is not certain, so its bytes are counted', (model) => {
        expect(tokenizerOfModel(model)).toBe('bytes');
    });
});

describe('the count of an answer', () => {
    const content = (text: string) => ({ kind: FrameKind.Content, choice: 0, text });

    it('is that of the whole text, however it is cut into frames', () => {
        const text = 'The worker seals every frame, and the gateway counts them again. '.repeat(40);
        const whole = counterOf('qwen').text(text);
        for (const size of [1, 3, 50, 1000]) {
            const count = new AnswerCount(counterOf('qwen'));
            for (let i = 0; i < text.length; i += size) {
                count.take(content(text.slice(i, i + size)));
            }
            expect(count.estimate).toEqual({ completion: whole, reasoning: 0 });
            expect(count.bound).toEqual({ completion: Math.ceil(whole * 1.1) + 4, reasoning: 0 });
        }
    });

    it('never falls when a text grows', () => {
        const count = new AnswerCount(counterOf('llama3'));
        let last = 0;
        for (const letter of 'a    b\n\n\n 2024-11-29 неправда 漢字 '.repeat(20)) {
            count.take(content(letter));
            expect(count.bound.completion).toBeGreaterThanOrEqual(last);
            last = count.bound.completion;
        }
    });

    it('counts reasoning, other fields and choices, and neither notes nor empty frames', () => {
        const count = new AnswerCount(counterOf('bytes'));
        count.take({ kind: FrameKind.Reasoning, choice: 0, text: 'hmm' });
        count.take({ kind: FrameKind.Fields, choice: 1, text: '{"a":1}' });
        count.take({ kind: FrameKind.Note, choice: 0, text: '{"logprobs":null}' });
        count.take(content('é'));
        expect(count.bound).toEqual({ completion: 7 + 2, reasoning: 3 });
        expect(count.estimate).toEqual({ completion: 3, reasoning: 1 });
    });

    it('counts no text that an app never sees, of however many kinds and choices it is', () => {
        const count = new AnswerCount(counterOf('qwen'), 2);
        for (let kind = 0; kind < 128; kind++) {
            for (let choice = kind > 4 ? 0 : 2; choice < 256; choice++) count.take({ kind, choice, text: 'x' });
        }
        expect(count.bound).toEqual({ completion: 0, reasoning: 0 });
    });
});
