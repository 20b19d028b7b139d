/** What the provider's scripts share: finding the Provider, printing its state, and tasks of messages to it. */
import {
    type Actor,
    codeKinds,
    Provider,
    type ProviderState,
    Registry,
    stakeSlots,
    UnknownCode,
} from '@cocoon-market/wrappers';
import type { Address, OpenedContract } from '@ton/core';
import { address, toggle } from './flags';
import { type Row, ton, when } from './output';
import { registryFlag, registryOf } from './record';
import { ScriptError } from './scriptError';
import type { Task } from './task';
import type { ScriptSession } from './session';

/** The flags by which every script finds its Provider. */
export const providerFlags = {
    ...registryFlag,
    provider: address.optional("the Provider's account; default: that of the wallet at the market"),
};

/** The flag of scripts by which a provider agrees to codes. */
export const anyCodeFlag = {
    anyCode: toggle(
        'agree to codes of nodes and disputes that this release does not know: they can cost all the stake',
    ),
};

/** Returns what `agreeing` returns. Refuses if the market names codes that this release does not know. */
export async function requireKnownCodes<T>(agreeing: () => Promise<T>): Promise<T> {
    try {
        return await agreeing();
    } catch (error) {
        if (error instanceof UnknownCode) {
            throw new ScriptError(
                `The market's code of a ${error.kind}, ${error.hash}, is not in this release: it could take all the stake`,
                'use the release that the market runs (checkDeployment), or read that code and give --any-code',
            );
        }
        throw error;
    }
}

/** A slot of stake that is on its way out. */
export interface Slot {
    slot: number;
    amount: bigint; // nanoTON
    unlockAt: number; // unix seconds
}

/** A Provider with the state that scripts read. */
export interface OpenedProvider {
    at: Address;
    registry: Address;
    provider: OpenedContract<Provider>;
    state: ProviderState;
}

/** The Provider of an owner at a registry, newest code version first; undefined if they have none. */
export async function findProvider(
    session: ScriptSession,
    registry: Address,
    owner: Address,
): Promise<Address | undefined> {
    const opened = session.openContract(Registry.fromAddress(registry));
    const accounts: Address[] = [];
    while ((await opened.getCodeHash(BigInt(codeKinds.provider), BigInt(accounts.length))) !== 0n) {
        accounts.unshift(await opened.getProviderAddress(owner, BigInt(accounts.length)));
    }
    for (const account of accounts) {
        if ((await session.account(account)).active) {
            return account;
        }
    }
    return undefined;
}

/** The Provider that a script works on. Refuses when there is none. */
export async function openProvider(
    session: ScriptSession,
    flags: { registry: Address | undefined; provider: Address | undefined },
): Promise<OpenedProvider> {
    const registry = await registryOf(session, flags.registry);
    const at = flags.provider ?? (await findProvider(session, registry, session.actor));
    if (at === undefined || !(await session.account(at)).active) {
        const whose = at === undefined ? `of ${session.formatWallet(session.actor)}` : `at ${session.format(at)}`;
        throw new ScriptError(`There is no Provider ${whose}`, 'run joinMarket, or name one with --provider');
    }
    const provider = session.openContract(Provider.fromAddress(at));
    return { at, registry, provider, state: await provider.getProviderState() };
}

/** Slots of a Provider that hold something. */
export async function slotsOf(provider: OpenedContract<Provider>): Promise<Slot[]> {
    const slots: Slot[] = [];
    for (let slot = 0; slot < stakeSlots; slot++) {
        const { amount, unlockAt } = await provider.getStakeSlot(BigInt(slot));
        slots.push({ slot, amount, unlockAt: Number(unlockAt) });
    }
    return slots.filter(({ amount }) => amount > 0n);
}

/** The rows that describe a Provider. */
export async function providerRows(
    session: ScriptSession,
    { at, provider }: Pick<OpenedProvider, 'at' | 'provider'>,
): Promise<Row[]> {
    const state = await provider.getProviderState();
    const rows: Row[] = [
        ['provider', session.format(at)],
        ['owner', session.formatWallet(state.owner)],
        ['stake', `${ton(state.stake)}, required ${ton(state.requiredStake)}`],
        ...(await slotsOf(provider)).map(({ slot, amount, unlockAt }): Row => [
            `slot ${slot}`,
            `${ton(amount)}, free at ${when(unlockAt)}`,
        ]),
        ['nodes', `${state.nodes} with ${state.gpus} GPUs`],
        ['rules', `version ${state.rulesVersion}`],
    ];
    if (state.rulesVersion === 0n) {
        return rows;
    }
    const { frozen, strikes, jailedUntil, jailed } = await provider.getStanding();
    const jail = jailedUntil > 0n ? `in jail until ${when(Number(jailedUntil))}` : jailed ? 'stake too low' : 'good';
    const { payout, nextPayout, nextPayoutAt, operator } = await provider.getMembershipNow();
    const next = nextPayout.equals(payout)
        ? ''
        : `, ${session.formatWallet(nextPayout)} from ${when(Number(nextPayoutAt))}`;
    return [
        ...rows,
        ['payout', `${session.formatWallet(payout)}${next}`],
        ['operator', operator === null ? 'nobody but the owner' : session.formatWallet(operator)],
        ['standing', `${jail}; ${strikes} strikes, ${ton(frozen)} frozen by cases`],
        ['surplus', ton(state.surplus)],
    ];
}

interface Step {
    will: string;
    action(actor: Actor, at: Address): Promise<unknown>;
    /** True once it has happened. */
    done(now: OpenedProvider): Promise<boolean> | boolean;
    retained?: bigint;
    stays?: Row[];
    anyone?: boolean;
}

/** A task of messages to a Provider; a step that is a text says why there is nothing to do. */
export async function providerTask(
    session: ScriptSession,
    flags: { registry: Address | undefined; provider: Address | undefined },
    decide: (opened: OpenedProvider) => Promise<Step | string> | Step | string,
): Promise<Task> {
    const opened = await openProvider(session, flags);
    const found = await providerRows(session, opened);
    const step = await decide(opened);
    if (typeof step === 'string') {
        return { found, nothing: step };
    }
    const messages = await session.rehearse((actor) => step.action(actor, opened.at));
    return {
        found,
        will: [step.will],
        messages,
        ...(step.anyone ? {} : { only: { address: opened.state.owner, role: 'owner of the Provider' } }),
        retained: step.retained ?? 0n,
        stays: step.stays ?? [],
        settled: async (sent) =>
            sent < messages.length || step.done({ ...opened, state: await opened.provider.getProviderState() }),
        resultRows: () => providerRows(session, opened),
    };
}
