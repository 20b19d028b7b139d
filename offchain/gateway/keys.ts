/** The gateway's one secret: a seed in a file. Every voucher key follows from it, so a lost store can be rebuilt. */
import { SigningKey, signingKey } from '@cocoon-market/wrappers';
import { hkdfSync, randomBytes } from 'node:crypto';
import { closeSync, existsSync, fsyncSync, openSync, readFileSync, statSync, writeSync } from 'node:fs';

const SEED_BYTES = 32;
const OTHERS = 0o077; // any right of group or others

/** What opens jobs and pays for them. The seed stays inside. */
export interface ClientKeys {
    readonly spend: SigningKey;
    /** The voucher key of the job with this number of this escrow. */
    voucher(escrow: Buffer, job: number): SigningKey;
}

/** The keys of a 32-byte seed. */
export function clientKeys(seed: Buffer): ClientKeys {
    return {
        spend: signingKey(seed),
        voucher: (escrow, job) => {
            const info = Buffer.concat([Buffer.from('cocoon-market voucher key'), escrow, Buffer.alloc(8)]);
            info.writeBigUInt64BE(BigInt(job), info.length - 8);
            return signingKey(Buffer.from(hkdfSync('sha256', seed, Buffer.alloc(0), info, SEED_BYTES)));
        },
    };
}

/** The keys whose seed a file holds as hex. Throws unless only its owner can read it. */
export function readClientKeys(path: string): ClientKeys {
    if ((statSync(path).mode & OTHERS) !== 0) {
        throw new Error(`${path} holds a key and can be read by others: chmod 600 ${path}`);
    }
    const text = readFileSync(path, 'utf8').trim();
    if (!/^[0-9a-f]{64}$/.test(text)) {
        throw new Error(`${path} does not hold a seed: 32 bytes as hex, made by "cocoon gateway keygen"`);
    }
    return clientKeys(Buffer.from(text, 'hex'));
}

/** The spend key of a key file, which is made if it is not there. Throws when it is there and holds no key of ours. */
export function keptSeed(path: string): Buffer {
    return existsSync(path) ? readClientKeys(path).spend.publicKey : writeNewSeed(path);
}

/** Writes a new random seed, readable by the owner only; never over a file that exists. Returns its spend key. */
export function writeNewSeed(path: string): Buffer {
    const seed = randomBytes(SEED_BYTES);
    const file = openSync(path, 'wx', 0o600);
    try {
        writeSync(file, `${seed.toString('hex')}\n`);
        fsyncSync(file);
    } finally {
        closeSync(file);
    }
    return signingKey(seed).publicKey;
}
