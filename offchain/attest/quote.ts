/** Reads a TDX quote of version 4 strictly: every length is exact, and nothing follows the end. */
import { createHash } from 'node:crypto';

const HEADER = 48;
const REPORT = 584;
const SIGNATURE = 64;
const ENCLAVE_REPORT = 384;
const QE_AUTH = 32;

const INTEL = Buffer.from('939a7233f79c4ca9940a0db3957f0607', 'hex'); // vendor of the quoting enclave

const VERSION = 4;
const ECDSA_P256 = 2; // kind of attestation key
const TDX = 0x81;
const QE_REPORT = 6; // certification data: report of the quoting enclave and its own certification
const PCK_CHAIN = 5; // certification data: PEM chain of the machine's key

/** The fields of a quote that a verifier uses. */
export interface Quote {
    tcbSvn: Buffer; // 16 bytes
    signerSeam: Buffer; // 48 bytes, signer of the TDX module
    seamAttributes: Buffer; // 8 bytes
    attributes: Buffer; // 8 bytes, of the guest
    /**
     * 48 bytes: SHA-384 of MRSEAM, TDATTRIBUTES, XFAM, MRTD, MRCONFIGID, MROWNER, MROWNERCONFIG and RTMR0 to RTMR3: all
     * fields of the report that neither Intel's collateral nor the report data binds.
     */
    measurement: Buffer;
    reportData: Buffer; // 64 bytes
    chain: string; // PEM
    signatures: QuoteSignatures;
}

/** The signatures of a quote, and what they sign. */
export interface QuoteSignatures {
    signed: Buffer; // header and report
    signature: Buffer; // 64 bytes, over header and report
    key: Buffer; // 64 bytes, of that signature
    enclaveReport: Buffer; // of the quoting enclave, which made the key
    enclaveSignature: Buffer; // 64 bytes, by the machine's key, over the enclave's report
    enclaveData: Buffer; // hashed with the key into the enclave's report
}

class Reader {
    private at = 0;

    constructor(private readonly bytes: Buffer) {}

    take(length: number): Buffer {
        if (this.at + length > this.bytes.length) {
            throw new Error('The quote is cut');
        }
        this.at += length;
        return this.bytes.subarray(this.at - length, this.at);
    }

    /** Bytes with their length before them, in `size` bytes. */
    sized(size: number): Buffer {
        return this.take(this.take(size).readUIntLE(0, size));
    }

    expect(size: number, value: number, what: string): void {
        if (this.take(size).readUIntLE(0, size) !== value) {
            throw new Error(`The quote has another ${what}`);
        }
    }

    zeros(size: number, what: string): void {
        if (!this.take(size).equals(Buffer.alloc(size))) {
            throw new Error(`The quote has ${what}`);
        }
    }

    end(): void {
        if (this.at !== this.bytes.length) {
            throw new Error('The quote has something appended');
        }
    }
}

/** Reads a quote. Throws when it is of another kind, or one of its lengths is not exact. */
export function readQuote(bytes: Buffer): Quote {
    const reader = new Reader(bytes);
    reader.expect(2, VERSION, 'version');
    reader.expect(2, ECDSA_P256, 'kind of key');
    reader.expect(4, TDX, 'kind of machine');
    reader.zeros(4, 'something in a reserved field');
    if (!reader.take(16).equals(INTEL)) {
        throw new Error('The quote is of another vendor');
    }
    reader.take(20); // identifies the enclave's installation, not the guest
    const report = reader.take(REPORT);
    const auth = new Reader(reader.sized(4));
    reader.end();
    const [signature, key] = [auth.take(SIGNATURE), auth.take(SIGNATURE)];
    auth.expect(2, QE_REPORT, 'kind of certification');
    const enclave = new Reader(auth.sized(4));
    auth.end();
    const [enclaveReport, enclaveSignature] = [enclave.take(ENCLAVE_REPORT), enclave.take(SIGNATURE)];
    checkEnclaveReport(new Reader(enclaveReport));
    enclave.expect(2, QE_AUTH, 'length of data'); // the package hashes 32 bytes and would ignore more
    const enclaveData = enclave.take(QE_AUTH);
    enclave.expect(2, PCK_CHAIN, 'kind of certification');
    const chain = enclave.sized(4);
    enclave.end();
    return {
        tcbSvn: report.subarray(0, 16),
        signerSeam: report.subarray(64, 112),
        seamAttributes: report.subarray(112, 120),
        attributes: report.subarray(120, 128),
        measurement: createHash('sha384').update(report.subarray(16, 64)).update(report.subarray(120, 520)).digest(),
        reportData: report.subarray(520, 584),
        chain: chain.toString('latin1').replace(/\0$/, ''), // the quoting library appends a zero byte
        signatures: {
            signed: bytes.subarray(0, HEADER + REPORT),
            ...{ signature, key, enclaveReport, enclaveSignature, enclaveData },
        },
    };
}

/** Checks that the unused fields of the quoting enclave's report are zeros, as in this kind of enclave. */
function checkEnclaveReport(report: Reader): void {
    const reserved = 'something in a reserved field of the quoting enclave';
    report.take(20); // security versions of the machine, and the saved state: the package compares them
    report.zeros(28, reserved); // with the extended product
    report.take(48); // attributes, measurement: the package compares the attributes with Intel's
    report.zeros(32, reserved);
    report.take(32); // signer
    report.zeros(96, reserved); // with the configuration
    report.take(4); // product and its security version
    report.zeros(60, reserved); // with the configuration's version and the product family
    report.take(32); // hash of key and data
    report.zeros(32, 'something after the hash in the report of the quoting enclave');
    report.end();
}
