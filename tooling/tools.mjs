// Where each tool's command line lives, so that a step starts in one process instead of through npx.
import { join } from 'node:path';
import { root } from './files.mjs';

const bin = (path) => join(root, 'node_modules', path);

export const tools = {
    tact: bin('@tact-lang/compiler/bin/tact.js'),
    tactFmt: bin('@tact-lang/compiler/bin/tact-fmt.js'),
    misti: bin('@nowarp/misti/bin/misti'),
    prettier: bin('prettier/bin/prettier.cjs'),
    eslint: bin('eslint/bin/eslint.js'),
    tsc: bin('typescript/bin/tsc'),
    cspell: bin('cspell/bin.mjs'),
    knip: bin('knip/bin/knip.js'),
};
