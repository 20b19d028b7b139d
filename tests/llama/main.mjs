/**
 * A real llama.cpp behind the URL backend: the embedded model's weights, written as GGUF, answer as the embedded model
 * itself does. npm run test:llama; exit code 1 if an answer differs.
 */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startLlama } from './server.mjs';

const require = createRequire(import.meta.url);
require('../../tooling/typescript.js');
const { EmbeddedBackend, OpenAiBackend } = require('../../offchain/backend');
const { embeddedModelAsGguf } = require('./gguf.ts');

const MODEL = 'cocoon-tiny';
const QUESTIONS = ['What is a voucher?', 'Who can read my prompt?', 'What happens if the worker disappears?'];

/** The whole answer of a backend: its text, how it ended, and what it counts. */
async function answerOf(backend, content) {
    const body = { model: MODEL, messages: [{ role: 'user', content }], temperature: 0 };
    let text = '';
    for await (const event of backend.stream(
        { endpoint: 'chat', maxTokens: 200, body },
        new AbortController().signal,
    )) {
        if (event.type === 'delta') text += event.content ?? '';
        if (event.type === 'end') return { text, finish: event.finish, usage: event.usage };
    }
    throw new Error('no end');
}

const folder = mkdtempSync(join(tmpdir(), 'cocoon-llama-'));
const embedded = new EmbeddedBackend();
try {
    const file = join(folder, 'model.gguf');
    writeFileSync(file, embeddedModelAsGguf());
    const llama = await startLlama(file, MODEL, (text) => embedded.tokenizer.encode(text));
    const backend = new OpenAiBackend({ url: llama.url });
    try {
        assert.deepEqual(await backend.models(), [MODEL]);
        for (const question of QUESTIONS) {
            const [own, other] = [await answerOf(embedded, question), await answerOf(backend, question)];
            assert.equal(other.text, own.text);
            assert.equal(other.finish, own.finish);
            const { prompt, completion } = other.usage;
            assert.deepEqual([prompt, completion], [own.usage.prompt, own.usage.completion]);
            console.log(`ok    ${question} -> ${other.text}`);
        }
    } finally {
        await backend.close();
        await llama.close();
    }
} finally {
    rmSync(folder, { recursive: true });
}
