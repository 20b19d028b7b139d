/**
 * SHA-256 by OpenSSL in place of `@ton/crypto`'s own in JavaScript, which takes a third of the time of a test that sends
 * many messages: every cell is hashed. jest.config.ts puts it there; tests/support/chain.spec.ts compares the two.
 */
import { hash } from 'node:crypto';

export function sha256_sync(source: Buffer | string): Buffer {
    return hash('sha256', source, 'buffer');
}

export async function sha256_fallback(source: Buffer | string): Promise<Buffer> {
    return sha256_sync(source);
}

export const sha256 = sha256_fallback;
