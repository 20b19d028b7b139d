import type { Attack } from './attacks';

/** Attacks on the worker; part of the list in attacks.ts. */
export const workerAttacks: Attack[] = [];
