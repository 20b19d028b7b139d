/**
 * Every bit of a quote, of its certificates, its revocation lists and the rest of its collateral, flipped by itself:
 * each flip is refused, but for those that are listed with why they mean nothing. `FLIPS=all` takes all eight bits of
 * every byte; without it one of them is taken of each, another in every byte.
 */
import { rejectionOf, AttestationPolicy, readQuote, reportData } from '../../../offchain/attest';
import { bitsOf, bytesOfBits, naturalOf, row, timeOf } from '../../../offchain/attest/der';
import { revocationList } from '../../../offchain/attest/x509';
import { bits, der, octets } from '../support/der';
import { Lies, NOW, TestIntel } from '../support/intel';

// The certificates that no flip changes are decoded once: to decode them anew for each took half of this file's time.
jest.mock('node:crypto', () => {
    const crypto = jest.requireActual<typeof import('node:crypto')>('node:crypto');
    const decoded = new Map<string, object>(); // by the DER; the first ones, which are those of the good evidence
    const decode = (der: Buffer): object => {
        const text = der.toString('latin1');
        const certificate = decoded.get(text) ?? new crypto.X509Certificate(der);
        if (decoded.size < 16) {
            decoded.set(text, certificate);
        }
        return certificate;
    };
    const X509Certificate = function (der: Buffer) {
        return decode(der);
    };
    return { ...crypto, X509Certificate };
});

const intel = new TestIntel();
const keys = { encryptionKey: Buffer.alloc(32, 2), receiptKey: Buffer.alloc(32, 3), node: Buffer.alloc(32, 4) };
const expiry = NOW + 3600;
const make = (lies: Lies = {}) => intel.evidence(reportData(keys, expiry), expiry, lies);
const good = make();
const { measurement } = readQuote(good.quote);
const policy: AttestationPolicy = { tiers: ['tdx'], measurements: [measurement], tdxRoot: intel.root };
const faultOf = (evidence: typeof good) => rejectionOf(evidence, keys, policy, NOW);

const ALL = process.env.FLIPS === 'all';

/** Where a flipped bit is taken, as `byte.bit`. */
function taken(bytes: Buffer, evidenceOf: (changed: Buffer) => typeof good): string[] {
    const found: string[] = [];
    const changed = Buffer.from(bytes);
    for (let at = 0; at < bytes.length; at++) {
        for (const bit of ALL ? [0, 1, 2, 3, 4, 5, 6, 7] : [at % 8]) {
            changed[at] = bytes[at] ^ (1 << bit);
            if (faultOf(evidenceOf(changed)) === undefined) {
                found.push(`${at}.${bit}`);
            }
        }
        changed[at] = bytes[at];
    }
    return found;
}

const with_ = (change: Partial<typeof good.collateral>) => ({ ...good, collateral: { ...good.collateral, ...change } });

/** The DER of the certificates of a PEM text, and the text with one of them replaced. */
function certificates(text: string): { der: Buffer; in: (changed: Buffer) => string }[] {
    return [...text.matchAll(/-----BEGIN CERTIFICATE-----\n([^-]*)-----END CERTIFICATE-----\n/g)].map((found) => ({
        der: Buffer.from(found[1], 'base64'),
        in: (changed) =>
            text.slice(0, found.index) +
            `-----BEGIN CERTIFICATE-----\n${changed.toString('base64').replace(/.{1,64}/g, '$&\n')}-----END CERTIFICATE-----\n` +
            text.slice(found.index + found[0].length),
    }));
}

describe('A flipped bit', () => {
    it('of a quote is refused at every byte', () => {
        expect(faultOf(good)).toBeUndefined();
        expect(taken(good.quote, (quote) => ({ ...good, quote }))).toEqual([]);
    }, 900_000);

    it.each(['tcbInfoChain', 'qeIdentityChain'] as const)(
        'of a certificate in %s is refused, without exception',
        (chain) => {
            const all = certificates(good.collateral[chain]);
            expect(all).toHaveLength(2);
            for (const { der: bytes, in: replaced } of all) {
                expect(faultOf(with_({ [chain]: replaced(bytes) }))).toBeUndefined();
                expect(taken(bytes, (changed) => with_({ [chain]: replaced(changed) }))).toEqual([]);
            }
        },
        900_000,
    );

    it("of a certificate in the quote's chain is refused, without exception", () => {
        const chain = readQuote(good.quote).chain;
        const all = certificates(chain);
        expect(all).toHaveLength(3);
        for (const [i, { der: bytes, in: replaced }] of all.entries()) {
            const found = taken(bytes, (changed) => make({ chain: () => replaced(changed) }));
            expect({ certificate: i, found }).toEqual({ certificate: i, found: [] });
        }
    }, 900_000);

    it.each(['rootCrl', 'pckCrl', 'tcbInfoSignature', 'qeIdentitySignature'] as const)(
        'of %s is refused, without exception',
        (piece) => {
            expect(taken(good.collateral[piece], (bytes) => with_({ [piece]: bytes }))).toEqual([]);
        },
        900_000,
    );

    it.each(['tcbInfo', 'qeIdentity', 'tcbInfoChain', 'qeIdentityChain'] as const)(
        'of the text of %s is refused, without exception',
        (piece) => {
            const text = Buffer.from(good.collateral[piece], 'latin1');
            expect(taken(text, (bytes) => with_({ [piece]: bytes.toString('latin1') }))).toEqual([]);
        },
        900_000,
    );
});

