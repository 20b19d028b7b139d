/**
 * Checks of what is about to be signed or sent. Every encoder and every send checks its fields first: a field that is
 * missing, misspelt, of another type or too wide would otherwise become a 0 or be cut without a word.
 */
import { Address, Cell } from '@ton/core';

/** A field cannot be encoded: it is missing, has another type or does not fit. Nothing was signed or sent. */
export class InvalidField extends RangeError {
    /** `field`: its path, such as `Voucher.count`; `expected`: type and range; `received`: what was there instead. */
    constructor(
        readonly field: string,
        readonly expected: string,
        readonly received: string,
    ) {
        super(`${field} must be ${expected}, got ${received}`);
        this.name = 'InvalidField';
    }
}

/** Throws {@link InvalidField} for a value that is not one of these; `path` names the field. */
export type ValueCheck = ((value: unknown, path: string) => void) & { readonly isOptional?: true };

/** The fields of an object by name. */
export type ValueChecks = Readonly<Record<string, ValueCheck>>;

/** Throws {@link InvalidField} unless `values` has exactly these fields, each of its type and in its range. */
export function checkFields(subject: string, checks: ValueChecks, values: unknown): void {
    checkKnownFields(subject, checks, values);
    for (const name of Object.keys(values as object)) {
        if (!(name in checks)) {
            const names = Object.keys(checks);
            throw new InvalidField(`${subject}.${name}`, `one of its fields (${names.join(', ')})`, 'an unknown name');
        }
    }
}

/** The same for an object that may have other fields too. If one is missing, the unknown names are in the error. */
export function checkKnownFields(subject: string, checks: ValueChecks, values: unknown): void {
    if (typeof values !== 'object' || values === null) {
        throw new InvalidField(subject, 'an object', display(values));
    }
    for (const [name, check] of Object.entries(checks)) {
        const value = (values as Record<string, unknown>)[name];
        if (value !== undefined) {
            check(value, `${subject}.${name}`);
        } else if (check.isOptional !== true) {
            const others = Object.keys(values).filter((other) => !(other in checks));
            const hint = others.length === 0 ? 'nothing' : `nothing, but ${others.slice(0, 5).join(', ')}`;
            refuse(check, `${subject}.${name}`, hint);
        }
    }
}

/** Asks the check what it expects, with nothing given. */
function refuse(check: ValueCheck, path: string, received: string): never {
    try {
        check(undefined, path);
    } catch (error) {
        if (error instanceof InvalidField) {
            throw new InvalidField(path, error.expected, received);
        }
    }
    throw new InvalidField(path, 'there', received);
}

function check(expected: string, accepts: (value: unknown) => boolean): ValueCheck {
    return (value, path) => {
        if (!accepts(value)) {
            throw new InvalidField(path, expected, display(value));
        }
    };
}

/** A value in the words of an error. Bytes are counted and not shown: they may be secret. */
function display(value: unknown): string {
    switch (typeof value) {
        case 'undefined':
            return 'nothing';
        case 'bigint':
            return `${value}n`;
        case 'string':
            return JSON.stringify(value.length > 40 ? `${value.slice(0, 40)}…` : value);
        case 'object':
            break;
        default:
            return String(value);
    }
    if (value instanceof Uint8Array) {
        return `${value.length} bytes`;
    }
    return value === null ? 'null' : Array.isArray(value) ? `a list of ${value.length}` : 'an object';
}

/** A whole number of so many bits, not negative. */
export const uint = (bits: number): ValueCheck => {
    const max = 2 ** bits - 1;
    return check(`a whole number from 0 to ${max}`, (value) => isWholeUpTo(value, 0, max));
};

/** A whole number of so many bits, the sign included. */
export const int = (bits: number): ValueCheck => {
    const max = 2 ** (bits - 1) - 1;
    return check(`a whole number from ${-max - 1} to ${max}`, (value) => isWholeUpTo(value, -max - 1, max));
};

const isWholeUpTo = (value: unknown, min: number, max: number) =>
    typeof value === 'number' && Number.isInteger(value) && value >= min && value <= max;

/** A bigint of so many bits, not negative. */
export const bigUint = (bits: number): ValueCheck => {
    const limit = 2n ** BigInt(bits);
    return check(
        `a bigint from 0 to 2^${bits} - 1`,
        (value) => typeof value === 'bigint' && value >= 0n && value < limit,
    );
};

/** nanoTON as a message carries them. */
export const coins = bigUint(120);

/** A Buffer of exactly so many bytes. */
export const bytes = (length: number): ValueCheck =>
    check(`a Buffer of ${length} bytes`, (value) => Buffer.isBuffer(value) && value.length === length);

/** A Buffer of at least so many bytes. */
export const bytesFrom = (min: number): ValueCheck =>
    check(`a Buffer of at least ${min} bytes`, (value) => Buffer.isBuffer(value) && value.length >= min);

/** ASCII text of at most so many characters. */
export const ascii = (max: number): ValueCheck =>
    check(
        `at most ${max} ASCII characters`,
        (value) => typeof value === 'string' && value.length <= max && /^[\x20-\x7e]*$/.test(value),
    );

/** Text whose UTF-8 has at most so many bytes. */
export const text = (max: number): ValueCheck =>
    check(`text of at most ${max} bytes`, (value) => typeof value === 'string' && Buffer.byteLength(value) <= max);

/** Any address that a message can name. */
export const address: ValueCheck = check('an Address of @ton/core', (value) => Address.isAddress(value));

/** A cell, ordinary or exotic. */
export const cell: ValueCheck = check('a Cell of @ton/core', (value) => value instanceof Cell || isForeignCell(value));

/** A cell of another copy of @ton/core. */
const isForeignCell = (value: unknown) =>
    typeof value === 'object' && value !== null && 'beginParse' in value && 'hash' in value;

export const boolean: ValueCheck = check('true or false', (value) => typeof value === 'boolean');

/** What signs. */
export const signer: ValueCheck = check(
    'a SigningKey',
    (value) => typeof (value as { sign?: unknown } | null)?.sign === 'function',
);

/** One of these texts. */
export const oneOf = (names: readonly string[]): ValueCheck =>
    check(`one of ${names.join(', ')}`, (value) => names.includes(value as string));

/** A field that may be left out. */
export const optional = (inner: ValueCheck): ValueCheck =>
    Object.assign(((value, path) => (value === undefined ? undefined : inner(value, path))) as ValueCheck, {
        isOptional: true as const,
    });

/** A field that may be null. */
export const nullable = (inner: ValueCheck): ValueCheck => {
    return (value, path) => (value === null ? undefined : inner(value, path));
};

/** A list whose members pass the check. */
export const listOf =
    (inner: ValueCheck, max: number): ValueCheck =>
    (value, path) => {
        if (!Array.isArray(value) || value.length > max) {
            throw new InvalidField(path, `a list of at most ${max}`, display(value));
        }
        value.forEach((member, i) => inner(member, `${path}[${i}]`));
    };

/** An object with exactly these fields. */
export const objectOf =
    (checks: ValueChecks): ValueCheck =>
    (value, path) =>
        checkFields(path, checks, value);

/** An object with these fields, and perhaps others. */
export const objectWith =
    (checks: ValueChecks): ValueCheck =>
    (value, path) =>
        checkKnownFields(path, checks, value);

/** What every send has. */
export const CALL: ValueChecks = { value: coins, queryId: optional(bigUint(64)) };
