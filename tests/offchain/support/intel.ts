/**
 * Intel's part, generated: a root, the authorities below it, a machine with its quoting enclave, and the collateral.
 * Every piece can be replaced before it is signed, so that a test shows what the verifier says to a lie that is well
 * signed.
 */
import { createHash, generateKeyPairSync, KeyObject, sign } from 'node:crypto';
import type { AttestationProof } from '../../../offchain/link';
import { bits, der, integer, name, octets, oid, sequence, time, yes } from './der';

type Evidence = Extract<AttestationProof, { tier: 'tdx' }>;

export const NOW = 1_800_000_000;
const DAY = 86_400;
const YEAR = 365 * DAY;

const ECDSA = sequence(oid('1.2.840.10045.4.3.2'));
const SGX = '1.2.840.113741.1.13.1';
const FMSPC = '90c06f000000';
export const PCE_ID = '0000';

interface Pair {
    privateKey: KeyObject;
    publicKey: KeyObject;
}

const pair = (curve = 'P-256'): Pair => generateKeyPairSync('ec', { namedCurve: curve });

const signDer = (key: KeyObject, bytes: Buffer) => sign('sha256', bytes, key);
const signRaw = (key: KeyObject, bytes: Buffer) => sign('sha256', bytes, { key, dsaEncoding: 'ieee-p1363' });

function point({ publicKey }: Pair): Buffer {
    const { x, y } = publicKey.export({ format: 'jwk' });
    return Buffer.concat([Buffer.from(x!, 'base64url'), Buffer.from(y!, 'base64url')]);
}

/** How a certificate is made. */
export interface Making {
    subject: string;
    issuer: string;
    serial: number;
    from: number; // unix seconds
    until: number; // unix seconds
    ca: boolean;
    usage: number; // first byte of the key usage bits
    extra: Buffer[]; // extensions
    key: Pair;
    signer: Pair;
    tail: Buffer; // after the certificate
}

function certificate({ subject, issuer, serial, from, until, ca, usage, extra, key, signer, tail }: Making): Buffer {
    const extensions = [
        sequence(oid('2.5.29.19'), yes(), octets(ca ? sequence(yes()) : sequence())),
        sequence(oid('2.5.29.15'), yes(), octets(bits(Buffer.of(usage)))),
        ...extra,
    ];
    const signed = sequence(
        der(0xa0, integer(2)),
        integer(serial),
        ECDSA,
        name(issuer),
        sequence(time(from), time(until)),
        name(subject),
        key.publicKey.export({ type: 'spki', format: 'der' }),
        der(0xa3, sequence(...extensions)),
    );
    return Buffer.concat([sequence(signed, ECDSA, bits(signDer(signer.privateKey, signed))), tail]);
}

function pem(...certificates: Buffer[]): string {
    const lines = (bytes: Buffer) => bytes.toString('base64').replace(/.{1,64}/g, '$&\n');
    return certificates
        .map((bytes) => `-----BEGIN CERTIFICATE-----\n${lines(bytes)}-----END CERTIFICATE-----\n`)
        .join('');
}

/** How a revocation list is made. */
export interface Listing {
    issuer: string;
    signer: Pair;
    from: number; // unix seconds
    until: number; // unix seconds
    serials: number[];
    extensions: Buffer[];
}

function list({ issuer, signer, from, until, serials, extensions }: Listing): Buffer {
    const entries = serials.map((serial) => sequence(integer(serial), time(from)));
    const signed = sequence(
        integer(1),
        ECDSA,
        name(issuer),
        time(from),
        time(until),
        ...(entries.length > 0 ? [sequence(...entries)] : []),
        ...(extensions.length > 0 ? [der(0xa0, sequence(...extensions))] : []),
    );
    return sequence(signed, ECDSA, bits(signDer(signer.privateKey, signed)));
}

const dated = { issueDate: new Date((NOW - DAY) * 1000), nextUpdate: new Date((NOW + 29 * DAY) * 1000) };
const dates = {
    issueDate: dated.issueDate.toISOString().replace('.000', ''),
    nextUpdate: dated.nextUpdate.toISOString().replace('.000', ''),
};

const svns = (svn: number) => Array.from({ length: 16 }, () => ({ svn }));
const zeros = (bytes: number) => '00'.repeat(bytes);

