import { rejectionOf, AttestationPolicy, readQuote, reportData, MAX_TDX_LIFETIME } from '../../../offchain/attest';
import { octets, oid, sequence, yes } from '../support/der';
import { Lies, NOW, TestIntel } from '../support/intel';

const intel = new TestIntel();
const keys = { encryptionKey: Buffer.alloc(32, 2), receiptKey: Buffer.alloc(32, 3), node: Buffer.alloc(32, 4) };
const expiry = NOW + 3600;
const make = (lies: Lies = {}) => intel.evidence(reportData(keys, expiry), expiry, lies);
const good = make();
const { measurement } = readQuote(good.quote);
const policy: AttestationPolicy = { tiers: ['tdx'], measurements: [measurement], tdxRoot: intel.root };

const faultOf = (evidence = good, now = NOW) => rejectionOf(evidence, keys, policy, now);

/** The evidence with other bytes in its quote. */
const quoted = (quote: Buffer) => ({ ...good, quote });

/** The evidence with another piece of collateral. */
const with_ = (change: Partial<typeof good.collateral>) => ({ ...good, collateral: { ...good.collateral, ...change } });

describe('attestation of tier tdx', () => {
    it('is good for the keys, image and time it was made for', () => {
        expect(faultOf()).toBeUndefined();
    });

    it('is not good under the root of Intel when another authority made it', () => {
        const { tdxRoot: _, ...intels } = policy;
        expect(rejectionOf(good, keys, intels, NOW)).toBe('a certificate chain does not end in the pinned root');
    });

    it.each(['encryptionKey', 'receiptKey', 'node'] as const)('is not good for another %s', (field) => {
        expect(rejectionOf(good, { ...keys, [field]: Buffer.alloc(32, 9) }, policy, NOW)).toBe(
            'the quote does not bind these keys',
        );
    });

    it('is good until its expiry and not at it, and not with another expiry than is bound', () => {
        expect(faultOf(good, expiry - 1)).toBeUndefined();
        expect(faultOf(good, expiry)).toBe('the attestation has expired');
        expect(faultOf({ ...good, expiry: expiry + 1 })).toBe('the quote does not bind these keys');
    });

    it('lasts no longer than two days', () => {
        const until = (at: number) => intel.evidence(reportData(keys, at), at);

        expect(faultOf(until(NOW + MAX_TDX_LIFETIME))).toBeUndefined();
        expect(faultOf(until(NOW + MAX_TDX_LIFETIME + 1))).toBe('the attestation lasts longer than 172800 s');
    });

    it('needs the image to be one that is allowed', () => {
        const others = { ...policy, measurements: [Buffer.alloc(48, 1)] };
        expect(rejectionOf(good, keys, others, NOW)).toBe('the measurement is not an allowed image');
        expect(rejectionOf(good, keys, { ...policy, measurements: [] }, NOW)).toBe(
            'the measurement is not an allowed image',
        );
    });

    it.each([
        ['MRTD', 136],
        ['MRCONFIGID', 184],
        ['MROWNER', 232],
        ['MROWNERCONFIG', 280],
        ['RTMR0', 328],
        ['RTMR1', 376],
        ['RTMR2', 424],
        ['RTMR3', 519],
    ])('measures %s', (_, at) => {
        expect(faultOf(make({ report: (report) => (report[at] ^= 1) }))).toBe(
            'the measurement is not an allowed image',
        );
    });

    it('takes no guest that can be debugged, whoever signed it', () => {
        expect(faultOf(make({ report: (report) => (report[120] |= 1) }))).toBe('the guest can be debugged');
    });

    it('takes no quote in which any byte was changed', () => {
        const taken: number[] = [];
        const step = 3; // of 5 KB, and every field is longer or named below
        const named = [0, 2, 4, 12, 28, 48, 632, 636, 700, 764, 766];
        const last = good.quote.length - 1; // the end of a C text, which says nothing
        for (const at of [...named, ...Array.from({ length: Math.floor(last / step) }, (_, i) => i * step)]) {
            const changed = Buffer.from(good.quote);
            changed[at] ^= 1;
            if (faultOf(quoted(changed)) === undefined) {
                taken.push(at);
            }
        }
        expect(taken).toEqual([]);
    }, 120_000);

    it('refuses what is appended to a quote or missing from it', () => {
        expect(faultOf(quoted(Buffer.concat([good.quote, Buffer.of(0)])))).toBe(
            'the quote is refused: The quote has something appended',
        );
        expect(faultOf(quoted(good.quote.subarray(0, -1)))).toBe('the quote is refused: The quote is cut');
        expect(faultOf(quoted(Buffer.alloc(0)))).toBe('the quote is refused: The quote is cut');
    });

    it.each(['tcbInfoSignature', 'qeIdentitySignature', 'rootCrl', 'pckCrl'] as const)(
        'refuses a changed %s',
        (piece) => {
            const bytes = Buffer.from(good.collateral[piece]);
            bytes[bytes.length - 1] ^= 1;
            expect(faultOf(with_({ [piece]: bytes }))).toBeDefined();
            expect(faultOf(with_({ [piece]: Buffer.alloc(bytes.length) }))).toBeDefined();
        },
    );

    it.each(['tcbInfo', 'qeIdentity'] as const)('refuses %s that Intel did not sign', (piece) => {
        expect(faultOf(with_({ [piece]: good.collateral[piece].replace('17', '18') }))).toMatch(/Signature is invalid/);
    });

    it.each([
        [
            'no revocation list at all',
            with_({ pckCrl: Buffer.from('garbage') }),
            'the quote is refused: The DER ends in the middle of an element',
        ],
        [
            "the machine's list in the root's place",
            with_({ rootCrl: good.collateral.pckCrl }),
            'a revocation list is of another authority',
        ],
        [
            "the root's list in the machine's place",
            with_({ pckCrl: good.collateral.rootCrl }),
            'a revocation list is of another authority',
        ],
        [
            'a list that another key signed',
            make({ pckCrl: { signer: intel.otherKeys } }),
            'a revocation list is not signed by its authority',
        ],
        ['a list that is over', make({ rootCrl: { until: NOW - 1 } }), 'a revocation list is not current'],
        ['a list of the future', make({ pckCrl: { from: NOW + 1 } }), 'a revocation list is not current'],
        [
            'a list with a condition',
            make({ pckCrl: { extensions: [sequence(oid('2.5.29.28'), yes(), octets(sequence()))] } }),
            'the quote is refused: A revocation list has a critical extension, or something appended',
        ],
        ['a machine that was revoked', make({ pckCrl: { serials: [8, 3] } }), 'a certificate is revoked'],
        ['an authority that was revoked', make({ rootCrl: { serials: [2] } }), 'a certificate is revoked'],
        ['a signer of TCB info that was revoked', make({ rootCrl: { serials: [4] } }), 'a certificate is revoked'],
        [
            'a list of an authority that may sign none',
            make({ authority: { usage: 0x04 } }),
            'a revocation list is of another authority',
        ],
        ['an issuer that is no authority', make({ authority: { ca: false } }), 'an issuer is no authority'],
        [
            'an issuer that may not issue',
            make({ authority: { usage: 0x02 } }),
            'a certificate was not issued by the next one',
        ],
        ['a machine that is an authority', make({ machine: { ca: true } }), 'the quote is refused: CaUsedAsEndEntity'],
        [
            "a machine's certificate that another key signed",
            make({ machine: { signer: intel.otherKeys } }),
            'a certificate was not issued by the next one',
        ],
        [
            "a machine's certificate of another issuer",
            make({ machine: { issuer: 'Intel SGX Root CA' } }),
            'a certificate was not issued by the next one',
        ],
        [
            "a machine's certificate that is over",
            make({ machine: { until: NOW - 1 } }),
            'a certificate is not valid now',
        ],
        [
            "a machine's certificate of the future",
            make({ machine: { from: NOW + 1 } }),
            'a certificate is not valid now',
        ],
        [
            "a machine's certificate with a tail",
            make({ machine: { tail: Buffer.of(0) } }),
            'the quote is refused: A certificate has something appended',
        ],
        [
            'a key on another curve',
            make({ machine: { key: intel.otherCurve } }),
            'a certificate has another kind of key',
        ],
        [
            'an authority of another name',
            make({ authority: { subject: 'Some CA' }, machine: { issuer: 'Some CA' } }),
            'a certificate is for another purpose',
        ],
        [
            'TCB info that a machine signed',
            make({ signTcbInfo: 'machine' }),
            'a certificate chain has 3 certificates, not 2',
        ],
        [
            'a signer of another purpose',
            make({ tcbSigner: { subject: 'Intel SGX PCK Certificate' } }),
            'a certificate is for another purpose',
        ],
        [
            'a chain without its root',
            make({ chain: (chain) => chain.slice(0, chain.lastIndexOf('-----BEGIN')) }),
            'a certificate chain has 2 certificates, not 3',
        ],
        [
            'a chain with something between',
            make({ chain: (chain) => chain.replace('-----END', ' -----END') }),
            'the quote is refused: A certificate chain holds something else',
        ],
        [
            'TCB info of an SGX machine',
            make({ tcbInfo: (info) => ({ ...info, id: 'SGX' }) }),
            'the quote is refused: TDX quote with non-TDX TCB info in the collateral',
        ],
        [
            'TCB info that is over',
            make({ tcbInfo: (info) => ({ ...info, nextUpdate: '2020-01-01T00:00:00Z' }) }),
            'the quote is refused: TCBInfo expired',
        ],
        [
            'TCB info without a date',
            make({ tcbInfo: (info) => ({ ...info, nextUpdate: 'never' }) }),
            'the collateral is in an unknown form',
        ],
        [
            'TCB info of another platform',
            make({ tcbInfo: (info) => ({ ...info, fmspc: '00906ea10000' }) }),
            'the quote is refused: Fmspc mismatch',
        ],
        ['TCB info of another PCE', make({ pceId: '0001' }), 'the TCB info is of another PCE'],
        [
            'identity of another enclave',
            make({ qeIdentity: (identity) => ({ ...identity, id: 'QE' }) }),
            'the quote is refused: Unsupported QE Identity id/version for the quote TEE type',
        ],
        [
            'a quoting enclave of another signer',
            make({ qeReport: (report) => report.fill(0xcd, 128, 160) }),
            'the quote is refused: QE MRSIGNER mismatch',
        ],
        [
            'a quoting enclave that is too old',
            make({ qeReport: (report) => void report.writeUInt16LE(3, 258) }),
            'the quote is refused: QE ISVSVN 3 is below minimum required 4 from QE Identity',
        ],
        [
            'a quoting enclave that can be debugged',
            make({ qeReport: (report) => (report[48] |= 2) }),
            'the quote is refused: Debug mode is enabled',
        ],
        [
            'an attestation key that the enclave did not make',
            make({ qeReport: (report) => (report[320] ^= 1) }),
            'the quote is refused: QE report hash mismatch',
        ],
        [
            'a TDX module that Intel did not sign',
            make({ report: (report) => (report[64] = 1) }),
            'the TDX module is not one that Intel signed',
        ],
        [
            'a TDX module that can be debugged',
            make({ report: (report) => (report[112] = 1) }),
            'the TDX module is not one that Intel signed',
        ],
        [
            'a TDX module that is unknown',
            make({ report: (report) => (report[1] = 2) }),
            'the TDX module is unknown to Intel',
        ],
    ])('refuses %s', (_, evidence, fault) => {
        expect(faultOf(evidence)).toContain(fault);
    });

    it('takes the TCB status UpToDate, and another only when the client allows it', () => {
        const status = (tcbStatus: string) =>
            make({ tcbInfo: (info) => ({ ...info, tcbLevels: [{ ...info.tcbLevels[0], tcbStatus }] }) });
        const allowing = { ...policy, tcbStatuses: ['UpToDate', 'SWHardeningNeeded'] };

        expect(faultOf(status('SWHardeningNeeded'))).toBe(
            "the machine's TCB is SWHardeningNeeded, allowed is UpToDate",
        );
        expect(rejectionOf(status('SWHardeningNeeded'), keys, allowing, NOW)).toBeUndefined();
        expect(rejectionOf(status('OutOfDate'), keys, allowing, NOW)).toContain('OutOfDate');
        expect(rejectionOf(status('Revoked'), keys, { ...policy, tcbStatuses: ['Revoked'] }, NOW)).toContain('Revoked');
    });

    it('takes a TDX module of the level that Intel calls up to date, and none below', () => {
        expect(faultOf(make({ report: (report) => (report[0] = 2) }))).toBeUndefined();
        expect(faultOf(make({ report: (report) => (report[0] = 1) }))).toBe(
            "the machine's TCB is unknown, allowed is UpToDate",
        );
    });

    it('says nothing in the words of whoever made the evidence', () => {
        const fault = faultOf(with_({ tcbInfo: '\u001b[2J{' }));
        expect(fault).toMatch(/^[\x20-\x7e]+$/);
    });

    it('refuses more data of the quoting enclave than its hash covers', () => {
        const at = 48 + 584 + 4 + 64 + 64 + 6 + 384 + 64;
        const { quote } = good;
        const longer = Buffer.concat([quote.subarray(0, at + 34), Buffer.of(0), quote.subarray(at + 34)]);
        for (const [length, place] of [
            [4, 48 + 584],
            [4, at - 64 - 384 - 4],
            [2, at],
        ] as const) {
            longer.writeUIntLE(longer.readUIntLE(place, length) + 1, place, length);
        }
        expect(faultOf(quoted(longer))).toBe('the quote is refused: The quote has another length of data');
    });
});
