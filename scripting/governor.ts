/** What the governor's scripts share: each sends one message that only the governor may send, and renews the record. */
import { type Actor, numberToHex, type RegistryInfo } from '@cocoon-market/wrappers';
import type { Address, Cell } from '@ton/core';
import { changeText } from './change';
import { formatDuration } from './flags';
import { type Row, when } from './output';
import { openRegistry, refreshRecord } from './record';
import { ScriptError } from './scriptError';
import type { Task } from './task';
import type { ScriptSession } from './session';

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

interface Step {
    registry: Address | undefined; // as the flag says
    will: string;
    /** Why nothing has to be done; undefined if something has. */
    done(state: RegistryInfo): string | undefined | Promise<string | undefined>;
    /** Throws a ScriptError if this cannot be done in this state. */
    allowed?(state: RegistryInfo): void | Promise<void>;
    action(actor: Actor, at: Address): Promise<unknown>;
    /** Who may do this; the governor by default. */
    only?(state: RegistryInfo): Task['only'];
    anyone?: boolean;
}

/** A task of one message to the registry. `done` says from the state afterwards whether it had its effect. */
export async function registryTask(session: ScriptSession, step: Step): Promise<Task> {
    const { registry, at, state } = await openRegistry(session, step.registry);
    const found = registryRows(session, at, state);
    const resultRows = async () => {
        await refreshRecord(session, at);
        return registryRows(session, at, await registry.getRegistryState());
    };
    const nothing = await step.done(state);
    if (nothing !== undefined) {
        return { found, nothing, resultRows };
    }
    await step.allowed?.(state);
    const governor = { address: state.governor, role: 'governor' };
    return {
        found,
        will: [step.will],
        messages: await session.rehearse((actor) => step.action(actor, at)),
        ...(step.anyone ? {} : { only: step.only?.(state) ?? governor }),
        settled: async () => (await step.done(await registry.getRegistryState())) !== undefined,
        resultRows,
    };
}

/** A task that proposes a change of rules, codes or committee; `already`: why it would change nothing. */
export async function proposalTask(
    session: ScriptSession,
    args: {
        registry: Address | undefined;
        change: Cell;
        already(at: Address): Promise<string | undefined>;
        propose(actor: Actor, at: Address): Promise<unknown>;
    },
): Promise<Task> {
    const { at, state } = await openRegistry(session, args.registry);
    const already = await args.already(at);
    return registryTask(session, {
        registry: at,
        will: `propose ${changeText(session, args.change)}; it can be executed ${formatDuration(Number(state.delay))} later`,
        done: (now) => already ?? (now.change?.equals(args.change) ? 'this change waits already' : undefined),
        allowed: ({ change }) => {
            if (change !== null) {
                throw new ScriptError(
                    `Another change waits: ${changeText(session, change)}`,
                    'one at a time: run executeChange or cancelChange first',
                );
            }
        },
        action: args.propose,
    });
}
