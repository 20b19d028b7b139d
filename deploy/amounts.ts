/** Amounts that shall be there: what is missing, so that a second run sends nothing. */

const TOLERANCE = 50n; // a fiftieth: fees and rent take a little of what arrives

/** nanoTON that `held` lacks of `upTo`; 0n when there is enough, or all but a fiftieth. */
export function shortfall(held: bigint, upTo: bigint): bigint {
    const due = upTo - held;
    return due <= 0n || due * TOLERANCE < upTo ? 0n : due;
}
