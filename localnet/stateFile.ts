/**
 * A network's state in files, so that it survives a restart and a kill: a snapshot, and beside it a journal with what
 * happened since. A chain of messages is in the journal before its sender gets an answer.
 */
import { closeSync, openSync, readFileSync, renameSync, writeFileSync, writeSync } from 'node:fs';
import { type LedgerState, type LocalLedger } from './ledger';

const SAVE_AFTER = 500; // milliseconds until what was sent on the sandbox directly is written

interface Saved {
    savedAt: number; // unix seconds of the machine
    state: LedgerState;
}

/** A line of the journal. Its state has only what changed. */
interface Change extends Saved {
    from: number; // transactions before it; with 0 the state is whole
}

/** Loads `file` into the ledger if it exists, then keeps it up to date. The result writes it a last time. */
export async function keepState(file: string, ledger: LocalLedger): Promise<() => Promise<void>> {
    const saved = read(file);
    if (saved !== undefined) {
        // With a wall clock, time passes while the network is down.
        const secondsOff = ledger.clock.mode === 'wall' ? Math.max(0, now() - saved.savedAt) : 0;
        await ledger.restore(saved.state, saved.state.time + secondsOff);
    }
    const writeAll = async () => {
        const saving: Saved = { savedAt: now(), state: await ledger.save() };
        // Renamed into place, so that a crash leaves the old file or the new one.
        writeFileSync(`${file}.new`, JSON.stringify(saving));
        renameSync(`${file}.new`, file);
        // A crash before this leaves lines that the snapshot has already: their transactions are not counted twice.
        writeFileSync(journalOf(file), '');
    };
    await writeAll();
    const journal = openSync(journalOf(file), 'a');
    const stop = ledger.onChange((state, from) => {
        writeSync(journal, `${JSON.stringify({ savedAt: now(), from, state } satisfies Change)}\n`);
    });
    let timer: NodeJS.Timeout | undefined;
    const stopListening = ledger.onTransaction(() => {
        timer ??= setTimeout(() => {
            timer = undefined;
            void ledger.flush();
        }, SAVE_AFTER);
    });
    return async () => {
        stop();
        stopListening();
        clearTimeout(timer);
        closeSync(journal);
        await writeAll();
    };
}

const journalOf = (file: string) => `${file}.log`;

function read(file: string): Saved | undefined {
    const text = textOf(file);
    if (text === undefined) {
        return undefined;
    }
    let saved: Saved;
    try {
        saved = JSON.parse(text) as Saved;
        if (!Array.isArray(saved.state.accounts)) {
            throw new TypeError('accounts is no array');
        }
    } catch {
        throw new Error(`${file} does not hold the state of a local network: name another file, or remove it`);
    }
    return (textOf(journalOf(file)) ?? '').split('\n').reduce(withChange, saved);
}

function textOf(file: string): string | undefined {
    try {
        return readFileSync(file, 'utf8');
    } catch (error) {
        if ((error as NodeJS.ErrnoException).code === 'ENOENT') {
            return undefined;
        }
        throw error;
    }
}

/** The state after a line of the journal. A line that a kill cut off was not answered to anybody. */
function withChange(saved: Saved, line: string): Saved {
    let change: Change;
    try {
        change = JSON.parse(line) as Change;
    } catch {
        return saved;
    }
    const { savedAt, from, state } = change;
    const { transactions } = saved.state;
    if (from === 0) {
        return { savedAt, state };
    }
    if (from < transactions.length) {
        return saved;
    }
    const accounts = new Map([...saved.state.accounts, ...state.accounts]);
    return {
        savedAt,
        state: { ...state, accounts: [...accounts], transactions: [...transactions, ...state.transactions] },
    };
}

function now(): number {
    return Math.floor(Date.now() / 1000);
}
