/** The channel code as a library of the masterchain: whether it is published, and for how long its rent is paid. */
import { channelLibrary, Library } from '@cocoon-market/wrappers';
import type { Address, OpenedContract } from '@ton/core';
import { formatDuration } from './flags';
import { type Row, ton } from './output';
import { ScriptError } from './scriptError';
import type { ScriptSession } from './session';
import { type Nothing, type ScriptStep, stepTask } from './step';

const DAY = 86_400;

export interface OpenedLibrary {
    hash: Buffer;
    at: Address; // of its keeper
    keeper: OpenedContract<Library>;
    balance: bigint; // nanoTON
    runway: number; // seconds, 0 until published
}

/** The library of this checkout's channel code, whether it is published or not. */
export async function findLibrary(session: ScriptSession): Promise<OpenedLibrary> {
    const { hash } = await channelLibrary();
    const { address: at } = await Library.ofHash(hash);
    const keeper = session.openContract(Library.fromAddress(at));
    const { active, balance } = await session.account(at);
    return { hash, at, keeper, balance, runway: active ? Number(await keeper.getRunway()) : 0 };
}

/** The rows that describe a library. */
export function libraryRows(session: ScriptSession, { hash, at, balance, runway }: OpenedLibrary): Row[] {
    return [
        ['channel code', hash.toString('hex')],
        ['keeper', session.format(at)],
        ['holds', ton(balance)],
        ['library paid for', runway === 0 ? 'not published' : formatDuration(Math.floor(runway / DAY) * DAY)],
    ];
}

/** A task of one message to the keeper of the library. From anyone. */
export const libraryTask = (
    session: ScriptSession,
    present: OpenedLibrary,
    step: ScriptStep<OpenedLibrary> | Nothing,
) => stepTask(session, { present, read: () => findLibrary(session), rows: (now) => libraryRows(session, now) }, step);

/** Refuses to go on without the library. */
export async function requireLibrary(session: ScriptSession): Promise<void> {
    const { runway, at } = await findLibrary(session);
    if (runway === 0) {
        throw new ScriptError(
            `The channel code is not published on ${session.network.name}: ${session.format(at)} keeps no library`,
            'run publishLibrary, or use --channel plain',
        );
    }
}
