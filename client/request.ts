/** Questions as a program asks them, and what they need of a node. */
import { modelRequest, type ModelRequest, neededFeatures, requestLimits, unknownField } from '../offchain/link';
import { ClientError } from './errors';
import type { Message, ChatQuestion } from './types';

const refuse = (message: string, remedy: string) => new ClientError('bad_request', message, remedy);

/** The request of a question. @throws {ClientError} `bad_request`, before anything is sent; names no text of it */
export function requestOf(
    model: string,
    { messages, maxTokens, maxPrice: _, signal: __, ...fields }: ChatQuestion,
): ModelRequest {
    const choices = typeof fields.n === 'number' ? fields.n : 1;
    const body = { ...fields, model, messages: messages.map(withSystemRole) };
    const request = { endpoint: 'chat', maxTokens: maxTokens * choices, body };
    const parsed = modelRequest.safeParse(request);
    if (!parsed.success) {
        const [issue] = parsed.error.issues;
        const at = issue.path.join('.').replace(/^body\./, '');
        throw refuse(
            `The question is none that a node answers: ${at}: ${issue.message}`,
            `Change it; \`maxTokens\` is at least 0 and at most ${requestLimits.tokens}.`,
        );
    }
    const unknown = unknownField(parsed.data, []);
    if (unknown !== undefined) {
        throw refuse(`The question has a field that no node knows: ${unknown.slice(0, 100)}`, 'Leave it out.');
    }
    return parsed.data;
}

// Templates of open models know no developer.
const withSystemRole = (message: Message): Message =>
    message.role === 'developer' ? { ...message, role: 'system' } : message;

/** @throws {ClientError} `bad_request` if the node does not list what a request needs */
export function requireFeatures(request: ModelRequest, features: readonly string[]): void {
    const missing = neededFeatures(request).find(({ feature }) => !features.includes(feature));
    if (missing !== undefined) {
        throw refuse(
            `The node does not list "${missing.feature}", which "${missing.field}" needs`,
            'Leave the field out, or open a job at another node.',
        );
    }
}
