/** Fresh keys of jobs. */
import { signingKey } from '@cocoon-market/wrappers';

/** A new voucher key. `seed`: 32 bytes, from which it is made again. */
export function newKey(): { seed: Buffer; publicKey: Buffer } {
    const seed = Buffer.from(crypto.getRandomValues(new Uint8Array(32)));
    return { seed, publicKey: signingKey(seed).publicKey };
}
