import type { Attack } from './attacks';

/** Attacks on scripts and the chain API; part of the list in attacks.ts. */
export const scriptsAttacks: Attack[] = [];
