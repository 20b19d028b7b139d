/** A person at a terminal, as commands ask one. */
import readline from 'node:readline/promises';
import { Questions } from '../../../offchain/cli/question';

const wasTerminal = process.stdin.isTTY;

/** What was said to the person instead of a question, such as what is wrong with an answer. */
export const heard: string[] = [];

/** A person who gives these answers, one after the other. {@link leaveTerminal} ends it. */
export function answering(...answers: string[]): Questions {
    process.stdin.isTTY = true;
    heard.length = 0;
    jest.spyOn(console, 'error').mockImplementation((text: string) => void heard.push(text));
    jest.spyOn(readline, 'createInterface').mockImplementation(
        () => ({ question: () => Promise.resolve(answers.shift()), close: () => undefined }) as never,
    );
    return new Questions(false);
}

/** Nobody is at the terminal any more. */
export function leaveTerminal(): void {
    process.stdin.isTTY = wasTerminal;
    jest.restoreAllMocks();
}
