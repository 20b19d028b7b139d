/**
 * Makes contracts/codes.json, by which anyone can tell that a build has the codes of this release: hash (hex) and depth
 * of each code. `npm run generate` writes it, tests/tooling/codes.spec.ts checks it.
 */
import { Cell } from '@ton/core';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { devDependencies } from '../package.json';

const ROOT = join(__dirname, '..');
const CONTRACTS = ['Channel', 'Dispute', 'Escrow', 'Library', 'Node', 'Provider', 'Registry'];

export const CODES = join(ROOT, 'contracts', 'codes.json');

/** The text of the file, from the codes in build/. */
export function codesFile(): string {
    const codes = CONTRACTS.map((name) => {
        const [code] = Cell.fromBoc(readFileSync(join(ROOT, 'build', name, `${name}_${name}.code.boc`)));
        return [name, { hash: code.hash().toString('hex'), depth: code.depth() }] as const;
    });
    const compiler = `tact ${devDependencies['@tact-lang/compiler']}`;
    return `${JSON.stringify({ compiler, codes: Object.fromEntries(codes) }, null, 4)}\n`;
}
