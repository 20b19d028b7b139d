/** What the client's scripts share: finding the escrow, printing its state, and tasks of messages to it. */
import { Escrow, type EscrowState, numberToHex } from '@cocoon-market/wrappers';
import type { Address, OpenedContract } from '@ton/core';
import { address } from './flags';
import { type Row, ton } from './output';
import { ScriptError } from './scriptError';
import type { ScriptSession } from './session';
import { type Nothing, type ScriptStep, stepTask } from './step';

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

/** A task of one message to an escrow. From its owner, unless the step says otherwise. */
export const escrowTask = (session: ScriptSession, present: OpenedEscrow, step: ScriptStep<OpenedEscrow> | Nothing) =>
    stepTask(
        session,
        {
            present,
            read: () => findEscrow(session, present.owner),
            rows: (now) => escrowRows(session, now),
            only: { address: present.owner, role: 'owner of the escrow' },
        },
        step,
    );
