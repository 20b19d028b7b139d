import type { Reason } from '@cocoon-market/wrappers';
import { type ChatMessage, type Feature, type ModelRequest, textOf } from '../../../offchain/link';
import { type Backend, BackendError, type BackendEvent } from '../../../offchain/backend';

/** What a scripted backend does next: an event, a pause until `go`, or a failure. */
export type Step = BackendEvent | { type: 'pause' } | { type: 'fail'; status?: number; reason?: Reason };

export const ECHO = 'echo';

/** A prompt count, a delta for each word of the last message, an end. */
export function echo(request: ModelRequest): Step[] {
    const { messages } = request.body as { messages: ChatMessage[] };
    const words = textOf(messages[messages.length - 1].content).split(/(?<= )/);
    const prompt = words.length;
    return [
        { type: 'prompt', prompt, cached: 0 },
        ...words.map((content): Step => ({ type: 'delta', content, tokens: 1 })),
        { type: 'end', finish: 'stop', usage: { prompt, cached: 0, completion: words.length, reasoning: 0 } },
    ];
}

/** Answers as its script says; by default it repeats the last message word by word. */
export class ScriptedBackend implements Backend {
    readonly name = 'scripted';
    features: Feature[] = [];
    script: (request: ModelRequest) => Step[] = echo;
    bound = 100; // prompt tokens
    countsAtEnd = false;
    listed: string[] | Error = [ECHO]; // its models, or why it does not list them
    readonly requests: ModelRequest[] = [];
    aborted = 0; // streams that were broken off
    private resume: (() => void)[] = [];
    private paused: (() => void)[] = [];

    async models(): Promise<string[]> {
        if (this.listed instanceof Error) {
            throw this.listed;
        }
        return this.listed;
    }

    promptBound(): number {
        return this.bound;
    }

    /** Resolves when a stream waits at a pause. */
    async atPause(): Promise<void> {
        if (this.resume.length === 0) {
            await new Promise<void>((resolve) => this.paused.push(resolve));
        }
    }

    /** Lets every stream that waits go on. */
    go(): void {
        this.resume.splice(0).forEach((resume) => resume());
    }

    async *stream(request: ModelRequest, signal: AbortSignal): AsyncGenerator<BackendEvent> {
        this.requests.push(request);
        let ended = false;
        try {
            for (const step of this.script(request)) {
                if (signal.aborted) {
                    return;
                }
                if (step.type === 'pause') {
                    await this.pause(signal);
                } else if (step.type === 'fail') {
                    throw new BackendError('scripted failure', step.status, { reason: step.reason });
                } else {
                    yield step;
                }
            }
            ended = true;
        } finally {
            this.aborted += !ended && signal.aborted ? 1 : 0;
        }
    }

    private pause(signal: AbortSignal): Promise<void> {
        return new Promise<void>((resolve) => {
            this.resume.push(resolve);
            signal.addEventListener('abort', () => resolve());
            this.paused.splice(0).forEach((paused) => paused());
        });
    }

    async close(): Promise<void> {
        this.go();
    }
}
