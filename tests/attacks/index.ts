/**
 * Every attack that the contracts and the two processes withstand. `npm run attacks` runs exactly their tests;
 * docs/attacks.md is generated from these lists by `npm run generate`.
 */
import { apiAttacks } from './api';
import type { Attack } from './attack';
import { cellsAttacks } from './cells';
import { channelAttacks } from './channel';
import { clientsAttacks } from './clients';
import { contractsAttacks } from './contracts';
import { disputeAttacks } from './disputes';
import { doorsAttacks } from './doors';
import { escrowAttacks } from './escrow';
import { gatewayAttacks } from './gateway';
import { journeysAttacks } from './journeys';
import { liabilityAttacks } from './liability';
import { providerAttacks } from './provider';
import { scriptsAttacks } from './scripts';
import { workerAttacks } from './worker';

export { type Attack, sources } from './attack';
export { inapplicable } from './inapplicable';

/** Attacks by area; the title completes "Attacks on …". */
export const areas: { title: string; attacks: Attack[] }[] = [
    { title: 'channels and vouchers', attacks: channelAttacks },
    { title: 'escrows and orders', attacks: escrowAttacks },
    { title: 'stake, nodes, rules and registration', attacks: providerAttacks },
    { title: 'liability, shares and consent', attacks: liabilityAttacks },
    { title: 'faults and cases', attacks: disputeAttacks },
    { title: 'several contracts at once', attacks: contractsAttacks },
    { title: 'cells from outside, sends and values', attacks: cellsAttacks },
    { title: 'whole journeys', attacks: journeysAttacks },
    { title: 'the worker', attacks: workerAttacks },
    { title: 'the gateway', attacks: gatewayAttacks },
    { title: "the gateway's API and the backends", attacks: apiAttacks },
    { title: 'clients without a gateway', attacks: clientsAttacks },
    { title: 'open ports, stores and attestation', attacks: doorsAttacks },
    { title: "scripts and the chain's API", attacks: scriptsAttacks },
];

export const attacks: Attack[] = areas.flatMap((area) => area.attacks);
