/** The outcome of one check, and how a check is run: with a limit of time, and with its remedy. */
import { setTimeout as sleep } from 'node:timers/promises';
import { reasonOf, Remedied } from '../../process/errors';

export interface Finding {
    check: string;
    state: 'ok' | 'warning' | 'failed' | 'skipped';
    message: string;
    remedy?: string;
    /** A worker must not start with it. */
    blocks?: true;
}

/** Why a check fails, and what to do. `blocks`: a worker must not start with it. */
export class Failure extends Error {
    constructor(
        message: string,
        readonly remedy: string,
        readonly blocks = false,
    ) {
        super(message);
    }
}

/** A failure with which a worker must not start. `remedy`: for an error without one of its own. */
export function blocking(error: unknown, remedy: string): Failure {
    return error instanceof Remedied
        ? new Failure(error.what, error.remedy ?? remedy, true)
        : new Failure(reasonOf(error), remedy, true);
}

/** What a check says when it does not fail: text when all is well. */
export type Passed = string | { state: 'warning' | 'skipped'; message: string; remedy?: string };

export interface Check {
    name: string;
    /** What to do about an error for which the check has no remedy of its own. */
    remedy: string;
    seconds?: number; // default 10
    run: () => Promise<Passed> | Passed;
}

export const skipped = (message: string): Passed => ({ state: 'skipped', message });
export const warning = (message: string, remedy: string): Passed => ({ state: 'warning', message, remedy });

const SECONDS = 10;

/** Runs a check. Never throws. */
export async function runCheck({ name, remedy, seconds = SECONDS, run }: Check): Promise<Finding> {
    const stopped = new AbortController();
    const late = sleep(seconds * 1000, undefined, { signal: stopped.signal }).then(() => {
        throw new Failure(`it took longer than ${seconds} s`, remedy);
    });
    late.catch(() => undefined);
    try {
        const passed = await Promise.race([(async () => run())(), late]);
        return typeof passed === 'string' ? { check: name, state: 'ok', message: passed } : { check: name, ...passed };
    } catch (error) {
        const blocks = error instanceof Failure && error.blocks;
        return {
            check: name,
            state: 'failed',
            message: reasonOf(error),
            remedy: error instanceof Failure ? error.remedy : remedy,
            ...(blocks && { blocks }),
        };
    } finally {
        stopped.abort();
    }
}
