/** The layout of a TDX quote, version 4, read strictly: every length exact, nothing after the end. */
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

/** What a verifier reads in a quote. */
export interface Quote {
    tcbSvn: Buffer; // 16 bytes
    signerSeam: Buffer; // 48 bytes, who signed the TDX module
    seamAttributes: Buffer; // 8 bytes
    attributes: Buffer; // 8 bytes, of the guest
    /**
     * 48 bytes: SHA-384 of MRSEAM, TDATTRIBUTES, XFAM, MRTD, MRCONFIGID, MROWNER, MROWNERCONFIG and RTMR0 to RTMR3: of all
     * that the report says and that neither Intel's collateral nor the report data binds.
     */
    measurement: Buffer;
    reportData: Buffer; // 64 bytes
    chain: string; // PEM
    signatures: QuoteSignatures;
}

/** Who vouches for what in a quote. */
export interface QuoteSignatures {
    signed: Buffer; // header and report
    signature: Buffer; // 64 bytes, over them
    key: Buffer; // 64 bytes, that made it
    enclaveReport: Buffer; // of the quoting enclave, which has made the key
    enclaveSignature: Buffer; // 64 bytes, of the machine's key, over that
    enclaveData: Buffer; // hashed with the key into the enclave's report
}

class Reader {
    private at = 0;

    constructor(private readonly bytes: Buffer) {}

    take(length: number): Buffer {
        if (this.at + length > this.bytes.length) {
            throw new Error('The quote ends too early');
        }
        this.at += length;
        return this.bytes.subarray(this.at - length, this.at);
    }

    /** Bytes whose length is written before them, in `size` bytes. */
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

/** Reads a quote. Throws when it is of another kind, or a length in it is not exact. */
export function readQuote(bytes: Buffer): Quote {
    const reader = new Reader(bytes);
    reader.expect(2, VERSION, 'version');
    reader.expect(2, ECDSA_P256, 'kind of key');
    reader.expect(4, TDX, 'kind of machine');
    reader.zeros(4, 'something in a reserved field');
    if (!reader.take(16).equals(INTEL)) {
        throw new Error('The quote is of another vendor');
    }
    reader.take(20); // names the enclave's installation, says nothing of the guest
    const report = reader.take(REPORT);
    const auth = new Reader(reader.sized(4));
    reader.end();
    const [signature, key] = [auth.take(SIGNATURE), auth.take(SIGNATURE)];
    auth.expect(2, QE_REPORT, 'kind of certification');
    const enclave = new Reader(auth.sized(4));
    auth.end();
    const [enclaveReport, enclaveSignature] = [enclave.take(ENCLAVE_REPORT), enclave.take(SIGNATURE)];
    checkEnclaveReport(new Reader(enclaveReport));
    enclave.expect(2, QE_AUTH, 'length of data'); // the package hashes so many and would pass over more
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
        chain: chain.toString('latin1').replace(/\0$/, ''), // the quoting library ends its text as C does
        signatures: {
            signed: bytes.subarray(0, HEADER + REPORT),
            ...{ signature, key, enclaveReport, enclaveSignature, enclaveData },
        },
    };
}

/** The fields of the quoting enclave's report that nobody compares: zeros, unless it is another kind of enclave. */
function checkEnclaveReport(report: Reader): void {
    const reserved = 'something in a reserved field of the quoting enclave';
    report.take(20); // security versions of the machine, and what is saved: the package compares them
    report.zeros(28, reserved); // with the extended product
    report.take(48); // attributes, measurement: the package compares what Intel says of the first
    report.zeros(32, reserved);
    report.take(32); // signer
    report.zeros(96, reserved); // with the configuration
    report.take(4); // product and its security version
    report.zeros(60, reserved); // with the configuration's version and the product family
    report.take(32); // hash of key and data
    report.zeros(32, 'something after the hash in the report of the quoting enclave');
    report.end();
}
