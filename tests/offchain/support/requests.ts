/** Requests as the gateway seals them. */
import type { ModelRequest } from '../../../offchain/link';

type ChatBody = Extract<ModelRequest, { endpoint: 'chat' }>['body'];

/** A chat; fields besides `maxTokens` are those of its body. */
export function chatRequest({ maxTokens = 256, ...body }: ChatBody & { maxTokens?: number }): ModelRequest {
    return { endpoint: 'chat', maxTokens, body };
}
