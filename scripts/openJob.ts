import { bytesToNumber, channelCode, channelInit, channelLibrary, openJob } from '@cocoon-market/wrappers';
import type { Address } from '@ton/core';
import type { OpenedEscrow, ScriptSession } from '../scripting';
import { escrowTask, findJob, flag, openEscrow, script, ScriptError, ton, when } from '../scripting';

export const run = script({
    name: 'openJob',
    group: 'client',
    about: 'Opens a job without limits; a gateway does this by itself with its spend key. From the client.',
    flags: {
        payout: flag.address.required("the account that the job pays: the provider's payout"),
        voucherKey: flag.key.required('the public key that signs vouchers'),
        deposit: flag.amount.required('the maximum that the job may cost'),
        until: flag.moment.required('when the job ends, at most 90 days ahead: 30d, 2026-12-31, or unix seconds'),
        notice: flag.duration.required('how long the provider may claim after a leave, 1h to 7d'),
        order: flag.count.required(
            "the number of the escrow's next order, as checkEscrow prints it; a second run with it does nothing",
        ),
    },
    prepare: async (session, { payout, voucherKey, deposit, until, notice, order }) => {
        const end = until(await session.now());
        const opened = await openEscrow(session, session.actor);
        const code = [await channelCode(), (await channelLibrary()).cell].find(
            (each) => bytesToNumber(each.hash()) === opened.state.codeHash,
        );
        if (code === undefined) {
            throw new ScriptError(
                'The escrow uses a channel code that this checkout does not build',
                'run setUpEscrow again',
            );
        }
        const job = { end, notice, voucherKey, payout: payout.hash };
        const { address: channel } = channelInit(opened.at, { ...job, job: order * 4 }, code);
        const isOpen = async () => (await session.account(channel)).active;
        const seqno = Number(opened.state.seqno);
        if (await isOpen()) {
            return escrowTask(session, opened, {
                nothing: `the job is open at ${session.format(channel)}`,
                differs: await depositDifference(session, { channel, escrow: opened.escrow, deposit }),
            });
        }
        if (order !== seqno) {
            throw new ScriptError(
                `The escrow's next order is ${seqno}, not ${order}`,
                order < seqno
                    ? 'the job of that order has ended, or had another end, notice, key or payout: a span such as 30d ends at another second with each run, a date does not'
                    : 'see checkEscrow',
            );
        }
        const task = await escrowTask(session, opened, {
            will: `open a job of ${ton(deposit)} until ${when(end)}`,
            action: (actor) => openJob(actor, { seqno, job: { ...job, deposit } }),
            done: isOpen,
            retained: deposit,
            stays: [['deposit of the job', ton(deposit)]],
        });
        return { ...task, resultRows: async () => [...(await task.resultRows!()), ['job', session.format(channel)]] };
    },
});

/** A line if an open job has another deposit than the requested one. */
async function depositDifference(
    session: ScriptSession,
    { channel, escrow, deposit }: { channel: Address; escrow: OpenedEscrow['escrow']; deposit: bigint },
): Promise<string[]> {
    const { state, balance } = await findJob(session, channel);
    const had = balance + (state?.paid ?? 0n);
    // The balance contains the rest of its message's fees, and rent has been taken from it.
    const about = await escrow.getOpenFeeOf(1n);
    const isSame = had >= deposit - about && had <= deposit + about;
    return isSame
        ? []
        : [`deposit: the job holds ${ton(balance)} and has paid ${ton(had - balance)}, which is not ${ton(deposit)}`];
}
