import type { Attack } from './attacks';

/** Attacks on cells from outside, sends and values; part of the list in attacks.ts. */
export const cellsAttacks: Attack[] = [];
