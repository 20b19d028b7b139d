/** A network's state in a file, so that it survives a restart. */
import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { type LocalLedger, type LedgerState } from './ledger';

const SAVE_AFTER = 500; // milliseconds, so that a burst of transactions is written once

interface Saved {
    savedAt: number; // unix seconds of the machine
    state: LedgerState;
}

/** Loads `file` into the ledger if it exists, then keeps it up to date; the result writes it a last time. */
export async function keepState(file: string, ledger: LocalLedger): Promise<() => Promise<void>> {
    const saved = read(file);
    if (saved !== undefined) {
        // With a wall clock, time passes while the network is down.
        const secondsOff = ledger.clock.mode === 'wall' ? Math.max(0, now() - saved.savedAt) : 0;
        await ledger.restore(saved.state, saved.state.time + secondsOff);
    }
    let timer: NodeJS.Timeout | undefined;
    const write = async () => {
        timer = undefined;
        const text = JSON.stringify({ savedAt: now(), state: await ledger.save() } satisfies Saved);
        // Renamed into place, so that a crash leaves the old file or the new one.
        writeFileSync(`${file}.new`, text);
        renameSync(`${file}.new`, file);
    };
    const stop = ledger.onTransaction(() => {
        timer ??= setTimeout(() => void write(), SAVE_AFTER);
    });
    return async () => {
        stop();
        clearTimeout(timer);
        await write();
    };
}

function read(file: string): Saved | undefined {
    let text: string;
    try {
        text = readFileSync(file, 'utf8');
    } catch (error) {
        if ((error as NodeJS.ErrnoException).code === 'ENOENT') {
            return undefined;
        }
        throw error;
    }
    try {
        const saved = JSON.parse(text) as Saved;
        if (Array.isArray(saved.state.accounts)) {
            return saved;
        }
    } catch {
        // falls through to the one complaint
    }
    throw new Error(`${file} does not hold the state of a local network: name another file, or remove it`);
}

function now(): number {
    return Math.floor(Date.now() / 1000);
}
