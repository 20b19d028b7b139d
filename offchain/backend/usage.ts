/**
 * Reads the token counts of OpenAI-compatible servers. The servers use the same names with different meanings: some
 * leave reasoning or cached tokens out of the details, some out of the totals, some report 0 for a cached prompt.
 */

import type { Usage } from './backend';

/** The object `usage` of a server. Every field may be missing, null or of another type. */
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
 * The counts of a server's report; their sum is never above the report's. A prompt of 0 tokens counts as not reported.
 * Undefined when neither prompt nor answer is reported.
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
    // Tokens that are left out of prompt and answer appear in the total only.
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
