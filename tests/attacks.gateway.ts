import type { Attack } from './attacks';

/** Attacks on the gateway; part of the list in attacks.ts. */
export const gatewayAttacks: Attack[] = [];
