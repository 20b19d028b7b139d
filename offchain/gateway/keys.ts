/** The gateway's one secret: a seed in a file. Every voucher key follows from it, so a lost store can be rebuilt. */
import { SigningKey, signingKey } from '@cocoon-market/wrappers';
import { hkdfSync } from 'node:crypto';
import { readSeed } from '../process/keyFiles';

const SEED_BYTES = 32;

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

/** The keys whose seed a file holds as hex. Throws if others may read it. */
export function readClientKeys(path: string): ClientKeys {
    return clientKeys(readSeed(path, 'cocoon gateway keygen'));
}
