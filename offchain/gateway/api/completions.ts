/** Answers as OpenAI's plain completions. */
import { Result } from '@cocoon-market/wrappers';
import { AnswerPiece, WholeAnswer } from '../../link';
import { GatewayError } from '../errors';
import { AnswerFormat, AnswerHead, Ending, FinishWord, sse, usageOf, wordOf } from './format';

export class CompletionFormat implements AnswerFormat {
    private readonly words = new Map<number, Record<string, unknown>>();

    constructor(
        private readonly head: AnswerHead,
        private readonly options: { includeUsage: boolean; choices: number },
    ) {}

    begin(): string {
        return '';
    }

    piece({ choice, delta, note }: AnswerPiece): string {
        const { finish_reason: word, logprobs = null, ...extra } = note;
        if (typeof word === 'string') {
            this.words.set(choice, { finish_reason: word });
        }
        const text = delta.content ?? '';
        return text === '' && logprobs === null && Object.keys(extra).length === 0
            ? ''
            : this.chunk([{ ...extra, index: choice, text, logprobs, finish_reason: null }]);
    }

    end(finish: FinishWord, result: Result): string {
        const last = Array.from({ length: this.options.choices }, (_, index) =>
            this.chunk([
                { index, text: '', logprobs: null, finish_reason: wordOf(this.words.get(index) ?? {}, finish) },
            ]),
        );
        return last.join('') + (this.options.includeUsage ? this.chunk([], usageOf(result)) : '') + sse('[DONE]');
    }

    error(error: GatewayError): string {
        return sse(error.toBody());
    }

    whole(answer: WholeAnswer, { finish, result, error }: Ending): object {
        return {
            ...this.head,
            object: 'text_completion',
            choices: answer.choices.map(({ index, message, note }) => {
                const { finish_reason: _, logprobs = null, ...extra } = note;
                return {
                    ...extra,
                    index,
                    text: message.content ?? '',
                    logprobs,
                    finish_reason: wordOf(note, finish),
                };
            }),
            ...(result && { usage: usageOf(result) }),
            ...error?.toBody(),
        };
    }

    private chunk(choices: object[], usage?: object): string {
        return sse({ ...this.head, object: 'text_completion', choices, ...(usage && { usage }) });
    }
}
