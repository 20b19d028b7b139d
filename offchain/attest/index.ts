/**
 * AttestationProof tiers. What is attested is that a node's two keys live in a measured machine, until an expiry. `tdx`: the
 * quote of an Intel TDX machine; `testca`: a generated authority with a true verification; `open`: no attestation at all,
 * to which a client must opt in.
 */
import type { Tier } from '@cocoon-market/wrappers';
import { AttestationProof } from '../link';
import { AttestedKeys } from './keys';
import { tdxRejection } from './tdx';
import { testCaRejection } from './testca';

export { reportData } from './keys';
export type { AttestedKeys } from './keys';
export { readQuote } from './quote';
export { MAX_TDX_LIFETIME } from './tdx';
export { issueTestCa } from './testca';

/** The one shortcoming that a node can mend by itself, by renewing its attestation. */
export const EXPIRED = 'the attestation has expired';

/** Which attestations a client accepts. */
export interface AttestationPolicy {
    tiers: readonly Tier[];
    authority?: Buffer; // Ed25519 public key of the testca authority
    measurements?: readonly Buffer[]; // allowed images, 48 bytes each
    tcbStatuses?: readonly string[]; // of TDX machines; default UpToDate alone
    tdxRoot?: Buffer; // SHA-256 of the certificate at the root of quotes; default Intel's
}

/** Why this evidence is not good enough for the policy at `now` (unix seconds); undefined when it is. */
export function rejectionOf(
    attestation: AttestationProof,
    keys: AttestedKeys,
    { tiers, authority, measurements = [], tcbStatuses = ['UpToDate'], tdxRoot }: AttestationPolicy,
    now: number,
): string | undefined {
    if (!tiers.includes(attestation.tier)) {
        return `the node's tier is ${attestation.tier}, allowed are ${tiers.join(', ')}`;
    }
    if (attestation.tier === 'open') {
        return undefined;
    }
    if (attestation.expiry <= now) {
        return EXPIRED;
    }
    return attestation.tier === 'testca'
        ? testCaRejection(attestation, keys, { authority, measurements })
        : tdxRejection(
              attestation,
              keys,
              { measurements, statuses: tcbStatuses, ...(tdxRoot && { root: tdxRoot }) },
              now,
          );
}