/** What Intel says of the machine; every field as in its documents. */
export function tcbInfo() {
    const tdxModule = { mrsigner: zeros(48), attributes: zeros(8), attributesMask: 'FF'.repeat(8) };
    const level = { tcb: { sgxtcbcomponents: svns(1), tdxtcbcomponents: svns(1), pcesvn: 11 }, tcbStatus: 'UpToDate' };
    return {
        ...{ id: 'TDX', version: 3, ...dates, fmspc: FMSPC, pceId: PCE_ID, tcbType: 0, tcbEvaluationDataNumber: 17 },
        tdxModule,
        tdxModuleIdentities: [
            { id: 'TDX_01', ...tdxModule, tcbLevels: [{ tcb: { isvsvn: 2 }, tcbStatus: 'UpToDate' }] },
        ],
        tcbLevels: [{ ...level, tcbDate: dates.issueDate }],
    };
}

/** What Intel says of the quoting enclave. */
export function qeIdentity() {
    return {
        ...{ id: 'TD_QE', version: 2, ...dates, tcbEvaluationDataNumber: 17 },
        ...{ miscselect: zeros(4), miscselectMask: 'FF'.repeat(4), attributes: zeros(16), attributesMask: zeros(16) },
        ...{ mrsigner: 'AB'.repeat(32), isvprodid: 2 },
        tcbLevels: [{ tcb: { isvsvn: 4 }, tcbDate: dates.issueDate, tcbStatus: 'UpToDate' }],
    };
}

/** What of a quote and its collateral is other than it should be. */
export interface Lies {
    root?: Partial<Making>;
    authority?: Partial<Making>;
    machine?: Partial<Making>;
    tcbSigner?: Partial<Making>;
    rootCrl?: Partial<Listing>;
    pckCrl?: Partial<Listing>;
    tcbInfo?: (info: ReturnType<typeof tcbInfo>) => unknown;
    qeIdentity?: (identity: ReturnType<typeof qeIdentity>) => unknown;
    signTcbInfo?: 'machine'; // with the machine's key and chain instead of the signer's
    report?: (report: Buffer) => void; // 584 bytes
    qeReport?: (report: Buffer) => void; // 384 bytes
    pceId?: string; // in the machine's certificate
    chain?: (chain: string) => string;
}

/** An authority as Intel is one, for one test file. */
export class TestIntel {
    private readonly keys = { root: pair(), authority: pair(), machine: pair(), tcb: pair(), attestation: pair() };
    readonly otherKeys = pair();
    readonly otherCurve = pair('P-384');

    /** SHA-256 of the root's certificate. */
    get root(): Buffer {
        return createHash('sha256').update(this.certificates({}).root).digest();
    }

    /** A quote over this report data (64 bytes) with all that belongs to it. */
    evidence(reportData: Buffer, expiry: number, lies: Lies = {}): Evidence {
        const { root, authority, machine, tcb } = this.certificates(lies);
        const info = JSON.stringify(lies.tcbInfo?.(tcbInfo()) ?? tcbInfo());
        const identity = JSON.stringify(lies.qeIdentity?.(qeIdentity()) ?? qeIdentity());
        const byMachine = lies.signTcbInfo === 'machine';
        const signer = byMachine ? this.keys.machine : this.keys.tcb;
        const chain = byMachine ? pem(machine, authority, root) : pem(tcb, root);
        const list1 = { issuer: ROOT, signer: this.keys.root, from: NOW - DAY, until: NOW + YEAR, serials: [9] };
        const list2 = { ...list1, issuer: PLATFORM, signer: this.keys.authority };
        const number = sequence(oid('2.5.29.20'), octets(integer(1)));
        return {
            tier: 'tdx',
            quote: this.quote(reportData, pem(machine, authority, root), lies),
            expiry,
            collateral: {
                tcbInfo: info,
                tcbInfoSignature: signRaw(signer.privateKey, Buffer.from(info)),
                tcbInfoChain: chain,
                qeIdentity: identity,
                qeIdentitySignature: signRaw(this.keys.tcb.privateKey, Buffer.from(identity)),
                qeIdentityChain: pem(tcb, root),
                rootCrl: list({ ...list1, extensions: [number], ...lies.rootCrl }),
                pckCrl: list({ ...list2, extensions: [number], ...lies.pckCrl }),
            },
        };
    }

    private made?: { root: Buffer; authority: Buffer; machine: Buffer; tcb: Buffer };

