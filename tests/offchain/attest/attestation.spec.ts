import { rejectionOf, AttestationPolicy, issueTestCa, reportData } from '../../../offchain/attest';
import { signingKey } from '@cocoon-market/wrappers';

const authority = signingKey(Buffer.alloc(32, 1));
const keys = { encryptionKey: Buffer.alloc(32, 2), receiptKey: Buffer.alloc(32, 3), node: Buffer.alloc(32, 4) };
const measurement = Buffer.alloc(48, 5);
const now = 1_800_000_000;
const evidence = issueTestCa(authority, keys, { measurement, expiry: now + 3600 });
const policy: AttestationPolicy = {
    tiers: ['testca'],
    authority: authority.publicKey,
    measurements: [measurement],
};

describe('attestation', () => {
    it('of tier testca is good for the keys, image and time it was issued for', () => {
        expect(rejectionOf(evidence, keys, policy, now)).toBeUndefined();
    });

    it('is good until its expiry and not at it', () => {
        expect(rejectionOf(evidence, keys, policy, now + 3599)).toBeUndefined();
        expect(rejectionOf(evidence, keys, policy, now + 3600)).toBe('the attestation has expired');
    });

    it.each(['encryptionKey', 'receiptKey', 'node'] as const)('is not good for another %s', (field) => {
        const other = { ...keys, [field]: Buffer.alloc(32, 9) };

        expect(rejectionOf(evidence, other, policy, now)).toBe('the authority did not sign these keys');
    });

    it('is not good with a later expiry than was signed', () => {
        const stretched = { ...evidence, expiry: now + 7200 } as typeof evidence;

        expect(rejectionOf(stretched, keys, policy, now)).toBe('the authority did not sign these keys');
    });

    it('is not good from another authority', () => {
        const foreign = issueTestCa(signingKey(Buffer.alloc(32, 8)), keys, { measurement, expiry: now + 3600 });

        expect(rejectionOf(foreign, keys, policy, now)).toBe('the authority did not sign these keys');
    });

    it('is not good for an image that is not allowed', () => {
        expect(rejectionOf(evidence, keys, { ...policy, measurements: [Buffer.alloc(48)] }, now)).toBe(
            'the measurement is not an allowed image',
        );
    });

    it('of tier open needs the client to opt in', () => {
        expect(rejectionOf({ tier: 'open' }, keys, policy, now)).toContain("the node's tier is open");
        expect(rejectionOf({ tier: 'open' }, keys, { tiers: ['open'] }, now)).toBeUndefined();
    });

    it('has report data of 64 bytes', () => {
        expect(reportData(keys, now)).toHaveLength(64);
    });
});
