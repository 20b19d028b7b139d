/** How fast a model answers, by the queries that it has answered since the start. */
import type { BackendEvent } from '../backend';

const WEIGHT = 0.2; // of a new answer
const WINDOW_SECONDS = 60;

/** Figures of the answers of one model; undefined before the first. */
export interface Speed {
    firstTokenSeconds: number | undefined; // from the request to the first text
    tokensPerSecond: number | undefined; // of one answer, after its first text
    throughput: number; // tokens a second of all answers together, over the last minute
}

export class Speeds {
    private firstTokenSeconds: number | undefined;
    private tokensPerSecond: number | undefined;
    private readonly recent: number[] = Array<number>(WINDOW_SECONDS).fill(0); // tokens of each second
    private last = 0; // the second that was written last

    get current(): Speed {
        this.clear();
        const throughput = this.recent.reduce((sum, tokens) => sum + tokens, 0) / WINDOW_SECONDS;
        const { firstTokenSeconds, tokensPerSecond } = this;
        return { firstTokenSeconds, tokensPerSecond, throughput };
    }

    /** Measures one answer as its events pass. */
    async *measure(events: AsyncIterable<BackendEvent>): AsyncGenerator<BackendEvent> {
        const start = performance.now();
        let first: number | undefined;
        let tokens = 0;
        for await (const event of events) {
            if (event.type === 'delta') {
                if (first === undefined) {
                    first = performance.now();
                    this.firstTokenSeconds = mean(this.firstTokenSeconds, (first - start) / 1000);
                }
                tokens += event.tokens ?? 0;
                this.add(event.tokens ?? 0);
            } else if (event.type === 'end') {
                const { completion = 0, reasoning = 0 } = event.usage ?? {};
                this.add(tokens === 0 ? completion + reasoning : 0); // of a server that counts at the end only
                tokens = tokens === 0 ? completion + reasoning : tokens;
                const seconds = first === undefined ? 0 : (performance.now() - first) / 1000;
                if (tokens > 1 && seconds > 0) {
                    this.tokensPerSecond = mean(this.tokensPerSecond, (tokens - 1) / seconds);
                }
            }
            yield event;
        }
    }

    private add(tokens: number): void {
        this.clear();
        this.recent[this.last % WINDOW_SECONDS] += tokens;
    }

    /** Empties the seconds that have passed since the last call. */
    private clear(): void {
        const now = Math.floor(performance.now() / 1000);
        for (let second = Math.max(this.last + 1, now - WINDOW_SECONDS + 1); second <= now; second++) {
            this.recent[second % WINDOW_SECONDS] = 0;
        }
        this.last = now;
    }
}

const mean = (old: number | undefined, value: number): number =>
    old === undefined ? value : old + (value - old) * WEIGHT;
