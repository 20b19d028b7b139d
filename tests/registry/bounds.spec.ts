/** The bounds of rules, as the wrapper computes them and as the Registry holds them, at every price level. */
import { toNano } from '@ton/core';
import { errors, minSlash, pricesOf, ruleBounds, type Rules } from '@cocoon-market/wrappers';
import { expectConserved, expectRefused, PriceLevel } from '../support/chain';
import { CATALOGUE, committeeOf, deployRegistry, rulesWith } from '../support/stake';

type Stage = Awaited<ReturnType<typeof deployRegistry>>;

function launch({ blockchain, registry, governor, insurance, codes }: Stage, rules: Partial<Rules>) {
    const all = {
        rules: rulesWith(insurance.address, rules),
        committee: committeeOf(3, 2),
        codes,
        catalogue: CATALOGUE,
    };
    return expectConserved(blockchain, () => registry.sendLaunch(governor.getSender(), { value: toNano('1'), ...all }));
}

describe.each<PriceLevel>(['2025', '2026', 'tenfold'])('The least rate at the prices of %s', (prices) => {
    it('is what the wrapper says, to a nanoTON', async () => {
        const stage = await deployRegistry({ prices });
        const min = minSlash(pricesOf(stage.blockchain.config));

        const below = await launch(stage, { rates: [min - 1n] });
        expectRefused(below, { to: stage.registry.address, exitCode: errors.ErrWrongAmount });
        await launch(stage, { rates: [min] });

        expect((await stage.registry.getRegistryState()).rulesVersion).toBe(1n);
    });
});

describe('The bounds that do not follow prices', () => {
    it('are those that the Registry takes, and not one more', async () => {
        const { minWindow, maxWindow, maxUnbonding, maxPayoutDelay, maxBaseStake } = ruleBounds;
        const stage = await deployRegistry();
        const beyond: [Partial<Rules>, number][] = [
            [{ evidence: minWindow - 1 }, errors.ErrWrongWindows],
            [{ evidence: maxWindow + 1, unbonding: maxUnbonding }, errors.ErrWrongWindows],
            [{ unbonding: maxUnbonding + 1 }, errors.ErrWrongWindows],
            [{ payoutDelay: maxPayoutDelay + 1 }, errors.ErrWrongWindows],
            [{ baseStake: maxBaseStake + 1n }, errors.ErrWrongAmount],
            [{ rates: [maxBaseStake + 1n] }, errors.ErrWrongAmount],
        ];

        for (const [rules, exitCode] of beyond) {
            expectRefused(await launch(stage, rules), { to: stage.registry.address, exitCode });
        }
        const [windows, times] = [
            { evidence: maxWindow, response: minWindow },
            { unbonding: maxUnbonding, payoutDelay: maxPayoutDelay },
        ];
        await launch(stage, { ...windows, ...times, baseStake: maxBaseStake, rates: [maxBaseStake] });

        expect((await stage.registry.getRegistryState()).rulesVersion).toBe(1n);
    });
});
