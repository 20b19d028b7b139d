/** Files that hold secrets. Only their owner may read them, and none is written over. */
import { randomBytes } from 'node:crypto';
import { closeSync, fchmodSync, fsyncSync, openSync, readFileSync, statSync, writeSync } from 'node:fs';
import { Remedied } from './errors';

const SEED_BYTES = 32;

/** True when group or others have any right to a file or folder of this mode. */
export const isOpenToOthers = (mode: number): boolean => (mode & 0o077) !== 0;

/** The text of a key file. Throws if others may read it; the error never repeats the text. */
export function readSecret(path: string): string {
    if (isOpenToOthers(statSync(path).mode)) {
        throw new Remedied(`${path} holds a key and others may read it`, { remedy: `chmod 600 ${path}` });
    }
    return readFileSync(path, 'utf8').trim();
}

/** Writes a key file with mode 0600; it is on the disk when this returns. Throws if the file exists. */
export function writeSecret(path: string, text: string): void {
    const file = openSync(path, 'wx', 0o600);
    try {
        fchmodSync(file, 0o600); // whatever the umask
        writeSync(file, `${text}\n`);
        fsyncSync(file);
    } finally {
        closeSync(file);
    }
}

/** A new random seed of 32 bytes. */
export function newSeed(): Buffer {
    return randomBytes(SEED_BYTES);
}

/** The 32 bytes that a text of 64 hex digits stands for; undefined if it is no such text. */
export function seedOf(text: string): Buffer | undefined {
    return /^[0-9a-f]{64}$/.test(text) ? Buffer.from(text, 'hex') : undefined;
}

/** The seed that a file holds as hex. `maker`: the command that makes such a file. */
export function readSeed(path: string, maker: string): Buffer {
    const seed = seedOf(readSecret(path));
    if (seed === undefined) {
        throw new Error(`${path} does not hold a seed of 32 bytes as hex: "${maker}" makes one`);
    }
    return seed;
}

/** Writes a new seed as hex to a new file. */
export function writeSeed(path: string): Buffer {
    const seed = newSeed();
    writeSecret(path, seed.toString('hex'));
    return seed;
}