    private certificates(lies: Lies) {
        if (
            this.made !== undefined &&
            !lies.root &&
            !lies.authority &&
            !lies.machine &&
            !lies.tcbSigner &&
            !lies.pceId
        ) {
            return this.made;
        }
        const { keys } = this;
        const common = { from: NOW - YEAR, until: NOW + YEAR, extra: [], tail: Buffer.alloc(0) };
        const made = { ca: true, usage: 0x06, issuer: ROOT, signer: keys.root, ...common };
        const tcb = tcbLevels(lies.pceId ?? PCE_ID);
        const own = {
            root: this.made?.root ?? certificate({ ...made, subject: ROOT, serial: 1, key: keys.root, ...lies.root }),
            authority: certificate({ ...made, subject: PLATFORM, serial: 2, key: keys.authority, ...lies.authority }),
            machine: certificate({
                ...{ ...common, ca: false, usage: 0xc0, issuer: PLATFORM, signer: keys.authority, serial: 3 },
                ...{ subject: 'Intel SGX PCK Certificate', extra: [tcb], key: keys.machine, ...lies.machine },
            }),
            tcb: certificate({
                ...{ ...common, ca: false, usage: 0xc0, issuer: ROOT, signer: keys.root, serial: 4 },
                ...{ subject: 'Intel SGX TCB Signing', key: keys.tcb, ...lies.tcbSigner },
            }),
        };
        if (lies.root !== undefined) {
            own.root = certificate({ ...made, subject: ROOT, serial: 1, key: keys.root, ...lies.root });
        } else if (Object.keys(lies).length === 0) {
            this.made = own;
        }
        return own;
    }

    private quote(reportData: Buffer, chain: string, lies: Lies): Buffer {
        const header = Buffer.alloc(48);
        header.writeUInt16LE(4, 0);
        header.writeUInt16LE(2, 2);
        header.writeUInt32LE(0x81, 4);
        Buffer.from('939a7233f79c4ca9940a0db3957f0607', 'hex').copy(header, 12);
        const report = Buffer.alloc(584, 7);
        Buffer.from([3, 1, ...Array.from({ length: 14 }, () => 1)]).copy(report, 0); // TCB of module and machine
        report.fill(0, 64, 128); // signer and attributes of the module, attributes of the guest
        report[123] = 0x10; // SEPT_VE_DISABLE
        reportData.copy(report, 520);
        lies.report?.(report);
        const signed = Buffer.concat([header, report]);

        const qeAuth = Buffer.alloc(32, 6);
        const qeReport = Buffer.alloc(384);
        Buffer.alloc(32, 0xab).copy(qeReport, 128);
        qeReport.writeUInt16LE(2, 256);
        qeReport.writeUInt16LE(4, 258);
        const key = point(this.keys.attestation);
        createHash('sha256').update(key).update(qeAuth).digest().copy(qeReport, 320);
        lies.qeReport?.(qeReport);
        const certification = Buffer.concat([
            qeReport,
            signRaw(this.keys.machine.privateKey, qeReport),
            sized(2, qeAuth),
            Buffer.of(5, 0),
            sized(4, Buffer.from((lies.chain?.(chain) ?? chain) + '\0')),
        ]);
        const signature = signRaw(this.keys.attestation.privateKey, signed);
        const auth = Buffer.concat([signature, key, Buffer.of(6, 0), sized(4, certification)]);
        return Buffer.concat([signed, sized(4, auth)]);
    }
}

const ROOT = 'Intel SGX Root CA';
const PLATFORM = 'Intel SGX PCK Platform CA';

function sized(bytes: number, content: Buffer): Buffer {
    const length = Buffer.alloc(bytes);
    length.writeUIntLE(content.length, 0, bytes);
    return Buffer.concat([length, content]);
}

// The extension of a machine's certificate that names its TCB.
function tcbLevels(pceId: string): Buffer {
    const entry = (id: string, value: Buffer) => sequence(oid(`${SGX}.${id}`), value);
    const components = Array.from({ length: 16 }, (_, i) => entry(`2.${i + 1}`, integer(1)));
    const tcb = sequence(...components, entry('2.17', integer(13)), entry('2.18', octets(Buffer.alloc(16, 1))));
    const entries = [
        entry('1', octets(Buffer.alloc(16, 5))),
        entry('2', tcb),
        entry('3', octets(Buffer.from(pceId, 'hex'))),
        entry('4', octets(Buffer.from(FMSPC, 'hex'))),
        entry('5', der(0x0a, Buffer.of(1))),
    ];
    return sequence(oid(SGX), octets(sequence(...entries)));
}
