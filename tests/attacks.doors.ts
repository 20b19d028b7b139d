import type { Attack } from './attacks';

/** Attacks on strangers at the doors, stores and attestation; part of the list in attacks.ts. */
export const doorsAttacks: Attack[] = [];
