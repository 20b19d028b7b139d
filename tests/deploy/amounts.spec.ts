/** How much a script sends so that an account holds what was asked for, whatever the endpoint says of its rent. */
import { Address, toNano } from '@ton/core';
import { networkConfig } from '../../localnet/config';
import { missing } from '../../scripting/amounts';
import type { ScriptSession } from '../../scripting/session';
import { GREEDY } from '../support/greedy';

const account = { at: new Address(0, Buffer.alloc(32)), balance: toNano('1') };
const YEAR = 31_557_600; // seconds

/** A session whose endpoint says that an account has paid no rent for so many seconds. */
function sessionAfter(seconds: number): ScriptSession {
    const configs = [networkConfig('2026')]; // for the rent; without another, nothing is tried on a copy
    const session: Partial<Record<keyof ScriptSession, unknown>> = {
        account: async () => ({ active: true, balance: account.balance, code: GREEDY, data: GREEDY }),
        changedAt: async () => 0,
        now: async () => seconds,
        config: async () => configs.pop(),
        rehearse: async () => [],
    };
    return session as unknown as ScriptSession;
}

const sentAfter = (seconds: number) =>
    missing(sessionAfter(seconds), { ...account, upTo: toNano('2'), action: async () => undefined });

describe('What is sent so that an account holds an amount', () => {
    it('covers the rent of years', async () => {
        const sent = await sentAfter(10 * YEAR);

        expect(sent).toBeGreaterThan(toNano('1'));
        expect(sent).toBeLessThan(toNano('1.01'));
    });

    it('is not all that a wallet has, though the endpoint says that a rent is due that no account could pay', async () => {
        await expect(sentAfter(1_000_000 * YEAR)).rejects.toThrow('for rent and gas would be lost on the way to 2 TON');
    });
});
