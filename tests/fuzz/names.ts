/** What the model calls by a name, as the chain knows it: accounts, keys, signatures, jobs and contents. */
import { createHash } from 'node:crypto';

import { Address } from '@ton/core';
import { SigningKey, signingKey } from '@cocoon-market/wrappers';

import { WEAK_KEYS } from '../support/keys';
import { Account, Key, Signature, signed } from '../model';

export const hashOfText = (text: string): Buffer => createHash('sha256').update(text).digest();

/** An account of this name, to which nobody deploys anything. */
export const accountNamed = (name: string): Account => hashOfText(`account ${name}`).toString('hex');

export const addressOf = (account: Account): Address =>
    account.startsWith('-1:')
        ? new Address(-1, Buffer.from(account.slice(3), 'hex'))
        : new Address(0, Buffer.from(account, 'hex'));

export const accountOf = ({ workChain, hash }: Address): Account =>
    `${workChain === 0 ? '' : `${workChain}:`}${hash.toString('hex')}`;

const pairs = new Map<Key, SigningKey>();

/** The key pair of a name; making one takes a millisecond. */
export function pairOf(key: Key): SigningKey {
    const pair = pairs.get(key) ?? signingKey(hashOfText(`key ${key}`));
    pairs.set(key, pair);
    return pair;
}

/** The public key of a name. Names that begin with `weak` are points of small order; no name is no key. */
export function publicKeyOf(key: Key | undefined): Buffer {
    if (key === undefined) {
        return Buffer.alloc(32);
    }
    if (key.startsWith('weak')) {
        return WEAK_KEYS[Number(key.slice(4)) % WEAK_KEYS.length];
    }
    return pairOf(key).publicKey;
}

export const keyNumber = (key: Key | undefined): bigint => BigInt(`0x${publicKeyOf(key).toString('hex')}`);

/**
 * The 64 bytes of a signature: over this hash, if it is the model's signature of these fields, and over another one
 * otherwise. Without a signature, none.
 */
export function signatureBytes(
    signature: Signature,
    fields: readonly (string | number | bigint)[],
    hash: Buffer,
): Buffer {
    const key = signature.slice(0, signature.indexOf('('));
    const pair = pairOf(key.startsWith('weak') ? 'forger' : key);
    return pair.sign(signature === signed(key, ...fields) ? hash : hashOfText(signature));
}
