import { toNano } from '@ton/core';

import { errors } from '../../wrappers/protocol';
import { Committee, parseCommittee, parseRules, registryChanges, Rules } from '../../wrappers/Registry';
import { expectConserved, expectRefused } from '../support/chain';
import {
    BASE_STAKE,
    CATALOGUE,
    committeeOf,
    DAY,
    deployRegistry,
    HOUR,
    keyOf,
    launchMarket,
    rulesWith,
} from '../support/stake';

const VALUE = toNano('1');

async function launchWith({
    rules = {},
    committee = committeeOf(3, 2),
}: {
    rules?: Partial<Rules>;
    committee?: Committee;
}) {
    const market = await deployRegistry();
    const { blockchain, registry, governor, insurance, codes } = market;
    const launch = { value: VALUE, rules: rulesWith(insurance.address, rules), committee, codes, catalogue: CATALOGUE };
    const result = await expectConserved(blockchain, () => registry.sendLaunch(governor.getSender(), launch));
    const refusedWith = (exitCode: number | undefined) =>
        expectRefused(result, { from: governor.address, to: registry.address, exitCode: exitCode! });
    return { ...market, result, refusedWith };
}

describe('Registry: Launch', () => {
    it('sets rules, committee, codes and catalogue, and returns the rest of the value', async () => {
        const { registry, governor, insurance, result } = await launchWith({});

        const state = await registry.getRegistryState();
        expect(state).toMatchObject({ rulesVersion: 1n, catalogue: CATALOGUE, paused: false, executeAt: 0n });
        expect(parseRules(await registry.getRules())).toMatchObject({ unbonding: 336 * HOUR, baseStake: BASE_STAKE });
        expect(parseRules(await registry.getRules()).insurance).toEqualAddress(insurance.address);
        expect(parseCommittee(await registry.getCommittee())).toEqual({
            threshold: 2,
            keys: [...committeeOf(3, 2).keys].sort((a, b) => (a < b ? -1 : 1)),
        });
        expect(result.transactions).toHaveTransaction({ from: registry.address, to: governor.address, success: true });
    });

    it('is what a registry waits for: until then its rules have the version 0', async () => {
        const { registry } = await deployRegistry();

        expect(await registry.getRegistryState()).toMatchObject({ rulesVersion: 0n, executeAt: 0n, change: null });
    });

    it('names no code of Disputes and of nodes where none is known yet', async () => {
        const { registry, governor, insurance } = await deployRegistry();
        const launch = { value: VALUE, rules: rulesWith(insurance.address), committee: committeeOf(3, 2) };
        await registry.sendLaunch(governor.getSender(), { ...launch, codes: {}, catalogue: CATALOGUE });

        const { dispute, nodeCodes } = parseRules(await registry.getRules());
        expect(dispute).toMatchObject({ hash: 0n, depth: 0n });
        expect(nodeCodes).toEqual([]);
    });

    it('refuses anyone but the governor', async () => {
        const { registry, stranger, insurance, codes } = await deployRegistry();

        const result = await registry.sendLaunch(stranger.getSender(), {
            value: VALUE,
            rules: rulesWith(insurance.address),
            committee: committeeOf(3, 2),
            codes,
            catalogue: CATALOGUE,
        });

        expectRefused(result, { to: registry.address, exitCode: errors.ErrNotGovernor });
    });

    it('refuses a second launch', async () => {
        const { registry, governor, insurance, codes } = await launchMarket();

        const result = await registry.sendLaunch(governor.getSender(), {
            value: VALUE,
            rules: rulesWith(insurance.address),
            committee: committeeOf(3, 2),
            codes,
            catalogue: CATALOGUE,
        });

        expectRefused(result, { to: registry.address, exitCode: errors.ErrWrongState });
    });

    it('refuses unbonding one second below the sum of the windows, takes the exact sum', async () => {
        const windows = { evidence: 100 * HOUR, response: 24 * HOUR, verdict: 72 * HOUR, buffer: 24 * HOUR };

        (await launchWith({ rules: { ...windows, unbonding: 220 * HOUR - 1 } })).refusedWith(errors.ErrWrongWindows);
        const { registry } = await launchWith({ rules: { ...windows, unbonding: 220 * HOUR } });

        expect(parseRules(await registry.getRules()).unbonding).toBe(220 * HOUR);
    });

    it.each(['evidence', 'response', 'verdict', 'buffer'] as const)(
        'holds %s between one hour and 30 days',
        async (window) => {
            const unbonding = 170 * DAY;

            (await launchWith({ rules: { unbonding, [window]: HOUR - 1 } })).refusedWith(errors.ErrWrongWindows);
            (await launchWith({ rules: { unbonding, [window]: 30 * DAY + 1 } })).refusedWith(errors.ErrWrongWindows);
            for (const seconds of [HOUR, 30 * DAY]) {
                const { registry } = await launchWith({ rules: { unbonding, [window]: seconds } });
                expect(parseRules(await registry.getRules())[window]).toBe(seconds);
            }
        },
    );

    it('holds unbonding to 180 days and the payout delay to 30', async () => {
        (await launchWith({ rules: { unbonding: 180 * DAY + 1 } })).refusedWith(errors.ErrWrongWindows);
        (await launchWith({ rules: { payoutDelay: 30 * DAY + 1 } })).refusedWith(errors.ErrWrongWindows);
        const { registry } = await launchWith({ rules: { unbonding: 180 * DAY, payoutDelay: 30 * DAY } });

        expect((await registry.getRegistryState()).rulesVersion).toBe(1n);
    });

    it('refuses a base stake of nothing or above a million TON, and a rate above it', async () => {
        (await launchWith({ rules: { baseStake: 0n } })).refusedWith(errors.ErrWrongAmount);
        (await launchWith({ rules: { baseStake: toNano('1000000') + 1n } })).refusedWith(errors.ErrWrongAmount);
        (await launchWith({ rules: { rates: [toNano('1000000') + 1n] } })).refusedWith(errors.ErrWrongAmount);
        const { registry } = await launchWith({ rules: { baseStake: toNano('1000000'), rates: [toNano('1000000')] } });

        expect((await registry.getRegistryState()).rulesVersion).toBe(1n);
    });

    it('takes a committee of two thirds and refuses fewer votes', async () => {
        for (const [count, threshold] of [
            [1, 1],
            [2, 2],
            [3, 2],
            [4, 3],
            [9, 6],
            [9, 9],
        ] as const) {
            const { registry } = await launchWith({ committee: committeeOf(count, threshold) });
            expect(parseCommittee(await registry.getCommittee()).keys.length).toBe(count);
        }
        for (const [count, threshold] of [
            [3, 1],
            [4, 2],
            [9, 5],
            [9, 10],
        ] as const) {
            (await launchWith({ committee: committeeOf(count, threshold) })).refusedWith(errors.ErrWrongCommittee);
        }
    });

    it('refuses no keys, ten keys and the same key twice', async () => {
        (await launchWith({ committee: { threshold: 0, keys: [] } })).refusedWith(errors.ErrWrongCommittee);
        (await launchWith({ committee: committeeOf(10, 7) })).refusedWith(errors.ErrWrongCommittee);
        const twice = { threshold: 2, keys: [keyOf('same'), keyOf('same')] };
        (await launchWith({ committee: twice })).refusedWith(errors.ErrWrongCommittee);
    });

    it('refuses a committee key with which anyone could sign', async () => {
        const one = 1n << 248n; // y = 1 in little-endian bytes

        for (const weak of [0n, one, one | 0x80n]) {
            const committee = { threshold: 2, keys: [weak, keyOf('honest')] };
            (await launchWith({ committee })).refusedWith(errors.ErrWeakKey);
        }
    });

    it('does nothing else before it is launched', async () => {
        const { registry, governor, codes } = await deployRegistry();

        const result = await registry.sendProposeChange(governor.getSender(), {
            value: VALUE,
            change: registryChanges.code('node', codes.node),
        });

        expectRefused(result, { to: registry.address, exitCode: errors.ErrWrongState });
    });
});
