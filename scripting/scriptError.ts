/** Why a script stops: one line for what is wrong, one for what to do. */
import { inspect } from 'node:util';
import { forTerminal } from '../offchain/process/terminal';

export class ScriptError extends Error {
    /** `remedy`: what to do about it, as a sentence without a full stop. */
    constructor(
        what: string,
        readonly remedy?: string,
    ) {
        super(remedy === undefined ? what : `${what}\n  → ${remedy}`);
        this.name = 'ScriptError';
    }

    /**
     * Blueprint prints what a script throws and exits with code 1: let it print the sentence, not the stack. Of some
     * sentences an endpoint wrote a part.
     */
    [inspect.custom](): string {
        return forTerminal(`✗ ${this.message}`);
    }
}
