/**
 * A backend with a small transformer, whose weights are in this repository, so that a market runs on one machine with
 * nothing else installed. It was trained on texts of this project only.
 */

import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { Reason } from '@cocoon-market/wrappers';
import { type Backend, BackendError, type BackendEvent, type FinishReason } from '../backend';
import type { ChatMessage, ModelRequest } from '../../link';
import { AnswerText } from './answer';
import { Sampler } from './sampler';
import { EMBEDDED_MODEL, Tokenizer, type TokenizerFile } from './tokenizer';
import { Inference, Transformer, type TransformerConfig } from './transformer';
import { readWeights } from './safetensors';

const PROMPT_SLICE = 8; // prompt tokens read between two turns of the event loop, about 5 ms

/** Serves {@link EMBEDDED_MODEL} in this process. */
export class EmbeddedBackend implements Backend {
    readonly name = 'embedded';
    readonly features = [];
    readonly tokenizer: Tokenizer;
    private readonly model: Transformer;
    private closed = false;

    /**
     * @param directory where `config.json`, `tokenizer.json` and `weights.safetensors` lie
     * @throws if a file is missing or differs from the checksum in `config.json`
     */
    constructor(directory = join(__dirname, 'weights')) {
        const config = JSON.parse(readFileSync(join(directory, 'config.json'), 'utf8')) as TransformerConfig & {
            sha256: Record<string, string>;
        };
        const read = (name: string): Buffer => {
            const bytes = readFileSync(join(directory, name));
            if (createHash('sha256').update(bytes).digest('hex') !== config.sha256[name]) {
                throw new Error(`${join(directory, name)} is damaged: its checksum differs from config.json`);
            }
            return bytes;
        };
        this.tokenizer = new Tokenizer(JSON.parse(read('tokenizer.json').toString('utf8')) as TokenizerFile);
        if (this.tokenizer.size !== config.vocabulary) {
            throw new Error(`tokenizer.json has ${this.tokenizer.size} tokens, config.json ${config.vocabulary}`);
        }
        this.model = new Transformer(config, readWeights(read('weights.safetensors')));
    }

    /** Tokens that a prompt and its answer share. */
    get context(): number {
        return this.model.config.context;
    }

    async models(): Promise<string[]> {
        return [EMBEDDED_MODEL];
    }

    /** The exact number of prompt tokens, template included; more for a prompt that is far beyond the context. */
    promptBound(request: ModelRequest): number {
        return this.tokenizer.countChat(messagesOf(request));
    }

    /**
     * Runs one completion; `completion` counts each token chosen except the mark that ends an answer, tokens of a
     * stop string included, and is the sum of the deltas' `tokens`. `cached` is always 0: no state outlives a request,
     * because a shared cache would show a client what another one sent.
     *
     * @throws {BackendError} 400 if the prompt leaves no room for an answer, 404 for another model, 503 after close
     */
    async *stream(request: ModelRequest, signal: AbortSignal): AsyncGenerator<BackendEvent> {
        const { temperature, topP, seed, stop } = settingsOf(request);
        this.check(request, temperature, topP);
        const count = this.promptBound(request);
        if (count >= this.context) {
            throw new BackendError(
                `the prompt has ${count} tokens, ${EMBEDDED_MODEL} takes at most ${this.context - 1}: send less`,
                400,
                { reason: Reason.ContextExceeded },
            );
        }
        const prompt = this.tokenizer.encodeChat(messagesOf(request));
        const maxTokens = Math.min(request.maxTokens, this.context - prompt.length);
        const inference = new Inference(this.model, prompt.length + maxTokens);
        for (const [i, token] of prompt.entries()) {
            if (i % PROMPT_SLICE === 0) await setImmediate();
            if (this.isOver(signal)) return;
            inference.feed(token);
        }
        yield { type: 'prompt', prompt: prompt.length, cached: 0 };

        const sampler = new Sampler(temperature, topP, seed);
        const text = new AnswerText(stop);
        let finish: FinishReason = 'length';
        let completion = 0;
        let unsent = 0; // tokens whose text is not sent yet
        while (completion < maxTokens) {
            await setImmediate();
            if (this.isOver(signal)) return;
            const token = sampler.pick(inference.logits());
            // Only the end mark is ever trained here; another mark, drawn at a high temperature, ends the answer too.
            if (this.tokenizer.isSpecial(token)) {
                finish = 'stop';
                break;
            }
            completion++;
            unsent++;
            const content = text.push(this.tokenizer.bytes(token));
            if (content !== '') {
                yield { type: 'delta', content, tokens: unsent };
                unsent = 0;
            }
            if (text.stopped) {
                finish = 'stop';
                break;
            }
            if (completion < maxTokens) inference.feed(token);
        }
        if (this.isOver(signal)) return;
        const rest = text.end();
        if (unsent > 0 || rest !== '') {
            yield { type: 'delta', ...(rest !== '' && { content: rest }), tokens: unsent };
        }
        yield { type: 'end', finish, usage: { prompt: prompt.length, cached: 0, completion, reasoning: 0 } };
    }

    /** Ends running streams with an error at their next token. */
    async close(): Promise<void> {
        this.closed = true;
    }

    private check(request: ModelRequest, temperature: number, topP: number): void {
        const { body, maxTokens } = request;
        if (body.model !== EMBEDDED_MODEL) throw new BackendError(`this backend serves only ${EMBEDDED_MODEL}`, 404);
        if (request.endpoint !== 'chat') throw new BackendError('this backend serves chat completions only', 400);
        if (messagesOf(request).length === 0) throw new BackendError('messages must not be empty', 400);
        if (!Number.isInteger(maxTokens) || maxTokens < 1) throw new BackendError('maxTokens must be at least 1', 400);
        if (!(temperature >= 0 && temperature <= 2)) throw new BackendError('temperature must be from 0 to 2', 400);
        if (!(topP >= 0 && topP <= 1)) throw new BackendError('topP must be from 0 to 1', 400);
    }

    private isOver(signal: AbortSignal): boolean {
        if (this.closed) throw new BackendError('the backend is closed', 503);
        return signal.aborted;
    }
}

// Another endpoint is refused before its request runs.
function messagesOf(request: ModelRequest): ChatMessage[] {
    return request.endpoint === 'chat' ? request.body.messages : [];
}

function settingsOf({ body }: ModelRequest) {
    const {
        temperature,
        top_p: topP,
        seed,
        stop,
    } = body as Partial<Extract<ModelRequest, { endpoint: 'chat' }>['body']>;
    return {
        temperature: temperature ?? 1,
        topP: topP ?? 1,
        seed: seed ?? undefined,
        stop: typeof stop === 'string' ? [stop] : (stop ?? []),
    };
}
