/** Provider: what its handlers share, from docs/contracts/provider.md. */
import { Call, max, refuseIf } from './state';
import type { Account, Provider, StakeSlot, Version } from './types';

const STAKE_SLOTS = 4;

export const NEW_VERSION: Version = {
    shares: 0n,
    nodes: 0,
    gpus: 0,
    maxShare: 0n,
    slashable: 0n,
    frozen: 0n,
    cases: 0,
    pendingVerdicts: 0,
};

/** A provider as its account's first data has it. */
export function newProvider(registry: Account, owner: Account): Provider {
    return {
        kind: 'provider',
        balance: 0n,
        registry,
        owner,
        payout: owner,
        nextPayout: owner,
        nextPayoutAt: 0,
        joined: false,
        codeVersion: 0,
        stake: 0n,
        slots: Array.from({ length: STAKE_SLOTS }, () => undefined),
        nextNumber: 0,
        versions: [],
        opened: 0,
        strikes: 0,
        strikeAt: 0,
        jailedUntil: 0,
        disputeBefore: -1,
        disputeSince: 0,
        windows: { evidence: 0, cases: 0, unbonding: 0 },
        lockedUntil: 0,
        verdicts: [],
    };
}

export const sumOf = (provider: Provider, part: 'shares' | 'frozen' | 'slashable'): bigint =>
    provider.versions.reduce((sum, version) => sum + version[part], 0n);

export const openNodes = (provider: Provider): number => provider.versions.reduce((sum, { nodes }) => sum + nodes, 0);

/** Stake and slots: all that a slash can take. */
export const bonded = (provider: Provider): bigint =>
    provider.slots.reduce((sum, slot) => sum + (slot?.amount ?? 0n), provider.stake);

export const requiredStake = (provider: Provider): bigint =>
    openNodes(provider) === 0 ? 0n : provider.rules!.baseStake + sumOf(provider, 'shares');

/**
 * Sends everything that the invariant does not hold back: the balance stays as it was plus what the ledger rose by, and
 * a message brings what it lacks of stake, slots and reserve.
 */
export function forward(
    call: Call,
    provider: Provider,
    to: Account,
    body: Parameters<Call['pass']>[2],
    bounce = false,
    { fault = false, surplus = false, paid = 0n }: { fault?: boolean; surplus?: boolean; paid?: bigint } = {},
): void {
    const original = call.state.contracts.get(call.self) as Provider | undefined;
    const ledger = bonded(provider);
    const change = ledger - (original === undefined ? 0n : bonded(original));
    const full = ledger + call.prices.providerReserve;
    const kept = provider.balance + change;
    const balance = fault ? kept : surplus ? full : max(kept, full);
    const rest = provider.balance + call.message.value - balance - paid;
    refuseIf(rest < 0n, 'ErrLowValue');
    if (fault) {
        call.range = [kept, max(kept, full)]; // it brings a part of the rent that is missing
    }
    provider.balance = balance;
    call.pass(to, rest, body, bounce);
}

export function giveBack(call: Call, provider: Provider, to: Account): Provider {
    forward(call, provider, to, { op: 'excesses' });
    return provider;
}

export function setSlot(provider: Provider, place: number, slot: StakeSlot | undefined): void {
    provider.slots = provider.slots.map((each, index) => (index === place ? slot : each));
}
