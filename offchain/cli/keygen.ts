/** What the commands that make keys share: run again, they can show the key that exists. */
import { signingKey } from '@cocoon-market/wrappers';
import { existsSync } from 'node:fs';
import { readSeed, writeSeed } from '../process/keyFiles';

export const KEEP = [
    '--keep',
    'if the file exists, print the public half of what it holds; without this, that is refused',
] as const;

export interface KeygenFlags {
    out: string;
    keep?: boolean;
}

/** The content of a key file: read if it exists and may be kept, otherwise made. */
export function readOrMake<T>({ out, keep }: KeygenFlags, read: (path: string) => T, make: (path: string) => T): T {
    return keep === true && existsSync(out) ? read(out) : make(out);
}

/** The public half, as hex, of a key file that holds one seed. `maker`: the command that makes it. */
export function publicKeyIn(flags: KeygenFlags, maker: string): string {
    const seed = readOrMake(flags, (path) => readSeed(path, maker), writeSeed);
    return signingKey(seed).publicKey.toString('hex');
}
