import { claimJob, numberToBytes, Verifier, Voucher, voucherFor } from '@cocoon-market/wrappers';
import { findJob, flag, jobFlag, jobTask, requireJob, script, ScriptError, ton } from '../scripting';

export const run = script({
    name: 'claimJob',
    group: 'anyone',
    about: 'Redeems a voucher; the money goes to the payout. A worker does this by itself. From anyone who holds the voucher.',
    flags: {
        ...jobFlag,
        cumulative: flag.amount.required('the total that the voucher promises'),
        count: flag.count.required("the voucher's count"),
        signature: flag.text.required("the voucher's signature, 128 hexadecimal digits"),
    },
    prepare: async (session, { job, anyCode, cumulative, count: answers, signature: hex }) => {
        const opened = await findJob(session, job, { anyCode });
        const { voucherKey, paid } = requireJob(session, opened);
        if (paid >= cumulative) {
            return jobTask(session, opened, `${ton(paid)} were paid already`);
        }
        const voucher = voucherFor(session.network.globalId, job, cumulative, answers);
        const key = new Verifier(numberToBytes(voucherKey));
        const signature = /^[0-9a-fA-F]{128}$/.test(hex) ? Buffer.from(hex, 'hex') : Buffer.alloc(0);
        if (!key.verify(Voucher.hash(voucher), signature)) {
            throw new ScriptError('The signature is not over this job, amount and count', 'the chain would refuse it');
        }
        const signed = { cumulative, count: answers, signature };
        return jobTask(session, opened, {
            will: `pay ${ton(cumulative - paid)}, or what the job holds, to its payout`,
            action: (actor) => claimJob(actor, { channel: job, voucher: signed, anyCode }),
            done: ({ state }) => (state?.paid ?? cumulative) > paid,
            unmet: ({ state }) => {
                const short = state !== undefined && state.paid < cumulative;
                return short
                    ? [`cumulative: ${ton(state.paid)} of ${ton(cumulative)} are paid; the job held no more`]
                    : [];
            },
        });
    },
});
