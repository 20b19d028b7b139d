/** The content of an attestation: the two keys of a node, its address, and the expiry. */
import { createHash } from 'node:crypto';

/** The keys that an attestation binds. */
export interface AttestedKeys {
    encryptionKey: Buffer; // X25519, 32 bytes
    receiptKey: Buffer; // Ed25519, 32 bytes
    node: Buffer; // account of the node's contract
}

/** SHA-512 of tag, encryption key, receipt key, node and expiry (unix seconds). */
export function reportData({ encryptionKey, receiptKey, node }: AttestedKeys, expiry: number): Buffer {
    const seconds = Buffer.alloc(4);
    seconds.writeUInt32BE(expiry);
    return createHash('sha512')
        .update('cocoon-market report data')
        .update(encryptionKey)
        .update(receiptKey)
        .update(node)
        .update(seconds)
        .digest();
}
