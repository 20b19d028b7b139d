/** Answers as OpenAI's chat completions. */
import { Result } from '@cocoon-market/wrappers';
import { AnswerPiece, WholeAnswer } from '../../link';
import { GatewayError } from '../errors';
import { AnswerFormat, AnswerHead, Ending, FinishWord, sse, usageOf, wordOf } from './format';

type Fields = Record<string, unknown>;

export class ChatFormat implements AnswerFormat {
    private readonly roles = new Set<number>(); // choices whose role was sent
    private readonly words = new Map<number, Fields>(); // the last note of each choice

    constructor(
        private readonly head: AnswerHead,
        private readonly options: { includeUsage: boolean; choices: number },
    ) {}

    begin(): string {
        return this.role(0);
    }

    piece({ choice, delta, note }: AnswerPiece): string {
        const { finish_reason: word, logprobs, ...rest } = note;
        const extra = { ...rest, ...(logprobs != null && { logprobs: logprobsOf(logprobs) }) };
        if (typeof word === 'string') {
            this.words.set(choice, { finish_reason: word });
        }
        const isEmpty = Object.keys(delta).length === 0 && Object.keys(extra).length === 0;
        return (
            this.role(choice) + (isEmpty ? '' : this.chunk([{ ...extra, index: choice, delta, finish_reason: null }]))
        );
    }

    end(finish: FinishWord, result: Result): string {
        const last = Array.from({ length: this.options.choices }, (_, index) => {
            const word = wordOf(this.words.get(index) ?? {}, finish);
            return this.role(index) + this.chunk([{ index, delta: {}, finish_reason: word }]);
        });
        const usage = this.options.includeUsage ? this.chunk([], usageOf(result)) : '';
        return last.join('') + usage + sse('[DONE]');
    }

    error(error: GatewayError): string {
        return sse(error.toBody());
    }

    /**
     * An answer that was cut short has its text, the finish reason `error`, and the error; calls in it are no calls.
     */
    whole(answer: WholeAnswer, { finish, result, error }: Ending): object {
        return {
            ...this.head,
            object: 'chat.completion',
            choices: answer.choices.map(({ index, message, note }) => {
                const { finish_reason: _, logprobs = null, ...extra } = note;
                return {
                    ...extra,
                    index,
                    message: messageOf(finish === 'error' ? withoutCalls(message) : message),
                    logprobs: logprobsOf(logprobs),
                    finish_reason: wordOf(note, finish),
                };
            }),
            ...(result && { usage: usageOf(result) }),
            ...error?.toBody(),
        };
    }

    private role(choice: number): string {
        if (this.roles.has(choice)) {
            return '';
        }
        this.roles.add(choice);
        return this.chunk([{ index: choice, delta: { role: 'assistant', content: '' }, finish_reason: null }]);
    }

    private chunk(choices: object[], usage?: object): string {
        return sse({ ...this.head, object: 'chat.completion.chunk', choices, ...(usage && { usage }) });
    }
}

/**
 * Log probabilities with both of their fields; model servers leave out the one for refusals. What a node sends in their
 * place stays as it is: of a text each character would become a field, and megabytes of it take ten seconds.
 */
const logprobsOf = (logprobs: unknown): unknown =>
    typeof logprobs === 'object' && logprobs !== null && !Array.isArray(logprobs)
        ? { content: null, refusal: null, ...logprobs }
        : (logprobs ?? null);

// A call that was cut must not look like one that the model made.
function withoutCalls(message: Fields): Fields {
    const { tool_calls: _, function_call: __, ...rest } = message;
    return rest;
}

function messageOf(message: Fields): Fields {
    const { content, refusal = null, ...rest } = message;
    const hasOther = Object.keys(rest).some((name) => name !== 'reasoning_content') || refusal !== null;
    return { role: 'assistant', content: content ?? (hasOther ? null : ''), refusal, ...rest };
}
