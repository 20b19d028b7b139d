/** Amounts that a person writes, and what they mean. Amounts are nanoTON. */
import { formatTon, parseTon } from '@cocoon-market/wrappers';

const MAX = 1_000_000n * 1_000_000_000n; // no form takes more

/** nanoTON of what was written. @throws an Error that says how to write an amount */
export function amountOf(text: string, name: string): bigint {
    let amount: bigint;
    try {
        amount = parseTon(text.replace(',', '.'));
    } catch {
        throw new Error(`${name}: write an amount in TON, with at most nine decimals, such as 1.5`);
    }
    if (amount > MAX) {
        throw new Error(`${name}: this page takes no more than ${ton(MAX)}`);
    }
    return amount;
}

export const ton = (amount: bigint): string => `${formatTon(amount)} TON`;

/** What the owner of an escrow decides. */
export interface Limits {
    deposit: bigint; // that the wallet adds now
    jobLimit: bigint; // of one job
    dayLimit: bigint; // of all orders of a day (UTC), with their fees
}

/** Reads the three amounts. `present`: in the escrow. @throws an Error that says what does not fit together */
export function limitsOf(texts: Record<keyof Limits, string>, present: bigint): Limits {
    const deposit = amountOf(texts.deposit, 'Deposit');
    const jobLimit = amountOf(texts.jobLimit, 'Limit of a job');
    const dayLimit = amountOf(texts.dayLimit, 'Limit of a day');
    if (jobLimit === 0n) {
        throw new Error('Limit of a job: with 0 TON the key could open no job');
    }
    if (dayLimit < jobLimit) {
        throw new Error('Limit of a day: it must cover one job at least');
    }
    if (deposit + present < jobLimit) {
        throw new Error(`Deposit: one job could take ${ton(jobLimit)}, and you would have ${ton(deposit + present)}`);
    }
    return { deposit, jobLimit, dayLimit };
}

/** What somebody with the key could spend, in a sentence. `present`: in the escrow. */
export function lossOf({ deposit, dayLimit }: Limits, present: bigint): string {
    const all = deposit + present;
    return all <= dayLimit
        ? `Whoever copies it can spend everything that you deposit here: ${ton(all)}.`
        : `Whoever copies it can spend at most ${ton(dayLimit)} a day (UTC), until you change the key or withdraw, ` +
              `and never more than your deposit of ${ton(all)}.`;
}

/** The rate of a million tokens. */
export const rateText = (rate: bigint): string => `${ton(rate)} per million tokens`;
