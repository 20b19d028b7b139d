/** nanoTON for machines, TON for people. */

const NANO = 1_000_000_000n;
const DECIMALS = 9;

/** An amount in TON with no more digits than it needs: `formatTon(1_500_000_000n)` is `'1.5'`. */
export function formatTon(nano: bigint): string {
    const sign = nano < 0n ? '-' : '';
    const size = nano < 0n ? -nano : nano;
    const fraction = (size % NANO).toString().padStart(DECIMALS, '0').replace(/0+$/, '');
    return `${sign}${size / NANO}${fraction === '' ? '' : `.${fraction}`}`;
}

/**
 * nanoTON of an amount in TON, exactly: `parseTon('1.5')` is `1_500_000_000n`.
 * Throws when the text is not a plain decimal number of at most nine digits after the point.
 */
export function parseTon(text: string): bigint {
    const match = /^(\d{1,12})(?:\.(\d{1,9}))?$/.exec(text.trim());
    if (match === null) {
        throw new Error(`"${text}" is not an amount in TON: write digits and at most nine decimals, such as 1.5`);
    }
    return BigInt(match[1]) * NANO + BigInt((match[2] ?? '').padEnd(DECIMALS, '0'));
}

/** nanoTON as thousandths of a TON, rounded up, for fees: `mTon(1_500_000n)` is `'1.500'`. */
export function mTon(nano: bigint): string {
    const micro = (nano + 999n) / 1000n;
    return `${micro / 1000n}.${(micro % 1000n).toString().padStart(3, '0')}`;
}
