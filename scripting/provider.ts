/** What the provider's scripts share: finding the Provider, printing its state, and tasks of messages to it. */
import type { Actor, ProviderState } from '@cocoon-market/wrappers';
import { codeHashes, codeId, Provider, Registry, stakeSlots, UnknownCode } from '@cocoon-market/wrappers';
import type { Address, OpenedContract } from '@ton/core';
import { address, type Flags, type FlagValues, toggle } from './flags';
import { type Row, ton, when } from './output';
import { registryFlag, registryOf } from './record';
import { ScriptError } from './scriptError';
import { type About, type Run, script } from './script';
import type { ScriptSession } from './session';
import { type ScriptStep, stepTask } from './step';

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

/** The flag of the script that adds stake. */
export const ownCodeFlag = {
    anyCode: toggle('believe a Provider of a code that this release does not know: it could keep the stake'),
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
    for (let version = (await codesOf(session, registry)).length - 1; version >= 0; version--) {
        const account = await opened.getProviderAddress(owner, BigInt(version));
        if ((await session.account(account)).active) {
            await requireOwn(session, account, registry, owner);
            return account;
        }
    }
    return undefined;
}

/**
 * Refuses an account that an endpoint names, unless its address follows from market, owner and the code of this
 * release: it would get stake, and say what messages have to bring.
 */
async function requireOwn(session: ScriptSession, account: Address, registry: Address, owner: Address): Promise<void> {
    if (!(await Provider.ofOwner(registry, owner)).address.equals(account)) {
        throw new ScriptError(
            `The endpoint names ${session.format(account)} as your Provider, and it is none with the code of this release`,
            'if you know that it is yours, name it with --provider; nothing was sent',
        );
    }
}

/** Hashes of the codes of Providers that a registry names, by version. */
function codesOf(session: ScriptSession, registry: Address): Promise<bigint[]> {
    return codeHashes(session.openContract(Registry.fromAddress(registry)), 'provider');
}

/**
 * The Provider that a script works on. Refuses when there is none, and another contract: it would say what a message to
 * it has to bring.
 */
export async function openProvider(
    session: ScriptSession,
    flags: { registry: Address | undefined; provider: Address | undefined },
): Promise<OpenedProvider> {
    const registry = await registryOf(session, flags.registry);
    const at = flags.provider ?? (await findProvider(session, registry, session.actor));
    const account = at && (await session.account(at));
    if (at === undefined || account?.active !== true) {
        const whose = at === undefined ? `of ${session.formatWallet(session.actor)}` : `at ${session.format(at)}`;
        throw new ScriptError(`There is no Provider ${whose}`, 'run joinMarket, or name one with --provider');
    }
    if (flags.provider !== undefined && !(await codesOf(session, registry)).includes(codeId(account.code!).hash)) {
        throw notOfMarket(session, at);
    }
    const provider = session.openContract(Provider.fromAddress(at));
    const state = await provider.getProviderState();
    // Anybody deploys a code of the market with data of their own, such as a stake that nobody paid.
    if (!(await Provider.ofOwner(registry, state.owner, account.code)).address.equals(at)) {
        throw notOfMarket(session, at);
    }
    return { at, registry, provider, state };
}

const notOfMarket = (session: ScriptSession, at: Address) =>
    new ScriptError(
        `The account ${session.format(at)} is no provider of this market`,
        'look at the address, or name its market with --registry',
    );

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
    const { payout, nextPayout, nextPayoutAt, operator } = await provider.getMembership();
    const [pays, paysNext] = [payoutText(session, payout), payoutText(session, nextPayout)];
    const next = pays === paysNext ? '' : `, ${paysNext} from ${when(Number(nextPayoutAt))}`;
    return [
        ...rows,
        ['payout', `${pays}${next}`],
        ['operator', operator === null ? 'nobody but the owner' : session.formatWallet(operator)],
        ['standing', `${jail}; ${strikes} strikes, ${ton(frozen)} frozen by cases`],
        ['surplus', ton(state.surplus)],
    ];
}

/** A payout as scripts show it: an owner may have named no account. */
export const payoutText = (session: ScriptSession, payout: Address | undefined): string =>
    payout === undefined ? 'no account' : session.formatWallet(payout);

/** A step of a Provider; its action is told the account. */
interface ProviderStep extends Omit<ScriptStep<OpenedProvider>, 'action'> {
    action(actor: Actor, at: Address): Promise<unknown>;
}

interface ProviderSpec<F extends Flags> extends Pick<About, 'name' | 'about'> {
    flags?: F;
    step(
        session: ScriptSession,
        opened: OpenedProvider,
        values: FlagValues<F>,
    ): Promise<ProviderStep | string> | ProviderStep | string;
}

/** A script of messages to a Provider, from its owner; a step that is a text says why there is nothing to do. */
export function providerScript<F extends Flags = Record<never, never>>({
    flags,
    step: decide,
    ...about
}: ProviderSpec<F>): Run {
    return script({
        ...about,
        group: 'provider',
        flags: { ...providerFlags, ...flags },
        prepare: async (session, values) => {
            const present = await openProvider(session, values);
            const { at, provider, state } = present;
            const step = await decide(session, present, values as FlagValues<F>);
            return stepTask(
                session,
                {
                    present,
                    read: async () => ({ ...present, state: await provider.getProviderState() }),
                    rows: (now) => providerRows(session, now),
                    only: { address: state.owner, role: 'owner of the Provider' },
                },
                typeof step === 'string' ? step : { ...step, action: (actor) => step.action(actor, at) },
            );
        },
    });
}
