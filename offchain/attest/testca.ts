/** The generated authority of tests: its signature takes the place of a machine's quote. */
import { SigningKey, Verifier } from '@cocoon-market/wrappers';
import { createHash } from 'node:crypto';
import { AttestationProof } from '../link';
import { AttestedKeys, reportData } from './keys';

type TestCaAttestation = Extract<AttestationProof, { tier: 'testca' }>;

function statement(report: Buffer, measurement: Buffer): Buffer {
    return createHash('sha256').update('cocoon-market testca').update(report).update(measurement).digest();
}

/** The attestation that the test authority gives a node. */
export function issueTestCa(
    authority: SigningKey,
    keys: AttestedKeys,
    { measurement, expiry }: { measurement: Buffer; expiry: number },
): TestCaAttestation {
    const signature = authority.sign(statement(reportData(keys, expiry), measurement));
    return { tier: 'testca', measurement, expiry, signature };
}

/** Why the authority (Ed25519 public key) has not attested these keys; undefined when it has. */
export function testCaRejection(
    { measurement, expiry, signature }: TestCaAttestation,
    keys: AttestedKeys,
    { authority, measurements }: { authority?: Buffer; measurements: readonly Buffer[] },
): string | undefined {
    if (authority === undefined) {
        return 'no authority is configured for tier testca';
    }
    if (!measurements.some((allowed) => allowed.equals(measurement))) {
        return 'the measurement is not an allowed image';
    }
    return new Verifier(authority).verify(statement(reportData(keys, expiry), measurement), signature)
        ? undefined
        : 'the authority did not sign these keys';
}
