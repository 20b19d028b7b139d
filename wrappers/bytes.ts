/** Keys, hashes and accounts as bytes and as the numbers that Tact makes of them, big endian. */

/** The number of these bytes. */
export function bytesToNumber(bytes: Buffer): bigint {
    return BigInt(`0x${bytes.toString('hex')}`);
}

/** The bytes of a number, 32 unless `length` says otherwise. */
export function numberToBytes(number: bigint, length = 32): Buffer {
    return Buffer.from(number.toString(16).padStart(length * 2, '0'), 'hex');
}

/** The 64 hex digits of a number. */
export function numberToHex(number: bigint): string {
    return numberToBytes(number).toString('hex');
}
