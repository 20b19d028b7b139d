/** One question through the `openai` package. */
import OpenAI from 'openai';
import { MODEL } from './setup';

export interface Reply {
    answer: string;
    tokens: number;
    cost: bigint; // nanoTON
}

/** Sends one prompt and calls `write` with the answer as it streams. Throws when no complete answer came. */
export async function ask(client: OpenAI, prompt: string, write: (text: string) => void): Promise<Reply> {
    const stream = await client.chat.completions.create({
        model: MODEL,
        messages: [{ role: 'user', content: prompt }],
        max_tokens: 120,
        temperature: 0,
        stream: true,
        stream_options: { include_usage: true },
    });
    let answer = '';
    let usage: (OpenAI.CompletionUsage & { cost_nanoton?: string }) | undefined;
    for await (const chunk of stream) {
        const text = chunk.choices[0]?.delta.content ?? '';
        answer += text;
        write(text);
        usage = chunk.usage ?? usage;
    }
    if (usage?.cost_nanoton === undefined || answer.trim() === '') {
        throw new Error(`No complete answer came to "${prompt}"`);
    }
    return { answer, tokens: usage.total_tokens, cost: BigInt(usage.cost_nanoton) };
}
