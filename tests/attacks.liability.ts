import type { Attack } from './attacks';

/** Attacks on liability, shares and consents; part of the list in attacks.ts. */
export const liabilityAttacks: Attack[] = [];
