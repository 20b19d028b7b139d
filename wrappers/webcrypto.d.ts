// @hpke/core names these types of the browser's library, which Node has under node:crypto only.
import type { webcrypto } from 'node:crypto';

declare global {
    type CryptoKey = webcrypto.CryptoKey;
    type CryptoKeyPair = webcrypto.CryptoKeyPair;
}
