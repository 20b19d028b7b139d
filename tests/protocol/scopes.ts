/** What the searches of the model cover. */
import type { Scope } from './state';

const plain: Scope = {
    ...{ queries: 2, frames: 2, kills: 0, losses: 0, restores: 0, lies: 0, forgeries: 0 },
    ...{ hostile: 'nobody', startSteps: 1, hasEnds: true, hasPatience: true },
};

export const scopes = {
    kills: { ...plain, kills: 2, losses: 1 },
    losses: { ...plain, kills: 1, losses: 2 },
    credit: { ...plain, queries: 1, frames: 6, kills: 1, losses: 1 },
    restores: { ...plain, kills: 2, restores: 1 },
    lies: { ...plain, kills: 1, lies: 2 },
    client: { ...plain, queries: 3, kills: 1, losses: 1, forgeries: 1, hostile: 'gateway' },
    node: { ...plain, kills: 1, losses: 1, forgeries: 2, hostile: 'worker' },
} satisfies Record<string, Scope>;

export type ScopeName = keyof typeof scopes;

/**
 * A scope whose steps real processes can follow. They wait by their own clocks, so nobody loses patience in it, and
 * credit over several jobs is wide. Each trace ends with a settled job, and none is settled before.
 */
export const replayed = (scope: Scope): Scope => ({ ...scope, startSteps: 1000, hasEnds: false, hasPatience: false });
