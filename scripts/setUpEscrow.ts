import { channelCode, channelLibrary, codeHash, setUpEscrow } from '@cocoon-market/wrappers';
import { shortfall } from '../deploy/amounts';
import { escrowTask, findEscrow } from '../deploy/escrow';
import { amount, choice, key } from '../deploy/flags';
import { requireLibrary } from '../deploy/library';
import { ton } from '../deploy/output';
import { script } from '../deploy/script';

export const run = script({
    name: 'setUpEscrow',
    about: "Deploys the client's escrow or changes its spend key and limits; a deposit is brought up to an amount. From the client.",
    flags: {
        spendKey: key.required("the gateway's public key, as cocoon gateway keygen prints it"),
        jobLimit: amount.required('the most that the spend key may put into one job'),
        dayLimit: amount.required('the most that the spend key may spend a day (UTC), fees included'),
        deposit: amount.optional('what the escrow shall hold; the difference is sent'),
        channel: choice(['plain', 'library'] as const).optional('how new jobs carry their code; plain unless given'),
    },
    prepare: async (session, { spendKey, jobLimit, dayLimit, deposit = 0n, channel = 'plain' }) => {
        const code = channel === 'plain' ? await channelCode() : (await channelLibrary()).cell;
        if (channel === 'library') {
            await requireLibrary(session);
        }
        const opened = await findEscrow(session, session.actor);
        const due = shortfall(opened.balance, deposit);
        const isSet = ({ state }: typeof opened) =>
            state !== undefined &&
            state.spendKey === BigInt(`0x${spendKey.toString('hex')}`) &&
            state.jobLimit === jobLimit &&
            state.dayLimit === dayLimit &&
            state.codeHash === BigInt(`0x${codeHash(code)}`);
        return escrowTask(session, opened, () =>
            isSet(opened) && due === 0n
                ? 'key, limits and deposit are as asked'
                : {
                      will: `allow the spend key ${ton(jobLimit)} a job and ${ton(dayLimit)} a day, jobs with ${channel} code`,
                      action: (actor) =>
                          setUpEscrow(actor, { spendKey, jobLimit, dayLimit, channelCode: code, deposit: due }),
                      done: isSet,
                      kept: due,
                      stays: due === 0n ? [] : [['deposit', ton(due)]],
                  },
        );
    },
});
