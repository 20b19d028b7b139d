// Compiles the contracts (contracts.mjs) and bundles the programs (bundle.mjs), as far as a source has changed.
import '../offchain/bin/node.js';
import { bundle } from './bundle.mjs';
import { compileAll } from './contracts.mjs';

try {
    const compiled = compileAll();
    console.log(compiled.length === 0 ? 'build: contracts are up to date' : `build: compiled ${compiled.join(', ')}`);
    const made = await bundle();
    console.log(made.length === 0 ? 'build: programs are up to date' : `build: bundled ${made.join(' and ')}`);
} catch (error) {
    console.error(`build: ${error.message}`);
    process.exitCode = 1;
}
