/** The scenes of the search, and the places of one that is played on the model alone. */
import { newState, Rules, SMALL_PRICES, State, apply } from '../../model';
import { HOUR, WINDOWS } from '../../support/stake';
import { Places, Scene } from '../moves';
import { casesScene } from './cases';
import { channelScene } from './channel';
import { escrowScene } from './escrow';
import { providerScene } from './provider';

export const SCENES = { channel: channelScene, escrow: escrowScene, provider: providerScene, cases: casesScene };

export type SceneName = keyof typeof SCENES;

const START = 1_795_435_200; // 2026-11-23 12:00:00 UTC
const UNIT = 10n;

const RULES: Rules = {
    ...WINDOWS,
    baseStake: 50n * UNIT,
    insurance: 'insurance',
    rates: [18n * UNIT, 40n * UNIT],
    version: 1,
    nodeVersions: 1,
    dispute: 0,
    committee: { threshold: 2, keys: ['committee 0', 'committee 1', 'committee 2'] },
};

const PLACES: Places = {
    start: START,
    unit: UNIT,
    plenty: 1000n,
    fees: 0n,
    network: -239,
    rules: RULES,
    registry: 'registry',
    provider: 'provider',
    escrow: 'escrow',
    client: 'client',
    owner: 'owner',
    payout: 'payout',
    reporter: 'reporter',
    governor: 'governor',
    stranger: 'stranger',
    nodeOf: (number) => `node ${number}`,
    channelOf: ({ number }) => `channel ${number}`,
    disputeOf: (faultClass, _, query) => `case ${faultClass} ${query}`,
};

/** A scene on the model alone, where every amount is small and fees do not exist. */
export const modelScene = (name: SceneName): Scene => SCENES[name](PLACES);

/** A network with nothing but a Registry that was launched. */
export function firstState(): State {
    const codes = { provider: 1, node: 1, escrow: 0, channel: 0, dispute: 1 };
    const rest = { governor: PLACES.governor, delay: 7 * 24 * HOUR, paused: false, rules: RULES, codes, balance: 0n };
    const contract = { kind: 'registry', ...rest } as const;
    const first = newState({ now: START, prices: SMALL_PRICES });
    return apply(first, { kind: 'create', account: PLACES.registry, contract }).state;
}
