/**
 * Registrations of nodes that are on their way, on disk: a run after an interruption waits for them, because it would
 * register the same nodes again, each with a share of the stake.
 */
import { Node } from '@cocoon-market/wrappers';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { OpenedProvider } from './provider';
import { ScriptError } from './scriptError';
import type { ScriptSession } from './session';
import { waitUntil } from './wallet';

/** What is stored. */
interface Note {
    from: number; // number of the first node that is registered
    nextNumber: number; // of the Provider after the last one
    until: number; // unix milliseconds after which nothing is on its way any more
}

type Registering = Pick<OpenedProvider, 'at' | 'provider' | 'state'>;

const IN_FLIGHT = 300_000; // milliseconds after which an order that has not arrived will not arrive

/** Stores that the next `count` nodes of a Provider are being registered. */
export function keepRegistrations({ network }: ScriptSession, { at, state }: Registering, count: number): void {
    const from = Number(state.nextNumber);
    const note: Note = { from, nextNumber: from + count, until: Date.now() + IN_FLIGHT };
    const path = noteFile(network.name, at);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, JSON.stringify(note), { flush: true });
}

/** Forgets it: everything has arrived. */
export function forgetOrders({ network }: ScriptSession, { opened }: { opened: Registering }): void {
    rmSync(noteFile(network.name, opened.at), { force: true });
}

/**
 * Waits until the Provider and its new nodes have what an earlier run sent, for as long as that may take to arrive. The
 * Provider counts a node before the node's own account is there.
 */
export async function waitForRegistrations(session: ScriptSession, opened: Registering): Promise<void> {
    const note = noteOf(session, opened);
    if (note === undefined) {
        return; // no order is on its way
    }
    // On a local network a chain of messages ends before the wallet returns, so no order is ever on its way.
    const until = session.network.name === 'local' ? 0 : note.until;
    let number = note.from;
    const hasArrived = async () => {
        opened.state = await opened.provider.getProviderState();
        if (opened.state.nextNumber < note.nextNumber) {
            return false;
        }
        while (number < note.nextNumber) {
            const { address } = await Node.ofProvider(opened.at, number);
            if (!(await session.account(address)).active) {
                return false;
            }
            number++;
        }
        return true;
    };
    const isOver = async () => (await hasArrived()) || Date.now() > until;
    if (!(await isOver())) {
        console.log('Waiting for the nodes that an earlier run registers');
        await waitUntil({ every: session.patience.every, within: IN_FLIGHT }, isOver);
    }
}

function noteOf({ network }: ScriptSession, { at }: Registering): Note | undefined {
    const file = noteFile(network.name, at);
    try {
        return JSON.parse(readFileSync(file, 'utf8')) as Note;
    } catch (error) {
        if ((error as NodeJS.ErrnoException).code === 'ENOENT') {
            return undefined;
        }
        throw new ScriptError(
            `${file} names nodes that an earlier run registers, and cannot be read: ${(error as Error).message}`,
            'look with checkFleet whether they are there. When no order is on its way any more, remove the file',
        );
    }
}

function noteFile(network: string, at: OpenedProvider['at']): string {
    return join('temp', network, `fleet-${at.hash.toString('hex')}.json`);
}
