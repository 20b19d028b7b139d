/** What the governor's scripts share: each sends one message that only the governor may send, and renews the record. */
import { type Actor, numberToHex, parseRules, Registry, type RegistryInfo } from '@cocoon-market/wrappers';
import { Address, type Cell } from '@ton/core';
import { changeText } from './change';
import { type Flags, type FlagValues, formatDuration } from './flags';
import { type Row, when } from './output';
import { type OpenedRegistry, openRegistry, recordOf, refreshRecord, registryFlag } from './record';
import { ScriptError } from './scriptError';
import { type About, type Run, script } from './script';
import type { ScriptSession } from './session';
import { stepTask } from './step';
import type { Task } from './task';

/** The rows that describe a registry. */
export function registryRows(session: ScriptSession, at: Address, state: RegistryInfo): Row[] {
    const rows: Row[] = [
        ['registry', session.format(at)],
        ['governor', session.formatWallet(state.governor)],
        ['rules', state.rulesVersion === 0n ? 'not launched' : `version ${state.rulesVersion}`],
        ['new work', state.paused ? 'paused' : 'welcome'],
        ['catalogue', numberToHex(state.catalogue)],
        ['waiting change', waitingText(session, state)],
    ];
    return state.nextGovernor === null
        ? rows
        : [...rows, ['proposed governor', session.formatWallet(state.nextGovernor)]];
}

function waitingText(session: ScriptSession, { change, executeAt }: RegistryInfo): string {
    return change === null ? 'none' : `${changeText(session, change)}; from ${when(Number(executeAt))}`;
}

interface RegistryStep {
    will: string;
    /** Why nothing has to be done; undefined if something has. */
    done(state: RegistryInfo): string | undefined;
    /** Throws a ScriptError if this cannot be done in this state. */
    allowed?(state: RegistryInfo): void | Promise<void>;
    action(actor: Actor, at: Address): Promise<unknown>;
    /** Who may do this; the governor by default. */
    only?(state: RegistryInfo): Task['only'];
    anyone?: boolean;
}

interface RegistrySpec<F extends Flags> extends Pick<About, 'name' | 'about' | 'group'> {
    flags?: F;
    step(session: ScriptSession, opened: OpenedRegistry, values: FlagValues<F>): Promise<RegistryStep> | RegistryStep;
}

/** A script of one message to the registry, which renews the record. */
export function registryScript<F extends Flags = Record<never, never>>({
    flags,
    step,
    ...about
}: RegistrySpec<F>): Run {
    return script({
        ...about,
        flags: { ...registryFlag, ...flags },
        prepare: async (session, values) => {
            const opened = await openRegistry(session, values.registry);
            return registryTask(session, opened, await step(session, opened, values as FlagValues<F>));
        },
    });
}

// `done` says from the state afterwards whether the message had its effect.
async function registryTask(session: ScriptSession, { registry, at, state }: OpenedRegistry, step: RegistryStep) {
    const read = () => registry.getRegistryState();
    const rows = (now: RegistryInfo) => registryRows(session, at, now);
    const only = step.only?.(state) ?? { address: state.governor, role: 'governor' };
    const nothing = step.done(state);
    if (nothing === undefined) {
        await step.allowed?.(state);
    }
    const { will, anyone = false } = step;
    const action = (actor: Actor) => step.action(actor, at);
    const done = (now: RegistryInfo) => step.done(now) !== undefined;
    const subject = { present: state, read, rows, only };
    const task = await stepTask(session, subject, nothing ?? { will, anyone, action, done });
    const resultRows = async () => {
        await refreshRecord(session, at);
        return rows(await read());
    };
    return { ...task, resultRows };
}

/**
 * Who the insurance is now. It gets the rest of each slash, so no endpoint names it alone: one could name a wallet of
 * its own, and the governor would propose that.
 * @throws {ScriptError} if another endpoint, or the record of this market, names another
 */
export async function presentInsurance(session: ScriptSession, { registry, at }: OpenedRegistry): Promise<Address> {
    const insuranceBy = async (market: Pick<OpenedRegistry['registry'], 'getRules'>) =>
        parseRules(await market.getRules()).insurance;
    const present = await insuranceBy(registry);
    const others = session.network.chain?.others ?? [];
    const answers = await Promise.allSettled(others.map((one) => insuranceBy(one.open(Registry.fromAddress(at)))));
    const names = answers.flatMap((answer) => (answer.status === 'fulfilled' ? [answer.value] : []));
    const record = recordOf(session);
    if (record !== undefined && Address.parseRaw(record.registry).equals(at)) {
        names.push(Address.parseRaw(record.rules.insurance));
    }
    const other = names.find((name) => !name.equals(present));
    if (other !== undefined) {
        throw new ScriptError(
            `The endpoint says that the insurance is ${session.formatWallet(present)}; ` +
                `another one, or the record, says ${session.formatWallet(other)}`,
            'name it with --insurance',
        );
    }
    return present;
}

/** The step that proposes a change of rules, codes or committee; `already`: why it would change nothing. */
export function proposalStep(
    session: ScriptSession,
    { state }: OpenedRegistry,
    args: { change: Cell; already: string | undefined; propose: RegistryStep['action'] },
): RegistryStep {
    return {
        will: `propose ${changeText(session, args.change)}; it can be executed ${formatDuration(Number(state.delay))} later`,
        done: (now) => args.already ?? (now.change?.equals(args.change) ? 'this change waits already' : undefined),
        allowed: ({ change }) => {
            if (change !== null) {
                throw new ScriptError(
                    `Another change waits: ${changeText(session, change)}`,
                    'one at a time: run executeChange or cancelChange first',
                );
            }
        },
        action: args.propose,
    };
}
