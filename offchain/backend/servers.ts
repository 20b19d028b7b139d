/**
 * Which model servers count tokens as they stream, and how they are asked to. Nothing is asked of a server that is not
 * recognized, because some refuse fields that they do not know.
 */
import { z } from 'zod';
import { listOf } from '../link';
import type { WireUsage } from './usage';

/** Servers whose ways are known; `other` is asked for nothing. */
export const serverKinds = ['vllm', 'sglang', 'llamacpp', 'ollama', 'other'] as const;
export type ServerKind = (typeof serverKinds)[number];

const owners: Partial<Record<string, ServerKind>> = {
    vllm: 'vllm',
    sglang: 'sglang',
    llamacpp: 'llamacpp',
    library: 'ollama',
};

export const MAX_LIST = 4 * 1024 * 1024; // bytes of a list of models

const MAX_MODELS = 10_000; // of one server

/** A server's list of models, as far as it is read here. */
export const modelList = z.object({
    data: listOf(z.object({ id: z.string(), owned_by: z.unknown().optional() }), MAX_MODELS),
});

/** The server that a list of models comes from, by what it names as the models' owner. */
export function serverOf(models: readonly { owned_by?: unknown }[]): ServerKind {
    const [owner] = models.map(({ owned_by: name }) => name);
    return typeof owner === 'string' && Object.hasOwn(owners, owner) ? owners[owner]! : 'other';
}

/** Fields of a request that make the server count tokens with each event. */
export function countingFields(server: ServerKind): object {
    switch (server) {
        case 'vllm':
        case 'sglang':
            return { stream_options: { include_usage: true, continuous_usage_stats: true } };
        case 'llamacpp':
            return { stream_options: { include_usage: true }, timings_per_token: true };
        default:
            return { stream_options: { include_usage: true } };
    }
}

/** Counts of llama.cpp. */
export interface WireTimings {
    cache_n?: unknown; // tokens of the prompt that were cached
    prompt_n?: unknown; // the others
    predicted_n?: unknown; // of the answer so far
}

/** What an event says of counts. */
interface CountedEvent {
    choices?: { index?: unknown }[] | null;
    usage?: WireUsage | null;
    timings?: WireTimings | null;
}

const isCount = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0;

/** Tells how many tokens each event adds, from sums that grow. */
export class GrowingCounts {
    private readonly sums = new Map<number, number>(); // by choice, of the events that were counted
    private readonly made = new Map<number, number>(); // by choice, of all events

    constructor(private readonly server: ServerKind) {}

    /** True if the report of this event may cover the whole answer, not one choice only. */
    isWhole({ choices }: CountedEvent): boolean {
        return !this.asks || this.sums.size < 2 || (choices ?? []).length === 0;
    }

    private get asks(): boolean {
        return this.server === 'vllm' || this.server === 'sglang';
    }

    /** Tokens that are made and were not counted with any event, of all choices. */
    get pending(): number {
        return [...this.made].reduce((sum, [index, made]) => sum + made - (this.sums.get(index) ?? 0), 0);
    }

    /** Notes what the event says is made, whether or not it is counted. */
    note(event: CountedEvent): void {
        const report = this.read(event);
        if (report !== undefined) {
            this.made.set(report.index, Math.max(this.made.get(report.index) ?? 0, report.sum));
        }
    }

    /** Tokens since the last event of this choice that was counted; undefined if the event does not say. */
    since(event: CountedEvent): number | undefined {
        const report = this.read(event);
        if (report === undefined) {
            return undefined;
        }
        const last = this.sums.get(report.index) ?? 0;
        this.sums.set(report.index, Math.max(last, report.sum));
        return Math.max(0, report.sum - last);
    }

    /** The choice of the event, and the sum of its tokens. */
    private read({ choices, usage, timings }: CountedEvent): { index: number; sum: number } | undefined {
        const sum =
            this.server === 'llamacpp' ? timings?.predicted_n : this.asks ? usage?.completion_tokens : undefined;
        return isCount(sum) && choices?.length === 1 ? { index: (choices[0].index ?? 0) as number, sum } : undefined;
    }
}

/** The count of a prompt by llama.cpp's timings; undefined if they do not say. */
export function promptOf({ prompt_n: read, cache_n: cached = 0 }: WireTimings) {
    return isCount(read) && isCount(cached) && read + cached > 0 ? { prompt: read, cached } : undefined;
}

/** A report as llama.cpp gives it: its timings say what the usage of older versions leaves out. */
export function withTimings(usage: WireUsage | null | undefined, timings: WireTimings): WireUsage {
    const prompt = promptOf(timings);
    return {
        ...(prompt && {
            prompt_tokens: prompt.prompt + prompt.cached,
            prompt_tokens_details: { cached_tokens: prompt.cached },
        }),
        ...(isCount(timings.predicted_n) && { completion_tokens: timings.predicted_n }),
        ...(typeof usage === 'object' && usage), // each character of a text would become a field
        ...(usage &&
            !usage.prompt_tokens_details &&
            prompt && { prompt_tokens_details: { cached_tokens: prompt.cached } }),
    };
}
