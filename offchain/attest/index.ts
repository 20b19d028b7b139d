/**
 * Checks attestations: proofs that a node's two keys are in a measured machine, until an expiry. The tiers are
 * `tdx`: the quote of an Intel TDX machine; `testca`: a generated authority, verified in the same way; `open`: no
 * attestation, to which a client must opt in.
 */
import type { Tier } from '@cocoon-market/wrappers';
import { AttestationProof } from '../link';
import { AttestedKeys } from './keys';
import { tdxRejection } from './tdx';
import { testCaRejection } from './testca';

export { reportData } from './keys';
export type { AttestedKeys } from './keys';
export { readQuote } from './quote';
export { MAX_TDX_LIFETIME, UNBOUND } from './tdx';
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

/** Why the policy rejects this attestation at `now` (unix seconds); undefined when it accepts it. */
export function rejectionOf(
    attestation: AttestationProof,
    keys: AttestedKeys,
    policy: AttestationPolicy,
    now: number,
): string | undefined {
    const { tiers, measurements = [], tcbStatuses = ['UpToDate'] } = policy;
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
        ? testCaRejection(attestation, keys, { ...policy, measurements })
        : tdxRejection(attestation, keys, { ...policy, measurements, tcbStatuses }, now);
}
