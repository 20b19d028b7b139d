/** What the registry would refuse of a profile at this network's prices, found before anything is sent. */
import { minSlash, readPrices, ruleBounds, type RuleWindow, ruleWindows } from '@cocoon-market/wrappers';
import { formatDuration } from './flags';
import { configParam } from './network';
import { ton } from './output';
import type { Profile } from './profile';
import type { ScriptSession } from './session';

const { minWindow, maxWindow, maxUnbonding, maxPayoutDelay, maxBaseStake } = ruleBounds;

// A tenth above the minimum, in whole thousandths of a TON, because prices may rise until the message arrives.
const MARGIN = 10n;
const STEP = 1_000_000n;

/** Refuses windows, stakes and rates that the registry would not take, with their line. */
export async function requireTaken(session: ScriptSession, profile: Profile): Promise<void> {
    requireWindows(profile);
    const basechain = await readPrices((id) => configParam(session.provider, id), 'basechain');
    requireAmounts(profile, minSlash({ basechain }));
}

function requireWindows(profile: Profile): void {
    const { rules } = profile;
    const needed = rules.evidence + rules.response + rules.verdict + rules.buffer;
    const bounds: { [Name in RuleWindow]?: [min: number, max: number] } = {
        unbonding: [needed, maxUnbonding],
        payoutDelay: [0, maxPayoutDelay],
    };
    for (const window of ruleWindows) {
        const [min, max] = bounds[window] ?? [minWindow, maxWindow];
        if (rules[window] < min || rules[window] > max) {
            const sum = window === 'unbonding' ? ', the four windows above together being the least' : '';
            throw profile.refusal(
                ['rules', window],
                `${window}: the registry takes ${formatDuration(min)} to ${formatDuration(max)}${sum}`,
            );
        }
    }
}

function requireAmounts(profile: Profile, min: bigint): void {
    const { baseStake, rates } = profile.rules;
    if (baseStake === 0n || baseStake > maxBaseStake) {
        throw profile.refusal(
            ['rules', 'baseStake'],
            `baseStake: the registry takes up to ${ton(maxBaseStake)}, and not 0`,
        );
    }
    rates.forEach((rate, gpuClass) => {
        const path = ['gpuClasses', gpuClass, 'stake'];
        if (rate > maxBaseStake) {
            throw profile.refusal(path, `stake: the registry takes up to ${ton(maxBaseStake)} a GPU`);
        }
        if (rate > 0n && rate < min) {
            const enough = ((min + min / MARGIN) / STEP + 1n) * STEP;
            throw profile.refusal(
                path,
                `stake: ${ton(rate)} a GPU is too little: a slash takes at least ${ton(min)}, six times what reporting costs here`,
                `write "${ton(enough).replace(' TON', '')}" or more, or "0" for a class that the market does not take`,
            );
        }
    });
}
