/** What the client's scripts share: finding the escrow, printing its state, and tasks of messages to it. */
import { type Actor, Escrow, type EscrowState, numberToHex } from '@cocoon-market/wrappers';
import type { Address, OpenedContract } from '@ton/core';
import { address } from './flags';
import { type Row, ton } from './output';
import { ScriptError } from './scriptError';
import type { Task } from './task';
import type { ScriptSession } from './session';

/** The flag by which every script finds its escrow. */
export const escrowFlag = {
    owner: address.optional("the client's wallet; default: that of the command line"),
};

export interface OpenedEscrow {
    at: Address;
    owner: Address;
    escrow: OpenedContract<Escrow>;
    state: EscrowState | undefined; // undefined until its first SetUp
    balance: bigint; // nanoTON
}

/** The escrow of a client, whether it exists or not. */
export async function findEscrow(session: ScriptSession, owner: Address): Promise<OpenedEscrow> {
    const { address: at } = await Escrow.ofOwner(owner);
    const escrow = session.openContract(Escrow.fromAddress(at));
    const { active, balance } = await session.account(at);
    return { at, owner, escrow, balance, state: active ? await escrow.getEscrowState() : undefined };
}

/** The escrow of a client. Refuses if it does not exist. */
export async function openEscrow(
    session: ScriptSession,
    owner: Address,
): Promise<OpenedEscrow & { state: EscrowState }> {
    const opened = await findEscrow(session, owner);
    if (opened.state === undefined) {
        throw new ScriptError(`There is no escrow of ${session.formatWallet(owner)}`, 'run setUpEscrow first');
    }
    return { ...opened, state: opened.state };
}

/** The rows that describe an escrow. */
export function escrowRows(session: ScriptSession, { at, state, balance }: OpenedEscrow): Row[] {
    if (state === undefined) {
        return [['escrow', `${session.format(at)} (not there yet)`]];
    }
    const key = state.spendKey === 0n ? 'none' : numberToHex(state.spendKey);
    return [
        ['escrow', session.format(at)],
        ['owner', session.formatWallet(state.owner)],
        ['holds', ton(balance)],
        ['spend key', key],
        ['limits', `${ton(state.jobLimit)} a job, ${ton(state.dayLimit)} a day`],
        ['next order', `${state.seqno}`],
    ];
}

interface Step {
    will: string;
    action(actor: Actor): Promise<unknown>;
    done(now: OpenedEscrow): Promise<boolean> | boolean;
    retained?: bigint;
    stays?: Row[];
    anyone?: boolean;
    /** What was requested and is not so after the task: a line each. */
    unmet?(now: OpenedEscrow): Promise<string[]> | string[];
    rows?: () => Promise<Row[]>;
}

/** Why nothing has to be done, and what differs from the request. */
interface Nothing {
    nothing: string;
    differs: string[];
}

/** A task of one message; a step that is a text says why there is nothing to do. */
export async function escrowTask(
    session: ScriptSession,
    opened: OpenedEscrow,
    decide: () => Promise<Step | Nothing | string> | Step | Nothing | string,
): Promise<Task> {
    const found = escrowRows(session, opened);
    const step = await decide();
    if (typeof step === 'string') {
        return { found, nothing: step };
    }
    if ('nothing' in step) {
        return { found, ...step };
    }
    const now = () => findEscrow(session, opened.owner);
    return {
        found,
        will: [step.will],
        messages: await session.rehearse(step.action),
        ...(step.anyone ? {} : { only: { address: opened.owner, role: 'owner of the escrow' } }),
        retained: step.retained ?? 0n,
        stays: step.stays ?? [],
        settled: async () => step.done(await now()),
        unmet: async () => (await step.unmet?.(await now())) ?? [],
        resultRows: async () => [...escrowRows(session, await now()), ...((await step.rows?.()) ?? [])],
    };
}
