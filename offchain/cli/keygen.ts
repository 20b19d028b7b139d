/** What the commands that make keys share: run again, they can show the key that exists. */
import { signingKey } from '@cocoon-market/wrappers';
import type { Command } from 'commander';
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

/** Adds the command that makes a file of one seed and prints its public half as hex. `maker`: how users call it. */
export function keygenCommand(parent: Command, maker: string, description: string): void {
    parent
        .command('keygen')
        .description(description)
        .requiredOption('--out <file>', 'where the seed goes; never over a file that exists')
        .option(...KEEP)
        .action((flags: KeygenFlags) => {
            const seed = readOrMake(flags, (path) => readSeed(path, maker), writeSeed);
            console.log(signingKey(seed).publicKey.toString('hex'));
        });
}
