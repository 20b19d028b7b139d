/**
 * Token counts as OpenAI-compatible servers report them. They agree on the names and not on what a name contains: some leave
 * reasoning or cached tokens out of the details, some out of the totals, some report 0 for a prompt that they had cached.
 */

import type { Usage } from './backend';

/** The object `usage` of a server; anything may be missing, null or of another type. */
export interface WireUsage {
    prompt_tokens?: unknown;
    completion_tokens?: unknown;
    total_tokens?: unknown;
    cached_tokens?: unknown;
    reasoning_tokens?: unknown; // SGLang
    prompt_tokens_details?: { cached_tokens?: unknown } | null;
    completion_tokens_details?: { reasoning_tokens?: unknown } | null;
}

/**
 * The counts that a server's report says, never more in sum than it says. A prompt of 0 tokens is none that was counted. Undefined
 * when neither prompt nor answer is counted.
 */
export function toUsage(wire: WireUsage): Usage | undefined {
    const total = count(wire.total_tokens);
    const cached = count(wire.prompt_tokens_details?.cached_tokens ?? wire.cached_tokens);
    const reasoning = count(wire.completion_tokens_details?.reasoning_tokens ?? wire.reasoning_tokens);
    let prompt = count(wire.prompt_tokens) || undefined;
    let answer = count(wire.completion_tokens);
    if (prompt === undefined && answer === undefined) {
        return undefined;
    }
    prompt ??= difference(total, answer) || undefined;
    answer ??= difference(total, prompt);
    if (prompt === undefined && !answer) {
        return undefined;
    }
    const sum = (prompt ?? 0) + (answer ?? 0);
    // Parts that are left out of their whole show in the total alone.
    if (total !== undefined && total > sum && prompt !== undefined && answer !== undefined) {
        const extra = total - sum;
        if (extra === reasoning || extra === (reasoning ?? 0) + (cached ?? 0)) {
            answer += reasoning ?? 0;
        }
        if (extra === cached || extra === (reasoning ?? 0) + (cached ?? 0)) {
            prompt += cached ?? 0;
        }
    } else if (total !== undefined && prompt !== undefined && answer !== undefined && total > prompt) {
        answer = Math.min(answer, total - prompt);
    }
    const ofPrompt = Math.min(cached ?? 0, prompt ?? 0);
    const ofAnswer = reasoning === undefined ? undefined : Math.min(reasoning, answer ?? 0);
    return {
        ...(prompt !== undefined && { prompt: prompt - ofPrompt, cached: ofPrompt }),
        ...(answer !== undefined && { completion: answer - (ofAnswer ?? 0) }),
        ...(answer !== undefined && ofAnswer !== undefined && { reasoning: ofAnswer }),
    };
}

function difference(whole: number | undefined, part: number | undefined): number | undefined {
    return whole !== undefined && part !== undefined && whole >= part ? whole - part : undefined;
}

function count(value: unknown): number | undefined {
    return Number.isSafeInteger(value) && (value as number) >= 0 ? (value as number) : undefined;
}
