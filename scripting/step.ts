/** One step of one account: what every family of scripts makes its tasks of. */
import type { Actor } from '@cocoon-market/wrappers';
import type { Row } from './output';
import type { ScriptSession } from './session';
import type { Task } from './task';

/** An account that a script looks at and changes; `S` is its state. */
export interface Subject<S> {
    present: S; // as it was read
    read(): Promise<S>;
    rows(now: S): Promise<Row[]> | Row[];
    /** Who has to send; anyone if left out. */
    only?: Task['only'];
}

/** What is sent, and when it has had its effect. */
export interface ScriptStep<S> extends Pick<Task, 'retained' | 'stays' | 'only'> {
    will?: string;
    action(actor: Actor): Promise<unknown>;
    /** True once it has happened. */
    done(now: S): Promise<boolean> | boolean;
    anyone?: boolean;
    /** What was requested and is not so after the task: a line each. */
    unmet?(now: S): Promise<string[]> | string[];
}

/** Why nothing has to be sent, and what differs from the request. A text says only why. */
export type Nothing = string | (Required<Pick<Task, 'nothing'>> & Pick<Task, 'differs' | 'resultRows'>);

/** The task of a step. */
export async function stepTask<S>(
    session: ScriptSession,
    { present, read, rows, only }: Subject<S>,
    step: ScriptStep<S> | Nothing,
): Promise<Task> {
    const found = await rows(present);
    if (typeof step === 'string') {
        return { found, nothing: step };
    }
    if ('nothing' in step) {
        return { found, ...step };
    }
    const { will, action, done, anyone, unmet, ...task } = step;
    const messages = await session.rehearse(action);
    return {
        found,
        messages,
        ...(will === undefined ? {} : { will: [will] }),
        ...(only === undefined || anyone ? {} : { only }),
        ...task,
        settled: async (sent) => sent < messages.length || done(await read()),
        unmet: async () => (await unmet?.(await read())) ?? [],
        resultRows: async () => rows(await read()),
    };
}
