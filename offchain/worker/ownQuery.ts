/**
 * The worker's own query to a model server. Clients may send what makes a server fail that works, so their failures
 * alone must not take it from others.
 */
import { type Backend } from '../backend';
import type { Feature, ModelRequest } from '../link';
import { isOfServer } from './failures';

const OWN_MS = 30_000; // for an answer

/** How such a query failed; undefined if the server answers, refuses it, or has too much to do. */
export async function failureOf(
    backend: Backend,
    model: string, // its name there
    features: readonly Feature[] = backend.features, // of its offer
): Promise<unknown> {
    const signal = AbortSignal.timeout(OWN_MS);
    try {
        for await (const { type } of backend.stream(requestFor(model, features), signal)) {
            if (type === 'end') {
                break;
            }
        }
        return undefined;
    } catch (error) {
        // Silence says nothing: all that it can do at once may be in use.
        return !signal.aborted && isOfServer(error) ? error : undefined;
    }
}

function requestFor(model: string, features: readonly Feature[]): ModelRequest {
    return features.includes('embeddings')
        ? { endpoint: 'embedding', maxTokens: 0, body: { model, input: 'Hi' } }
        : { endpoint: 'chat', maxTokens: 1, body: { model, messages: [{ role: 'user', content: 'Hi' }] } };
}