describe('A report that is well signed', () => {
    it.each([
        ['MRSEAM, first byte', 16],
        ['MRSEAM, last byte', 63],
        ['TDATTRIBUTES, first byte after debugging', 121],
        ['TDATTRIBUTES, last byte', 127],
        ['XFAM, first byte', 128],
        ['XFAM, last byte', 135],
    ])('is of another measurement with another %s', (_, at) => {
        expect(faultOf(make({ report: (report) => (report[at] ^= 1) }))).toBe(
            'the measurement is not an allowed image',
        );
    });

    it.each([
        ['the last byte of a reserved field', 31],
        ['a product of another family', 47],
        ['the second reserved field', 96],
        ['the third reserved field', 160],
        ['a configuration', 255],
        ["a configuration's version", 260],
        ['a product family', 319],
    ])('of a quoting enclave with %s is refused', (_, at) => {
        expect(faultOf(make({ qeReport: (report) => (report[at] ^= 1) }))).toBe(
            'the quote is refused: The quote has something in a reserved field of the quoting enclave',
        );
    });

    it.each([352, 383])('of a quoting enclave says nothing after its hash: byte %i', (at) => {
        expect(faultOf(make({ qeReport: (report) => (report[at] ^= 1) }))).toBe(
            'the quote is refused: The quote has something after the hash in the report of the quoting enclave',
        );
    });

    it('of a quoting enclave of another measurement or machine level is taken: Intel names neither', () => {
        expect(faultOf(make({ qeReport: (report) => (report[64] ^= 1) }))).toBeUndefined();
        expect(faultOf(make({ qeReport: (report) => (report[0] ^= 1) }))).toBeUndefined();
    });
});

describe('The DER of certificates and lists', () => {
    const one = (bytes: Buffer) => row(bytes)[0];

    it.each([
        ['bits that are not used and not zeros', () => bitsOf(one(bits(Buffer.of(0x03), 1)))],
        ['more than seven unused bits', () => bitsOf(one(bits(Buffer.of(0), 8)))],
        ['unused bits of no bits', () => bitsOf(one(bits(Buffer.alloc(0), 1)))],
        ['a bit string without its count', () => bitsOf(one(der(3)))],
        ['a signature that does not end with a byte', () => bytesOfBits(one(bits(Buffer.of(0x02), 1)))],
        ['another kind in the place of bits', () => bitsOf(one(octets(Buffer.of(0, 1))))],
        ['a number below 0', () => naturalOf(one(der(2, Buffer.of(0x80))))],
        ['a number with a zero too many', () => naturalOf(one(der(2, Buffer.of(0, 0x7f))))],
        ['a number of no bytes', () => naturalOf(one(der(2)))],
        ['a tag of more than one byte', () => row(Buffer.of(0x1f, 0x01, 0x00))],
        ['a length that is not the shortest', () => row(Buffer.of(0x04, 0x81, 0x01, 0x00))],
        ['a length without an end', () => row(Buffer.of(0x24, 0x80, 0, 0))],
        ['a month 13', () => timeOf(one(der(0x18, Buffer.from('20271301000000Z'))))],
        ['a 30th of February', () => timeOf(one(der(0x17, Buffer.from('270230000000Z'))))],
        ['a 24th hour', () => timeOf(one(der(0x18, Buffer.from('20270101240000Z'))))],
        ['a second 60', () => timeOf(one(der(0x18, Buffer.from('20270101000060Z'))))],
    ])('is refused with %s', (_, read) => {
        expect(read).toThrow('The DER has');
    });

    it('is taken in its strict form', () => {
        expect(bitsOf(one(bits(Buffer.of(0x02), 1)))).toEqual({ bytes: Buffer.of(0x02), unused: 1 });
        expect(naturalOf(one(der(2, Buffer.of(0, 0x80))))).toEqual(Buffer.of(0, 0x80));
        expect(timeOf(one(der(0x17, Buffer.from('270228235959Z'))))).toBe(Date.UTC(2027, 1, 28, 23, 59, 59) / 1000);
    });

    it('of a revocation list is refused when its signature says that some of its bits are not used', () => {
        const list = good.collateral.pckCrl;
        const [{ body }] = row(list);
        const signature = row(body)[2];
        const at = list.length - signature.body.length;
        expect(list[at]).toBe(0);
        for (const unused of [1, 2, 7, 8, 255]) {
            const changed = Buffer.from(list);
            changed[at] = unused;
            expect(() => revocationList(changed)).toThrow('The DER has a bit string');
        }
    });
});
