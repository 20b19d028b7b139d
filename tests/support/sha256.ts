/**
 * SHA-256 by OpenSSL in place of `@ton/crypto`'s own in JavaScript, which takes a third of the time of a test that sends
 * many messages: every cell is hashed. hashing.ts puts it there; chain.spec.ts compares the two.
 */
import { hash } from 'node:crypto';

export function sha256_sync(source: Buffer | string): Buffer {
    return hash('sha256', source, 'buffer');
}
