/** Questions to the person at the terminal. Each has a flag that answers it, so that nobody has to be there. */
import { createInterface } from 'node:readline/promises';
import { Remedied } from '../process/errors';

interface Question<T> {
    flag: string; // that answers it, with what it takes
    fallback?: string; // the answer of whoever only presses Enter, or says --yes
    read(answer: string): T | Promise<T>; // throws an Error that says what is wrong with the answer
}

const MAX_TRIES = 5;

export class Questions {
    /** `yes`: nobody is asked. */
    constructor(private readonly yes: boolean) {}

    /** False if nobody is there: then a flag or a fallback answers. */
    get canAsk(): boolean {
        return !this.yes && process.stdin.isTTY;
    }

    /**
     * The value of a flag, or else an answer.
     * @throws {Remedied} if the flag is wrong, or nobody can be asked and there is no fallback
     */
    async value<T>(flagText: string | undefined, text: string, { flag, fallback, read }: Question<T>): Promise<T> {
        if (flagText !== undefined || !this.canAsk) {
            const answer = flagText ?? fallback;
            if (answer === undefined) {
                throw new Remedied(`Missing: ${flag}. ${text}`);
            }
            try {
                return await read(answer);
            } catch (error) {
                throw new Remedied(`${flag}: ${(error as Error).message}`, { cause: error });
            }
        }
        for (let tries = 1; ; tries++) {
            const answer = await line(`${text}${fallback === undefined ? '' : ` [${fallback}]`}: `);
            try {
                return await read(answer === '' && fallback !== undefined ? fallback : answer);
            } catch (error) {
                console.error((error as Error).message);
                if (tries === MAX_TRIES) {
                    throw new Remedied(
                        `${MAX_TRIES} answers were wrong. Run the command again, and answer with ${flag}`,
                        {
                            cause: error,
                        },
                    );
                }
            }
        }
    }

    /** Throws unless the person agrees. */
    async agree(text: string): Promise<void> {
        if (this.yes) {
            return;
        }
        if (!this.canAsk) {
            throw new Remedied(`${text} Nobody is here to ask: give --yes`);
        }
        if (!/^y(es)?$/i.test(await line(`${text} [y/N] `))) {
            throw new Remedied('Nothing was sent');
        }
    }
}

async function line(text: string): Promise<string> {
    const terminal = createInterface({ input: process.stdin, output: process.stderr });
    try {
        return (await terminal.question(text)).trim();
    } finally {
        terminal.close();
    }
}
