import { type Actor, bytesToNumber, channelCode, channelLibrary, setUpEscrow } from '@cocoon-market/wrappers';
import { escrowTask, findEscrow, flag, missing, requireLibrary, script, shortOf, ton } from '../scripting';

export const run = script({
    name: 'setUpEscrow',
    group: 'client',
    about: "Deploys the client's escrow or changes its spend key and limits; a deposit is brought up to an amount. From the client.",
    flags: {
        spendKey: flag.key.required(
            "the gateway's public key, as cocoon gateway keygen prints it; 64 zeros take the key away",
        ),
        jobLimit: flag.amount.required('the maximum that the spend key may put into one job'),
        dayLimit: flag.amount.required('the maximum that the spend key may spend a day (UTC), fees included'),
        deposit: flag.amount.optional('the target balance of the escrow; the difference is sent'),
        channel: flag
            .choice(['plain', 'library'] as const)
            .optional('how new jobs carry their code; default: unchanged, and plain at first'),
    },
    prepare: async (session, { spendKey, jobLimit, dayLimit, deposit = 0n, channel: kind }) => {
        const opened = await findEscrow(session, session.actor);
        const library = (await channelLibrary()).cell;
        const carriesLibrary = opened.state?.codeHash === bytesToNumber(library.hash());
        const channel = kind ?? (carriesLibrary ? 'library' : 'plain');
        const code = channel === 'plain' ? await channelCode() : library;
        if (channel === 'library') {
            await requireLibrary(session);
        }
        const isSet = ({ state }: typeof opened) =>
            state !== undefined &&
            state.spendKey === bytesToNumber(spendKey) &&
            state.jobLimit === jobLimit &&
            state.dayLimit === dayLimit &&
            state.codeHash === bytesToNumber(code.hash());
        const set = (actor: Actor, due: bigint) =>
            setUpEscrow(actor, { spendKey, jobLimit, dayLimit, channelCode: code, deposit: due });
        const { at, balance } = opened;
        const due = await missing(session, { at, balance, upTo: deposit, action: set });
        return escrowTask(
            session,
            opened,
            isSet(opened) && due === 0n
                ? 'key, limits and deposit are as requested'
                : {
                      will: `allow the spend key ${ton(jobLimit)} a job and ${ton(dayLimit)} a day, jobs with ${channel} code`,
                      action: (actor) => set(actor, due),
                      done: (now) => isSet(now) && (due === 0n || now.balance > balance),
                      unmet: ({ balance }) => (due === 0n ? [] : shortOf(balance, deposit, 'deposit')),
                      retained: due,
                      stays: due === 0n ? [] : [['deposit', ton(due)]],
                  },
        );
    },
});
