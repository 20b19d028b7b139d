/** The layout of a TDX quote, version 4, read strictly: every length exact, nothing after the end. */
import { createHash } from 'node:crypto';

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
    measurement: Buffer; // 48 bytes: SHA-384 of MRTD, MRCONFIGID, MROWNER, MROWNERCONFIG, RTMR0 to RTMR3
    reportData: Buffer; // 64 bytes
    chain: string; // PEM
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
    reader.take(4);
    if (!reader.take(16).equals(INTEL)) {
        throw new Error('The quote is of another vendor');
    }
    reader.take(20);
    const report = reader.take(REPORT);
    const auth = new Reader(reader.sized(4));
    reader.end();
    auth.take(2 * SIGNATURE); // the quote's signature, and the key that made it
    auth.expect(2, QE_REPORT, 'kind of certification');
    const enclave = new Reader(auth.sized(4));
    auth.end();
    enclave.take(ENCLAVE_REPORT + SIGNATURE);
    enclave.expect(2, QE_AUTH, 'length of data'); // the package hashes so many and would pass over more
    enclave.take(QE_AUTH);
    enclave.expect(2, PCK_CHAIN, 'kind of certification');
    const chain = enclave.sized(4);
    enclave.end();
    return {
        tcbSvn: report.subarray(0, 16),
        signerSeam: report.subarray(64, 112),
        seamAttributes: report.subarray(112, 120),
        attributes: report.subarray(120, 128),
        measurement: createHash('sha384').update(report.subarray(136, 520)).digest(),
        reportData: report.subarray(520, 584),
        chain: chain.toString('latin1').replace(/\0$/, ''), // the quoting library ends its text as C does
    };
}
