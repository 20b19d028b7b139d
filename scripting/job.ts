/** What scripts about a running job share. */
import { Channel, channelCodes, type ChannelState } from '@cocoon-market/wrappers';
import type { CodeConsent } from '@cocoon-market/wrappers/market';
import type { Address, OpenedContract } from '@ton/core';
import { address, toggle } from './flags';
import { type Row, ton, when } from './output';
import { ScriptError } from './scriptError';
import type { ScriptSession } from './session';
import { type Nothing, type ScriptStep, stepTask } from './step';

/** The flag by which every script finds its job. */
export const jobFlag = {
    job: address.required("the job's account, as openJob or cocoon gateway jobs shows it"),
    anyCode: toggle('believe a job of a code that this release does not know: it says what a message has to bring'),
};

export interface OpenedJob {
    at: Address;
    channel: OpenedContract<Channel>;
    state: ChannelState | undefined; // undefined once it has ended
    balance: bigint; // nanoTON
}

/** A job, whether it runs or has ended. Refuses another contract: it would say what a message to it has to bring. */
export async function findJob(session: ScriptSession, at: Address, { anyCode }: CodeConsent = {}): Promise<OpenedJob> {
    const channel = session.openContract(Channel.fromAddress(at));
    const { active, balance, code } = await session.account(at);
    if (active && anyCode !== true && !(await channelCodes()).some((each) => code?.equals(each) === true)) {
        throw new ScriptError(
            `The account ${session.format(at)} is no job of this release`,
            'look at the address, or use the release that opened the job; --any-code believes it',
        );
    }
    return { at, channel, balance, state: active ? await channel.getChannelState() : undefined };
}

/** The rows that describe a job. */
export function jobRows(session: ScriptSession, { at, state, balance }: OpenedJob): Row[] {
    if (state === undefined) {
        return [['job', `${session.format(at)} (no account: ended, or never opened)`]];
    }
    return [
        ['job', session.format(at)],
        ['escrow', session.format(state.escrow)],
        ['payout', session.formatWallet(state.payout)],
        ['holds', ton(balance)],
        ['paid', ton(state.paid)],
        ['refund from', when(Number(state.refundAt))],
    ];
}

/** A task of one message about a job. From anyone, unless the step says otherwise. */
export const jobTask = (session: ScriptSession, present: OpenedJob, step: ScriptStep<OpenedJob> | Nothing) =>
    stepTask(
        session,
        { present, read: () => findJob(session, present.at, { anyCode: true }), rows: (now) => jobRows(session, now) },
        step,
    );

/** Refuses a job that does not exist. */
export function requireJob(session: ScriptSession, { at, state }: OpenedJob): ChannelState {
    if (state === undefined) {
        throw new ScriptError(
            `There is no job at ${session.format(at)}: it has ended, or never was on ${session.network.name}`,
        );
    }
    return state;
}
