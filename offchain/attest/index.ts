/**
 * Attestation tiers. What is attested is that a node's two keys live in a measured machine: an authority signs, for one
 * measurement and until an expiry, the report data that binds them to the node's address. `testca` is a generated
 * authority with a true verification; `open` is no attestation at all, and a client must opt in to it.
 */
import { SigningKey, Verifier } from '@cocoon-market/wrappers';
import { createHash } from 'node:crypto';
import { Attestation } from '../link';

/** The keys that an attestation binds. */
export interface AttestedKeys {
    encryptionKey: Buffer; // X25519, 32 bytes
    receiptKey: Buffer; // Ed25519, 32 bytes
    node: Buffer; // account of the node's contract
}

export type Tier = Attestation['tier'];

/** Which attestations a client accepts. */
export interface AttestationPolicy {
    tiers: Tier[];
    authority?: Buffer; // Ed25519 public key of the testca authority
    measurements?: Buffer[]; // allowed images, 48 bytes each
}

/** SHA-512 of tag, encryption key, receipt key, node and expiry. */
export function reportData({ encryptionKey, receiptKey, node }: AttestedKeys, expiry: number): Buffer {
    const seconds = Buffer.alloc(4);
    seconds.writeUInt32BE(expiry);
    return createHash('sha512')
        .update('cocoon-market report data')
        .update(encryptionKey)
        .update(receiptKey)
        .update(node)
        .update(seconds)
        .digest();
}

function statement(report: Buffer, measurement: Buffer): Buffer {
    return createHash('sha256').update('cocoon-market testca').update(report).update(measurement).digest();
}

/** What the test authority hands to a node it has measured. */
export function issueTestCa(
    authority: SigningKey,
    keys: AttestedKeys,
    { measurement, expiry }: { measurement: Buffer; expiry: number },
): Attestation {
    const signature = authority.sign(statement(reportData(keys, expiry), measurement));
    return { tier: 'testca', measurement, expiry, signature };
}

/** Why this evidence is not good enough for the policy at `now` (unix seconds); undefined when it is. */
export function attestationFault(
    evidence: Attestation,
    keys: AttestedKeys,
    policy: AttestationPolicy,
    now: number,
): string | undefined {
    if (!policy.tiers.includes(evidence.tier)) {
        return `the node's tier is ${evidence.tier}, allowed are ${policy.tiers.join(', ')}`;
    }
    if (evidence.tier === 'open') {
        return undefined;
    }
    if (policy.authority === undefined) {
        return 'no authority is configured for tier testca';
    }
    if (evidence.expiry <= now) {
        return 'the attestation has expired';
    }
    if (policy.measurements?.some((allowed) => allowed.equals(evidence.measurement)) !== true) {
        return 'the measurement is not an allowed image';
    }
    const signed = statement(reportData(keys, evidence.expiry), evidence.measurement);
    return new Verifier(policy.authority).verify(signed, evidence.signature)
        ? undefined
        : 'the authority did not sign these keys';
}
