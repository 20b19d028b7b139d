/** What every kind of answer has in common: its head, why it ended, what it used, and server-sent events. */
import { Finish, Result } from '@cocoon-market/wrappers';
import { AnswerPiece, WholeAnswer } from '../../link';
import { GatewayError } from '../errors';
import type { BilledResult } from '../router';

/** What every piece of one answer carries. */
export interface AnswerHead {
    id: string;
    created: number; // unix seconds
    model: string;
}

/** How an answer ended. `result` is missing if the node has not yet signed one. */
export interface Ending {
    finish: FinishWord;
    result?: Result;
    error?: GatewayError; // of an answer that was cut short
}

/** Writes one answer in the shape of one endpoint. Methods for streams return the text of whole events. */
export interface AnswerFormat {
    begin(): string;
    piece(piece: AnswerPiece): string;
    end(finish: FinishWord, result: Result): string;
    error(error: GatewayError): string;
    /** The body of an answer that is not streamed. */
    whole(answer: WholeAnswer, ending: Ending): object;
}

/** Why an answer ended: a word of the model server, or `error` for an answer that was cut short. */
export type FinishWord = string;

/** The error of an answer that was cut short. */
export function cutError(): GatewayError {
    return new GatewayError(502, 'answer_cut', 'The node cut the answer short; what arrived of it was paid', {
        billed: true,
    });
}

/** Why an answer ended, by its receipt. */
export function finishOf({ finish }: Result): FinishWord {
    switch (finish) {
        case Number(Finish.Stop):
            return 'stop';
        case Number(Finish.Length):
            return 'length';
        case Number(Finish.ContentFilter):
            return 'content_filter';
        default:
            return 'error';
    }
}

/** The word of one choice: the server's own in its note, unless the answer was cut or reached its limit before that. */
export function wordOf(note: Record<string, unknown>, finish: FinishWord): FinishWord {
    return finish !== 'error' && typeof note.finish_reason === 'string' ? note.finish_reason : finish;
}

/** Usage in OpenAI's shape, with what the query cost in nanoTON, and who answered it. */
export function usageOf({ prompt, cached, completion, reasoning, price, bill }: BilledResult) {
    return {
        prompt_tokens: prompt + cached,
        completion_tokens: completion + reasoning,
        total_tokens: prompt + cached + completion + reasoning,
        prompt_tokens_details: { cached_tokens: cached },
        completion_tokens_details: { reasoning_tokens: reasoning },
        cost_nanoton: price.toString(),
        ...bill,
    };
}

/** A line that every reader of server-sent events passes over; it shows that the connection lives. */
export const comment = (text: string): string => `: ${text}\n\n`;

/** One server-sent event. */
export function sse(data: unknown, event?: string): string {
    const text = typeof data === 'string' ? data : JSON.stringify(data);
    return `${event === undefined ? '' : `event: ${event}\n`}data: ${text}\n\n`;
}
