import type { Attack } from './attacks';

/** Attacks on the gateway's API and backends; part of the list in attacks.ts. */
export const apiAttacks: Attack[] = [];
