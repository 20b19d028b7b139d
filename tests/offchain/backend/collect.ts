import type { Backend, BackendEvent } from '../../../offchain/backend';
import type { ModelRequest } from '../../../offchain/link';
import { chatRequest } from '../support/requests';

/** A request for one user message at temperature 0; fields may be replaced. */
export function ask(content: string, fields: Partial<Parameters<typeof chatRequest>[0]> = {}): ModelRequest {
    return chatRequest({
        model: 'cocoon-tiny',
        messages: [{ role: 'user', content }],
        temperature: 0,
        ...fields,
    });
}

/** All events of one completion. */
export async function collect(
    backend: Backend,
    request: ModelRequest,
    signal: AbortSignal = new AbortController().signal,
): Promise<BackendEvent[]> {
    const events: BackendEvent[] = [];
    for await (const event of backend.stream(request, signal)) events.push(event);
    return events;
}

/** The text of an answer. */
export function textOf(events: BackendEvent[]): string {
    return events.map((event) => (event.type === 'delta' ? (event.content ?? '') : '')).join('');
}

/** The last event, which must be `end`. */
export function endOf(events: BackendEvent[]): Extract<BackendEvent, { type: 'end' }> {
    const last = events[events.length - 1];
    if (last?.type !== 'end') throw new Error(`expected end, got ${last?.type}`);
    return last;
}

/** Tokens that the deltas say they carry. */
export function tokensOf(events: BackendEvent[]): number {
    return events.reduce((sum, event) => sum + (event.type === 'delta' ? (event.tokens ?? 0) : 0), 0);
}
