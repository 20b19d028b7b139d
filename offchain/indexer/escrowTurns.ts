/** Which accounts one reading asks for again although nothing was ever listed of them. */
import type { Log } from './logRows';

/**
 * Escrows without a transaction: anyone may announce demand from any number of accounts, and each would cost a call in
 * every reading. All are asked for once, and then so many in each reading, in turns.
 */
export class EscrowTurns {
    private readonly unused = new Set<string>(); // logs, first those that were asked for first
    private waiting = new Set<string>();

    constructor(private readonly max: number) {}

    /** Begins a reading. */
    begin(): void {
        this.waiting = new Set([...this.unused].slice(this.max));
    }

    /** True of an account whose turn is in a later reading. */
    isWaiting({ log }: Log): boolean {
        return this.waiting.has(log);
    }

    /** Notes an account as it was read. */
    note({ log, role, done, walk, busy }: Log): void {
        this.unused.delete(log);
        if (role === 'escrow' && done === undefined && walk === undefined && !busy) {
            this.unused.add(log);
        }
    }

    /** Forgets an account that is followed no more. */
    forget(log: string): void {
        this.unused.delete(log);
    }
}
