/** Apps that ask a gateway: a few at once, each with pauses, and some that go away in the midst of an answer. */
import { setTimeout as sleep } from 'node:timers/promises';
import { request } from 'undici';
import { MODEL } from './backend';
import type { Random } from './plan';

const MAX_PAUSE_MS = 1500;
const MAX_WORDS = 60; // of an answer
const STREAMED = 0.7; // of requests
const LEFT = 0.05; // of streamed requests: the app goes away
const TIMEOUT_MS = 60_000;

export interface LoadReport {
    answered: number;
    left: number; // by the app
    cost: bigint; // nanoTON that the answers stated
    refused: Record<string, number>; // by code
}

/** One whole answer. */
export interface Answered {
    askedAt: number; // milliseconds of performance.now()
    gateway: string; // URL
    receipt: string; // its name: job and query
    cost: bigint; // nanoTON that it stated
}

export interface LoadOptions {
    urls: readonly string[]; // of gateways: an app that gets no answer from one goes to the next
    apps: number;
    timeoutMs?: number; // of an app; 60 s unless given
    onAnswer?: (answer: Answered) => void;
}

export class Load {
    readonly report: LoadReport = { answered: 0, left: 0, cost: 0n, refused: {} };
    private isRunning = true;
    private readonly apps: Promise<void>[];

    constructor(
        private readonly random: Random,
        private readonly options: LoadOptions,
    ) {
        this.apps = Array.from({ length: options.apps }, (_, app) => this.run(app));
    }

    /** Asks no more, and resolves when all answers have ended. */
    async stop(): Promise<void> {
        this.isRunning = false;
        await Promise.all(this.apps);
    }

    private async run(app: number): Promise<void> {
        const { urls } = this.options;
        for (let gateway = app; this.isRunning;) {
            try {
                await this.ask(urls[gateway % urls.length]);
            } catch (error) {
                const { code, name } = error as { code?: string; name: string };
                this.refuse(code ?? name);
                gateway++;
            }
            await sleep(this.random() * MAX_PAUSE_MS);
        }
    }

    private async ask(gateway: string): Promise<void> {
        const { timeoutMs = TIMEOUT_MS, onAnswer } = this.options;
        const askedAt = performance.now();
        const stream = this.random() < STREAMED;
        const isLeaving = stream && this.random() < LEFT;
        const words = 1 + Math.floor(this.random() * MAX_WORDS);
        const prompt = Array.from({ length: 1 + Math.floor(this.random() * 40) }, (_, i) => `word${i}`).join(' ');
        const { statusCode, body } = await request(`${gateway}/v1/chat/completions`, {
            method: 'POST',
            headers: { 'content-type': 'application/json' },
            headersTimeout: timeoutMs,
            bodyTimeout: timeoutMs,
            body: JSON.stringify({
                model: MODEL,
                messages: [{ role: 'user', content: prompt }],
                max_tokens: words,
                ...(stream && { stream, stream_options: { include_usage: true } }),
            }),
        });
        let text = '';
        for await (const bytes of body) {
            text += String(bytes);
            if (isLeaving && text.length > 200) {
                this.report.left++;
                return; // leaving the loop closes the connection
            }
        }
        const cost = /"cost_nanoton":"(\d+)"/.exec(text)?.[1];
        const receipt = /"receipt":"(\d+-\d+)"/.exec(text)?.[1];
        if (statusCode === 200 && cost !== undefined && receipt !== undefined) {
            this.report.answered++;
            this.report.cost += BigInt(cost);
            onAnswer?.({ askedAt, gateway, receipt, cost: BigInt(cost) });
            return;
        }
        this.refuse(/"code":"(\w+)"/.exec(text)?.[1] ?? `HTTP ${statusCode}`);
    }

    private refuse(code: string): void {
        this.report.refused[code] = (this.report.refused[code] ?? 0) + 1;
    }
}
