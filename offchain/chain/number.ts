/** The number of the next order of a wallet, which one endpoint may not tell alone. */
import type { Address } from '@ton/core';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Chain } from './chain';
import { ChainError } from './errors';
import { majorityAnswers } from './majority';
import { seqnoAt } from './order';

const NUMBER_MS = 5000; // that others have after the first to name the number of an order: some take one call a second
const BEHIND_POLLS = 5; // in which others that are behind come to know the last order

/** A number, and whether endpoints named different ones of which none had most. */
export interface NextNumber {
    seqno: number;
    isDisputed: boolean;
}

/**
 * The number of the next order of a wallet, in whose data it begins at `bit`, as most endpoints show it: one that names
 * another, and then shows the order as executed, would have none ever arrive. As the first one shows it (`readFirst`)
 * if they do not agree, or too few answer.
 */
export async function nextNumber(
    { others = [] }: Pick<Chain, 'others'>,
    { address, bit }: { address: Address; bit: number },
    readFirst: () => Promise<number>,
    pollMs: number,
): Promise<NextNumber> {
    for (let polls = 1; ; polls++) {
        const first = await readFirst();
        if (others.length === 0) {
            return { seqno: first, isDisputed: false };
        }
        const numbers = new Set([first]);
        const ask = async (one: (typeof others)[number]) => {
            const wallet = await (one.as?.('urgent') ?? one).account(address);
            const number = wallet.state === 'active' ? seqnoAt(bit, wallet) : 0;
            if (number === undefined) {
                throw new ChainError('The endpoint shows no wallet');
            }
            numbers.add(number);
            return number;
        };
        const isAlike = (a: number, b: number) => a === b;
        const majority = await majorityAnswers(others.map(ask), { all: others.length, isAlike, ms: NUMBER_MS });
        const agreed = majority?.[0];
        // One that is behind comes to know the last order: the next one by that one would have a used number.
        const mayAgree = agreed === undefined ? numbers.size > 1 : agreed < first;
        if (!mayAgree || polls === BEHIND_POLLS) {
            return { seqno: agreed ?? first, isDisputed: agreed === undefined && mayAgree };
        }
        await sleep(pollMs);
    }
}
