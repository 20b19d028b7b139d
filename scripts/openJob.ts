import { channelInit, channelCode, channelLibrary, codeHash, openJob } from '@cocoon-market/wrappers';
import { escrowTask, openEscrow } from '../deploy/escrow';
import { address, amount, count, duration, key, moment } from '../deploy/flags';
import { ton, when } from '../deploy/output';
import { Refusal } from '../deploy/refusal';
import { script } from '../deploy/script';

export const run = script({
    name: 'openJob',
    about: 'Opens a job without limits; a gateway does this by itself with its spend key. From the client.',
    flags: {
        payout: address.required("who is paid: the provider's payout"),
        voucherKey: key.required('the public key that signs vouchers'),
        deposit: amount.required('what the job may cost at most'),
        until: moment.required('when the job ends, at most 90 days ahead: 30d, 2026-12-31, or unix seconds'),
        notice: duration.required('how long the provider may claim after a leave, 1h to 7d'),
        order: count.required('the next order of the escrow, as checkEscrow shows it: makes a second run harmless'),
    },
    prepare: async (session, { payout, voucherKey, deposit, until, notice, order }) => {
        const end = until(await session.now());
        const opened = await openEscrow(session, session.actor);
        const code = [await channelCode(), (await channelLibrary()).cell].find(
            (each) => BigInt(`0x${codeHash(each)}`) === opened.state.codeHash,
        );
        if (code === undefined) {
            throw new Refusal(
                'The escrow uses a channel code that this checkout does not build',
                'run setUpEscrow again',
            );
        }
        const job = { end, notice, voucherKey, payout: payout.hash };
        const { address: channel } = channelInit(opened.at, { ...job, job: order * 4 }, code);
        const isOpen = async () => (await session.account(channel)).active;
        const seqno = Number(opened.state.seqno);
        const rows = async () => [['job', session.show(channel)] as const];
        return escrowTask(session, opened, async () => {
            if (await isOpen()) {
                return `the job is open at ${session.show(channel)}`;
            }
            if (order !== seqno) {
                throw new Refusal(
                    `The escrow's next order is ${seqno}, not ${order}`,
                    order < seqno ? 'the job of that order was another, or has ended' : 'see checkEscrow',
                );
            }
            return {
                will: `open a job of ${ton(deposit)} until ${when(end)}`,
                action: (actor) => openJob(actor, { seqno, job: { ...job, deposit } }),
                done: isOpen,
                kept: deposit,
                stays: [['deposit of the job', ton(deposit)]],
                rows,
            };
        });
    },
});
